"""What the window about weights asks before it imports or exports a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from qtpy.QtWidgets import QFileDialog, QInputDialog

from napari_sam_adapter.model.families.preparation import PREPROCESSINGS
from napari_sam_adapter.plugin.panels.model_panel import AS_FILE_SAYS, FILE_FILTER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtWidgets import QWidget

    from napari_sam_adapter.weight_store.entries import Entry

LAYOUTS = {
    "segment-anything, with LoRA merged": "sam",
    "published SAM-Adapter": "sam-adapter",
}
"""What the user chooses, and what the library calls it."""
NO_BASE = "none: keep the whole file"
"""What the user chooses for a model, and for an adapter of our own."""
SAVE_FILTER = "PyTorch (*.pth *.pt);;Safetensors (*.safetensors)"


class ImportWish(NamedTuple):
    """What the user wants to import.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        Its name from now on.
    preprocessing : str or None
        How the network wants its images; None as its file says.
    base : str or None
        Model that a published SAM-Adapter was trained on, if only its adapter is to be
        kept.
    """

    path: Path
    name: str
    preprocessing: str | None
    base: str | None


class ExportWish(NamedTuple):
    """What the user wants to export.

    Parameters
    ----------
    path : Path
        The file to write; the dialog has asked whether to replace one.
    layout : str
        Of `LAYOUTS`.
    """

    path: Path
    layout: str


def ask_import(parent: QWidget, bases: Sequence[str]) -> ImportWish | None:
    """Ask for a file, its name, how its network wants images, and its base.

    Parameters
    ----------
    parent : QWidget
        Qt parent of the dialogs.
    bases : sequence of str
        Models that may be the base of a published SAM-Adapter.

    Returns
    -------
    ImportWish or None
        None if the user thinks better of it.
    """
    file, _ = QFileDialog.getOpenFileName(parent, "Choose weights", "", FILE_FILTER)
    if not file:
        return None
    path = Path(file)
    name, agreed = QInputDialog.getText(
        parent, "Import", "Name of the model or adapter:", text=path.stem
    )
    if not agreed:
        return None
    choices = [AS_FILE_SAYS, *PREPROCESSINGS]
    images, agreed = QInputDialog.getItem(
        parent, "Import", "How it wants its images:", choices, 0, False
    )
    if not agreed:
        return None
    base, agreed = QInputDialog.getItem(
        parent,
        "Import",
        "Of a published SAM-Adapter, keep the adapter for this base:",
        [NO_BASE, *bases],
        0,
        False,
    )
    if not agreed:
        return None
    return ImportWish(
        path,
        name,
        None if images == AS_FILE_SAYS else images,
        None if base == NO_BASE else base,
    )


def ask_export(parent: QWidget, entry: Entry) -> ExportWish | None:
    """Ask for a layout and a file.

    Parameters
    ----------
    parent : QWidget
        Qt parent of the dialogs.
    entry : Entry
        What is to be exported.

    Returns
    -------
    ExportWish or None
        None if the user thinks better of it.
    """
    title = f"Export {entry.name}"
    layout, agreed = QInputDialog.getItem(
        parent, title, "Layout of the file:", list(LAYOUTS), 0, False
    )
    if not agreed:
        return None
    suggested = f"{entry.name}.pth"
    file, _ = QFileDialog.getSaveFileName(parent, title, suggested, SAVE_FILTER)
    return ExportWish(Path(file), LAYOUTS[layout]) if file else None
