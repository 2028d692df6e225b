"""A session in use, and where it is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import SessionError, SettingError
from napari_sam_adapter.plugin.layers.left_layers import hide_left
from napari_sam_adapter.plugin.layers.session_network import SessionNetwork
from napari_sam_adapter.plugin.state import Progress
from napari_sam_adapter.volume.saving.autosave_files import (
    autosave_folder,
    usual_autosave_folder,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_sam_adapter.errors import SamAdapterError
    from napari_sam_adapter.plugin.layers.workspace import Workspace
    from napari_sam_adapter.plugin.sessions.session_saving import NewSession
    from napari_sam_adapter.volume.saving.autosave import Autosave
    from napari_sam_adapter.volume.session.session import Session


def folder_of_autosaves(report: Callable[[SamAdapterError], None]) -> Path:
    """Return where the window keeps what was not saved.

    Parameters
    ----------
    report : callable
        Told if nobody knows the folder that was chosen.

    Returns
    -------
    Path
        The usual folder then: what is done must be kept all the same.
    """
    try:
        return autosave_folder()
    except SettingError as error:
        report(error)
        return usual_autosave_folder()


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
    network : SessionNetwork
        With which that one was made.
    restoring : Path or None
        The autosave that is being opened, if it is one.
    saving : NewSession or None
        What is being saved now.
    saved_as : Path or None
        The folder that the user chose.
    saved_count : int
        Edits in the journal when it was saved; -1 if it never was.
    """

    workspace: Workspace
    autosave: Autosave
    unfinished: list[Path] = field(default_factory=list)
    opening: Progress = field(default_factory=Progress)
    network: SessionNetwork = field(default_factory=SessionNetwork)
    restoring: Path | None = None
    saving: NewSession | None = None
    saved_as: Path | None = None
    saved_count: int = -1

    @property
    def edit_count(self) -> int:
        """Edits in the journal, when no work is under way."""
        return self.workspace.session.log.edit_count

    @property
    def is_discarded(self) -> bool:
        """Whether the autosave that is being opened is not wanted any longer."""
        return self.restoring is not None and self.restoring not in self.unfinished

    @property
    def is_saved(self) -> bool:
        """Whether the folder that the user chose has all of it."""
        return self.edit_count == self.saved_count

    def leave(self) -> None:
        """Let go of all files.

        Raises
        ------
        SessionError
            If it was being saved, and is not.
        """
        self.workspace.session.close()
        if self.is_saved:
            self.autosave.discard()
        if self.saving is not None:
            self.saving.discard()
            advice = "Open the image again, press Restore, and save then."
            if self.is_saved and self.saved_as is not None:
                advice = f"All of it is in {self.saved_as.name}."
            raise SessionError(
                "Expected the image to stay open until the session is saved, got it "
                f"closed: {self.saving.path.name} was not written. {advice}"
            )

    def check_not_lost(self, edit_count: int) -> None:
        """Raise if the session could not be gone on with after another one.

        Parameters
        ----------
        edit_count : int
            Edits in the journal when the other one began to be opened.

        Raises
        ------
        SessionError
            If there were edits since, or the disk did not take all of it.
        """
        if self.edit_count != edit_count:
            raise SessionError(
                "Expected no edits while a session is opened, got some: it was not "
                "opened, so that they are not lost. Open it again."
            )
        if not (self.is_saved or self.autosave.is_on_disk):
            raise SessionError(
                "Expected all that you did here on the disk, but it could not be "
                "written: another session would take its place. Press Save ... first."
            )

    def take(
        self, session: Session, autosave: Autosave, saved_as: Path | None = None
    ) -> bool:
        """Go on with another session of the image; layers of a closed widget hide.

        Parameters
        ----------
        session : Session
            Takes the place of the one before.
        autosave : Autosave
            Where its edits go.
        saved_as : Path or None
            Where all of it is saved.

        Returns
        -------
        bool
            Whether the one before was not saved; it is the first of `unfinished` now.
        """
        old, was_saved, path = self.autosave, self.is_saved, self.autosave.path
        self.workspace.session.close()
        if was_saved:
            old.discard()
        elif path is not None:
            self.unfinished.insert(0, path)
        session.log.record_with(autosave)
        self.autosave, self.saved_as = autosave, saved_as
        self.workspace.take_session(session)
        hide_left(self.workspace.image)
        self.saved_count = -1 if saved_as is None else self.edit_count
        return not was_saved and path is not None
