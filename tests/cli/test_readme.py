"""The commands of the README, as printed, in order, in an empty folder."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from napari_sam_adapter.cli.main import main
from napari_sam_adapter.image_io import open_image

if TYPE_CHECKING:
    from collections.abc import Callable

README = Path(__file__).parents[2] / "README.md"
NEED_A_DISPLAY = ("annotate",)


def block_of(section: str, language: str) -> str:
    text = README.read_text(encoding="utf-8").split(f"## {section}", 1)[1]
    found = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found[1]


def commands() -> list[list[str]]:
    lines = block_of("In a shell", "bash").splitlines()
    return [shlex.split(line)[1:] for line in lines]


def test_the_first_command_writes_the_files_of_the_others(
    run: Callable[..., int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    first, *others = commands()
    assert run(*first) == 0
    told = capsys.readouterr().out
    taken = [c[1] for c in others if len(c) > 1]
    assert [name for name in taken if not Path(name).exists()] == []
    (point,) = (c[c.index("--point") + 1] for c in others if "--propagate" in c)
    assert f"--point {point}" in told
    (box,) = (c[c.index("--box") + 1] for c in others if "--box" in c)
    assert f"--box {box}" in told


@pytest.mark.slow
def test_all_commands_run_as_printed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for command in commands():
        if command[0] not in NEED_A_DISPLAY:
            assert main(command) == 0, (command, capsys.readouterr().err)
    exec(compile(block_of("In Python", "python"), "README", "exec"), {})
    outputs = "nucleus.ome.tif", "labels.png", "liver.ome.tif", "all_cells.png"
    assert all(open_image(name).data[...].any() for name in outputs)
    assert (tmp_path / "found" / "rows.csv").exists()
    assert open_image("labels.ome.tif").data[...].any()
