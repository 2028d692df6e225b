"""A session in use, and where it is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_sam_adapter.plugin.state import Progress

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam_adapter.plugin.workspace import Workspace
    from napari_sam_adapter.volume.autosave import Autosave


@dataclass(eq=False)
class KeptSession:
    """A workspace and where its session is saved.

    Parameters
    ----------
    workspace : Workspace
        The image with its session.
    autosave : Autosave
        Where every edit goes.
    unfinished : list of Path
        Autosaves of the same image that nobody works on, the newest first.
    opening : Progress
        How far another session is that is being opened instead.
    saved_as : Path or None
        The folder that the user chose.
    saved_count : int
        Entries of the journal when it was saved; -1 if it never was.
    """

    workspace: Workspace
    autosave: Autosave
    unfinished: list[Path] = field(default_factory=list)
    opening: Progress = field(default_factory=Progress)
    saved_as: Path | None = None
    saved_count: int = -1

    @property
    def is_saved(self) -> bool:
        """Whether the folder that the user chose has all of it."""
        return self.workspace.session.log.count == self.saved_count
