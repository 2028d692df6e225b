from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from napari_sam_adapter.cli.messages import bars

if TYPE_CHECKING:
    import pytest


def test_a_log_gets_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bars, "LINE_SECONDS", 0.0)
    with bars.shell_bar(name="tiny", unit="image", total=3) as bar:
        bar.set_postfix_str("7 answers", refresh=False)
        bar.update(0)
        bar.update(2)
    lines = capsys.readouterr().err.replace("\r", "").split("\n")
    lines = [line for line in lines if line]
    assert lines[0].startswith("tiny: 0 of 3 images, ")
    assert lines[-1].startswith("tiny: 2 of 3 images, ")
    assert lines[-1].endswith("left, 7 answers")


def test_short_work_leaves_nothing_in_a_log(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert list(bars.shell_bar(range(3), name="tiny", unit="image")) == [0, 1, 2]
    assert not capsys.readouterr().err


def test_a_terminal_gets_a_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert list(bars.shell_bar(range(3), name="tiny", unit="image", delay=0))
    assert "100%" in capsys.readouterr().err
