from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import torch
from tests.conftest import CONTENT, SHA256
from tests.model.test_exports import base_of, published_state

from napari_sam_adapter.cli.main import main
from napari_sam_adapter.model.files import checkpoints
from napari_sam_adapter.model.files.checkpoints import load_checkpoint
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import SamShape
from napari_sam_adapter.model.variants import ADAPTERS, MODELS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Refused
    from tests.conftest import MakeEntry
    from tests.web_server import WebServer

    from napari_sam_adapter.weight_store.entries import Entry

WITH_THE_WEB_MODEL = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in background jobs
from napari_sam_adapter.cli.main import main
from napari_sam_adapter.model.variants import MODELS, ModelVariant
url, sha256, *arguments = sys.argv[1:]
MODELS["web"] = ModelVariant(
    "web", "", "CC0", "", url=url, sha256=sha256, saved_as="weights.pth"
)
sys.exit(main(arguments))
"""


@pytest.fixture
def web(entry: MakeEntry, monkeypatch: pytest.MonkeyPatch) -> Entry:
    """A download that is in the table."""
    wanted = entry()
    monkeypatch.setitem(MODELS, "web", wanted.variant)
    return wanted


@pytest.fixture
def own_model(tmp_path: Path) -> Path:
    """A small network with random weights in a file of its own."""
    path = tmp_path / "own.pth"
    torch.save(build_sam(SamShape(64, 32, 2, (2, 0), 64)).state_dict(), path)
    return path


def shell(web: Entry, *arguments: str, stdin: int | None = None) -> subprocess.Popen:
    """Start the command line in a process of its own."""
    command = [sys.executable, "-c", WITH_THE_WEB_MODEL, str(web.variant.url), SHA256]
    return subprocess.Popen(
        [*command, *arguments], stdin=stdin, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("command", [["models"], ["models", "list"]])
def test_models_and_adapters_are_listed_with_the_cache_folder(
    cache: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(MODELS) + len(ADAPTERS) + 2
    assert any(" tiny " in line and " shipped " in line for line in lines)
    assert any(" vit_h " in line and "2.56 GB" in line for line in lines)
    assert lines[-1] == f"cache folder: {cache} (0 bytes)"


def test_a_model_is_shown_with_licence_source_and_file(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "show", "vit_b"]) == 0
    told = capsys.readouterr().out
    assert "Apache-2.0" in told
    assert "https://dl.fbaipublicfiles.com/" in told
    assert "ec2df627" in told
    assert str(cache / "sam_vit_b_01ec64.pth") in told


def test_a_download_shows_its_licence_first(
    web: Entry, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "download", "web", "--yes"]) == 0
    told = capsys.readouterr()
    assert "licence CC0" in told.err.splitlines()[0]
    assert told.out == f"{web.path}: ready\n"
    assert web.path.read_bytes() == CONTENT
    assert main(["models", "remove", "web"]) == 0
    assert not web.path.exists()


def test_a_failed_download_is_one_line_after_the_licence(
    web: Entry, server: WebServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.files.clear()
    assert main(["models", "download", "web", "--yes"]) == 2
    offered, failed = capsys.readouterr().err.splitlines()
    assert "CC0" in offered
    assert "Cannot download web" in failed
    assert failed.endswith(str(web.path))


def test_without_a_terminal_consent_must_be_given(
    web: Entry, server: WebServer
) -> None:
    with shell(web, "models", "download", "web", stdin=subprocess.DEVNULL) as process:
        assert process.wait(30) == 2
        assert process.stderr is not None
        assert "models download web --yes" in process.stderr.read()
    assert server.asked == []


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 130)])
def test_in_a_terminal_the_user_is_asked(
    web: Entry, server: WebServer, answer: str, code: int
) -> None:
    pty = pytest.importorskip("pty")
    keyboard, terminal = pty.openpty()
    with shell(web, "models", "download", "web", stdin=terminal) as process:
        os.write(keyboard, f"{answer}\n".encode())
        assert process.wait(30) == code
        assert process.stderr is not None
        assert "licence CC0" in process.stderr.read()
    os.close(keyboard)
    os.close(terminal)
    assert web.path.exists() is (answer == "y")


def test_an_interrupted_download_leaves_no_final_file(
    web: Entry, server: WebServer
) -> None:
    server.gate.clear()
    with shell(web, "models", "download", "web", "--yes") as process:
        assert server.half_sent.wait(30)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    assert not web.path.exists()
    server.gate.set()
    assert main(["models", "download", "web", "--yes"]) == 0
    assert web.path.read_bytes() == CONTENT


def test_a_command_does_not_download_without_consent(
    web: Entry, server: WebServer, volume: Path, tmp_path: Path
) -> None:
    output = str(tmp_path / "labels.tif")
    command = ["segment", str(volume), "-o", output, "--point", "5,12,12"]
    with shell(web, *command, "--model", "web", stdin=subprocess.DEVNULL) as process:
        assert process.wait(60) == 2
        assert process.stderr is not None
        assert "models download web --yes" in process.stderr.read()
    assert server.asked == []


def test_an_imported_file_is_listed_and_removed(
    cache: Path, own_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "import", str(own_model), "--name", "mine"]) == 0
    assert capsys.readouterr().out.endswith("use it with --model mine\n")
    assert main(["models", "show", "mine"]) == 0
    assert "pinned at first use" in capsys.readouterr().out
    assert main(["models", "remove", "--all"]) == 0
    assert capsys.readouterr().out == "removed 0 files: 0 bytes\n"
    assert main(["models", "remove", "mine"]) == 0
    assert capsys.readouterr().out.startswith("removed 1 file: ")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["show", "vit_x"], "got 'vit_x'"),
        (["show", "vitb"], "got 'vitb'. Did you mean 'vit_b'?"),
        (["download", "medicl", "--yes"], "Did you mean 'medical'?"),
        (["remove", "Mine_2024"], "`models import`"),
        (["download", "sam_med2d", "--yes"], "put it at"),
        (["remove"], "Expected one name, or --all"),
        (["remove", "vit_b", "--all"], "Expected one name, or --all"),
        (["remove", "tiny"], "comes with the package"),
        (["import", "nowhere.pth", "--name", "mine"], "found none"),
        (["import", "nowhere.pth"], "--name"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_makes_no_sense_is_one_line(
    cache: Path, refused: Refused, arguments: list[str], told: str
) -> None:
    assert told in refused("models", *arguments)


def test_a_model_is_exported_for_segment_anything(
    cache: Path, own_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "import", str(own_model), "--name", "mine"]) == 0
    output = tmp_path / "plain.pth"
    command = ["models", "export", "mine", "--layout", "sam", "-o", str(output)]
    assert main(command) == 0
    assert capsys.readouterr().out.endswith("plain.pth: written\n")
    exported, own = torch.load(output), torch.load(own_model)
    assert exported.keys() == own.keys()
    assert all(torch.equal(exported[key], own[key]) for key in own)
    assert main(command) == 2


@pytest.mark.parametrize(
    ("layout", "told"),
    [
        ("sam-adapter", "Expected a model with a SAM-Adapter"),
        ("onnx", "got 'onnx'. Choose the one"),
    ],
)
def test_a_layout_without_place_for_the_model_is_told(
    refused: Refused, own_model: Path, tmp_path: Path, layout: str, told: str
) -> None:
    output = tmp_path / "out.pth"
    command = ["models", "export", own_model, "--layout", layout, "-o", output]
    assert told in refused(*command)
    assert not output.exists()


def test_the_adapter_of_a_published_checkpoint_gets_a_name(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published = tmp_path / "model_epoch_best.pth"
    torch.save(published_state(), published)
    base_of(published, tmp_path)
    base = str(tmp_path / "base.pth")
    command = ["models", "import", str(published), "--name", "mine", "--base", base]
    assert main(command) == 0
    assert capsys.readouterr().out.endswith("use it with --adapter mine\n")
    back = tmp_path / "back.pth"
    command = ["models", "export", base, "--adapter", "mine", "-o", str(back)]
    assert main([*command, "--layout", "sam-adapter"]) == 0
    expected, exported = torch.load(published), torch.load(back)
    assert exported.keys() == expected.keys()
    assert all(torch.equal(exported[key], expected[key]) for key in expected)


def test_how_a_model_wants_its_images_is_asked_and_remembered(
    cache: Path,
    own_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(checkpoints, "VIT_B", SamShape(64, 32, 2, (2, 0), 64))
    command = ["models", "import", str(own_model), "--name", "mine"]
    assert main(command) == 2
    assert 'preprocessing "sam", "medsam" or' in capsys.readouterr().err
    assert main([*command, "--preprocessing", "medsam"]) == 0
    capsys.readouterr()
    assert main(["models", "show", "mine"]) == 0
    assert "medsam" in capsys.readouterr().out
    output = own_model.with_name("exported.safetensors")
    command = ["models", "export", str(own_model), "--layout", "sam", "-o", str(output)]
    assert main(command) == 2
    assert main([*command, "--preprocessing", "micro-sam"]) == 0
    assert load_checkpoint(output).family.name == "micro-sam"
