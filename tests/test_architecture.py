"""The house keeps its promises: light imports, complete public list, contracts."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import napari_sam_adapter

HEAVY = ("torch", "napari", "qtpy", "PyQt6", "PySide6")
ROOT = Path(__file__).parents[1]


def modules_after(statement: str) -> set[str]:
    """Names of the top-level modules that a fresh process has loaded."""
    code = f"import sys; {statement}; print(*{{m.split('.')[0] for m in sys.modules}})"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return set(result.stdout.split())


def test_the_house_names_every_module() -> None:
    pages = (ROOT / "docs").glob("architecture*.md")
    told = "".join(page.read_text("utf-8") for page in pages)
    modules = (ROOT / "src").rglob("*.py")
    own = {path.name for path in modules if not path.name.endswith("_panel.py")}
    assert [name for name in sorted(own) if name[0] != "_" and name not in told] == []


@pytest.mark.parametrize(
    "statement",
    [
        "import napari_sam_adapter",
        "import napari_sam_adapter.cli.main",
        "import napari_sam_adapter.volume.session.session",
        "from napari_sam_adapter import Session, Prompts, propagate, open_image",
        "import napari_sam_adapter.model.variants",
        "from napari_sam_adapter import open_dataset",
    ],
)
def test_light_imports_load_neither_torch_nor_qt(statement: str) -> None:
    assert not modules_after(statement) & set(HEAVY)


def test_every_public_name_can_be_loaded() -> None:
    names = napari_sam_adapter.__all__
    assert names[1:] == sorted(names[1:])
    assert all(getattr(napari_sam_adapter, name) for name in names)


def test_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="segment_everything_now"):
        _ = napari_sam_adapter.segment_everything_now


def test_every_error_is_ours_and_drawn_in_the_tree() -> None:
    errors = importlib.import_module("napari_sam_adapter.errors")
    own = [e for e in vars(errors).values() if isinstance(e, type)]
    assert all(issubclass(error, errors.SamAdapterError) for error in own)
    assert all(error.__name__ in (errors.__doc__ or "") for error in own)


def test_import_contracts_hold() -> None:
    pytest.importorskip("importlinter")
    # in a process of its own: it silences all loggers
    code = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_shipped_weights_stay_within_their_budget() -> None:
    folder = Path(napari_sam_adapter.__file__).parent / "weights"
    sizes = [file.stat().st_size for file in folder.iterdir()]
    assert sum(sizes) <= 25_000_000
