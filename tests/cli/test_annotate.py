from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
import zarr

from napari_sam_adapter.image_io.files.opening import save_labels

if TYPE_CHECKING:
    from pathlib import Path

Run = Callable[..., int]


@pytest.fixture
def no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which all goes well until the window is to open."""
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)


def test_a_folder_without_images_is_refused(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("annotate", tmp_path) == 2
    assert "got none" in capsys.readouterr().err
    assert run("annotate", tmp_path / "nowhere") == 2
    assert "does not exist" in capsys.readouterr().err


def test_a_machine_without_display_is_told(
    run: Run,
    tmp_path: Path,
    no_display: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save_labels(tmp_path / "a.tif", np.eye(4, dtype=np.uint8))
    assert run("annotate", tmp_path) == 2
    assert "Expected a display" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["store", "B.ZARR", "a.zarr"])
def test_a_zarr_store_is_an_image_whatever_its_name(
    run: Run,
    tmp_path: Path,
    no_display: None,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    zarr.create_array(tmp_path / name, shape=(4, 6, 8), dtype="u2")
    assert run("annotate", tmp_path / name) == 2
    assert "Expected a display" in capsys.readouterr().err
