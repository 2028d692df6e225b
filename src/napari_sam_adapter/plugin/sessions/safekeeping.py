"""Nothing is lost: autosave, recovery, and sessions as folders."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtGui import QGuiApplication

from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.plugin.background import Job, Priority
from napari_sam_adapter.plugin.layers.kept_embeddings import window_store
from napari_sam_adapter.plugin.layers.kept_session import (
    KeptSession,
    folder_of_autosaves,
)
from napari_sam_adapter.plugin.layers.last_place import go_to_last_edit
from napari_sam_adapter.plugin.layers.session_network import SessionNetwork
from napari_sam_adapter.plugin.network.network_loading import described_predictors
from napari_sam_adapter.plugin.reporting import Feature, reporting
from napari_sam_adapter.plugin.sessions.safekeeping_state import (
    SafekeepingState,
    offer_of,
)
from napari_sam_adapter.plugin.sessions.session_saving import NewSession
from napari_sam_adapter.plugin.state import Progress
from napari_sam_adapter.plugin.viewing.stroke_pause import StrokePause
from napari_sam_adapter.volume.journal.journal_file import find_journal, parse_journal
from napari_sam_adapter.volume.journal.journal_header import (
    JournalHeader,
    empty_header_steps,
)
from napari_sam_adapter.volume.saving.autosave import Autosave
from napari_sam_adapter.volume.saving.autosave_files import (
    clean,
    remove,
    unfinished_in,
)
from napari_sam_adapter.volume.saving.methods import methods_sentence
from napari_sam_adapter.volume.saving.replaying import ReplayStep, replay_steps
from napari_sam_adapter.volume.saving.session_folder import (
    SavableSession,
    check_session_path,
    open_session_steps,
)
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_sam_adapter.errors import SamAdapterError
    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.plugin.layers.workspace import Workspace
    from napari_sam_adapter.plugin.network.network_loading import Loader
    from napari_sam_adapter.volume.saving.described import DescribedPredictors
    from napari_sam_adapter.volume.session.session import Session

MOST_ATTEMPTS = 3
"""Times that a session is written again because it changed meanwhile."""
MOST_STEPS_SHOWN = 100
DISCARDED = "The session was discarded; it was not restored."


class Safekeeping(Feature):
    """Autosave, recovery, and sessions as folders.

    Parameters
    ----------
    controller : Controller
        Whose images are kept.
    load : callable
        Makes a predictor of a `ModelChoice`; called on the worker thread.
    """

    def __init__(self, controller: Controller, load: Loader) -> None:
        super().__init__(controller)
        self.state = SafekeepingState()
        self._load = load
        self._folder = folder_of_autosaves(self.report)
        self._kept: dict[Workspace, KeptSession] = {}
        self._is_cleaned = False
        self._pause = StrokePause()
        controller.workspace_opened.connect(self._on_opened)
        controller.updated.connect(self._on_updated)
        controller.closed.connect(self.close)
        controller.closed.connect(self._pause.close)

    @reporting
    def restore(self) -> None:
        """Go on with the session that was left last."""
        kept = self._in_use()
        if kept.unfinished:
            kept.restoring = path = kept.unfinished[0]
            steps = replay_steps(
                path, kept.workspace.volume, self._predictors(), store=window_store()
            )
            self._take_up(kept, steps, partial(self._go_on, kept, path))

    @reporting
    def discard(self) -> None:
        """Remove the session that was left last; the one before is offered next."""
        kept = self._in_use()
        if kept.unfinished:
            remove(kept.unfinished.pop(0))
        self._show()

    @reporting
    def copy_methods(self) -> None:
        """Put a sentence for a methods section on the clipboard."""
        sentence = methods_sentence(self._in_use().workspace.session)
        clipboard = QGuiApplication.clipboard()
        assert clipboard is not None  # Qt's own; there as long as the application is
        clipboard.setText(sentence)
        self.say(f"Copied: {sentence}")

    @reporting
    def save(self, path: Path) -> None:
        """Save the session in use, in the background.

        Parameters
        ----------
        path : Path
            Folder ``NAME.session``; only the one it was saved as before is replaced.
        """
        kept = self._in_use()
        check_session_path(path, overwrite=path == kept.saved_as)
        self._write_when_still(kept, path, MOST_ATTEMPTS)

    @reporting
    def open(self, path: Path) -> None:
        """Open a saved session of the image in use, in the background.

        Parameters
        ----------
        path : Path
            Folder ``NAME.session``, or a journal.
        """
        kept = self._in_use()
        kept.restoring = None
        steps = open_session_steps(
            path, kept.workspace.volume, self._predictors(), store=window_store()
        )
        self._take_up(kept, steps, partial(self._begin_with, kept, path))

    def close(self) -> None:
        """Let go of all files; what is saved needs no autosave any more."""
        for kept in list(self._kept.values()):
            self._leave(kept)

    def suggested_name(self) -> str:
        """Return a name for the session in use.

        Returns
        -------
        str
            That of the folder it was saved as, or of the image.
        """
        kept = self._in_use()
        if kept.saved_as is not None:
            return str(kept.saved_as)
        return f"{kept.workspace.frame.name}.session"

    # What the controller tells.

    def _on_opened(self, workspace: Workspace) -> None:
        kept = KeptSession(workspace, Autosave(self._folder, self.report))
        self._kept[workspace] = kept
        session = workspace.session
        session.log.record_with(kept.autosave)
        steps = empty_header_steps(
            session.volume,
            session.labels.dtype,
            session.overlap_rule,
            session.spacing,
            rounded=session.store is not None,
        )
        begin = partial(self._begin, kept)
        job = Job(kept, "header", Priority.SAVE, steps, begin, self.report)
        self._controller.segmenter.queue.submit(job)

    def _on_updated(self) -> None:
        in_viewer = set(self._controller.workspaces)
        for workspace, kept in list(self._kept.items()):
            if workspace not in in_viewer:
                self._leave(kept)
        self._show()

    @reporting
    def _begin(self, kept: KeptSession, header: JournalHeader | None) -> None:
        if header is None:
            return
        if not self._is_cleaned:  # what is removed is not to be offered
            self._is_cleaned = True
            clean(self._folder)
        kept.unfinished = unfinished_in(self._folder, header.image)
        self._show()
        kept.autosave.begin(header)

    def _go_on(self, kept: KeptSession, path: Path, session: Session) -> None:
        if kept.is_discarded:
            self.say(DISCARDED)
            return
        autosave = Autosave.going_on(path, self.report)
        kept.unfinished.remove(path)
        self._replace(kept, session, autosave, "Restored")

    def _begin_with(self, kept: KeptSession, path: Path, session: Session) -> None:
        journal = find_journal(path)
        content = journal.read_bytes()
        header, _ = parse_journal(content, journal)
        autosave = Autosave.of_copy(content, header, self._folder, self.report)
        self._replace(kept, session, autosave, f"Opened {path.name}", path)

    def _replace(
        self,
        kept: KeptSession,
        session: Session,
        autosave: Autosave,
        done: str,
        saved_as: Path | None = None,
    ) -> None:
        self._controller.segmenter.forget(kept.workspace)
        said = [f"{done}: {counted(len(session.object_ids), 'object')}."]
        if kept.take(session, autosave, saved_as):
            said.append("What was here before was not saved: Restore brings it back.")
        is_seen = kept.workspace is self._controller.workspace
        if is_seen:
            said.append(kept.network.choose(self._controller))
        self._controller.update()
        self.say(text := " ".join(filter(None, said)))
        if is_seen and go_to_last_edit(self._controller.viewer, kept.workspace):
            self.say(f"{text} You see the slice of the last edit.")

    def _take_up(
        self,
        kept: KeptSession,
        steps: Iterator[ReplayStep],
        then: Callable[[Session], None],
    ) -> None:
        kept.workspace.session.under_way.finish()
        take_over = partial(self._take_over, kept, kept.edit_count, then)
        self.say("Opening the session ...")
        on_step = partial(self._on_step, kept, take_over)
        kept.opening, kept.network = Progress(), SessionNetwork()
        steps = kept.network.looked_for(steps)
        job = Job(
            kept, "open", Priority.OPEN, steps, on_step, partial(self._on_failed, kept),
            on_end=self.end_progress,
            stopped=lambda: kept.opening.stopped("The other session is not opened."),
        )  # fmt: skip
        self._controller.segmenter.queue.submit(job)

    def _on_failed(self, kept: KeptSession, error: SamAdapterError) -> None:
        if kept.is_discarded:  # perhaps before its file was read
            self.say(DISCARDED)
        else:
            self.report(error)

    def _on_step(
        self, kept: KeptSession, take_over: Callable[[Session], None], step: ReplayStep
    ) -> None:
        is_last = step.done == step.total
        kept.opening = Progress(step.done, step.total, "edits")
        if is_last or step.done % max(step.total // MOST_STEPS_SHOWN, 1) == 0:
            self._controller.state.progress = kept.opening
        if is_last:
            self._pause.when_still(kept.workspace, partial(take_over, step.session))

    @reporting
    def _take_over(
        self,
        kept: KeptSession,
        edit_count: int,
        then: Callable[[Session], None],
        session: Session,
    ) -> None:
        if kept.workspace in self._kept:  # else it was closed meanwhile
            kept.check_not_lost(edit_count)
            then(session)

    def _predictors(self) -> DescribedPredictors:
        return described_predictors(self._load, self._controller.segmenter.predictor)

    def _write_when_still(self, kept: KeptSession, path: Path, attempts: int) -> None:
        self.say(f"Saving {path.name} ...")
        if kept.saving is not None:
            kept.saving.discard()
        kept.saving = new = NewSession(path, attempts)
        self._pause.when_still(kept.workspace, partial(self._write, kept, new))

    @reporting
    def _write(self, kept: KeptSession, new: NewSession) -> None:
        if kept.saving is not new:  # another one takes its place
            return
        kept.saving = None  # if it cannot be
        savable = SavableSession.of(kept.workspace.session)
        kept.saving = new
        on_written = partial(self._on_written, kept, kept.edit_count)

        def when_still(written: NewSession) -> None:
            self._pause.when_still(kept.workspace, partial(on_written, written))

        def on_error(error: SamAdapterError) -> None:
            if kept.saving is new:
                kept.saving = None
            self.report(error)

        steps = map(new.write, (savable,))
        job = Job(kept, "save", Priority.SAVE, steps, when_still, on_error)
        self._controller.segmenter.queue.submit(job)

    @reporting
    def _on_written(self, kept: KeptSession, count: int, written: NewSession) -> None:
        if kept.saving is not written:  # another one takes its place
            return
        kept.saving = None
        if kept.edit_count == count:
            written.give_name(overwrite=written.path == kept.saved_as)
            kept.saved_as, kept.saved_count = written.path, count
            self.say(f"Saved as {written.path}.")
            return
        written.discard()
        if written.attempts <= 1:
            raise SessionError(
                "Expected no edits while the session is saved, got some each time. "
                "Wait until nothing is running, and save again."
            )
        self._write_when_still(kept, written.path, written.attempts - 1)

    def _in_use(self) -> KeptSession:
        return self._kept[self._controller.in_use()]

    @reporting
    def _leave(self, kept: KeptSession) -> None:
        del self._kept[kept.workspace]
        self._controller.segmenter.queue.cancel(lambda job: job.owner is kept)
        self._pause.forget(kept.workspace)
        kept.leave()

    def _show(self) -> None:
        workspace = self._controller.workspace
        kept = None if workspace is None else self._kept.get(workspace)
        self.state.has_session = kept is not None
        self.state.offer = "" if kept is None else offer_of(kept.unfinished)
