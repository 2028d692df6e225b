"""Annotate the images of a series one after the other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from napari.layers import Image
from psygnal import Signal

from napari_sam_adapter.errors import (
    ImageError,
    OutputError,
    SamAdapterError,
    SessionError,
)
from napari_sam_adapter.image_io.series.series import Series
from napari_sam_adapter.plugin.background import Job, JobQueue, Priority
from napari_sam_adapter.plugin.image_files import layer_data
from napari_sam_adapter.plugin.reporting import Feature, reporting
from napari_sam_adapter.plugin.sessions.series_reading import Found, first_readable
from napari_sam_adapter.plugin.state import Message, Phase, Tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from napari_sam_adapter.image_io.image.opened_image import OpenedImage
    from napari_sam_adapter.image_io.series.entries import SeriesEntry, SeriesImage
    from napari_sam_adapter.plugin.controller import Controller
    from napari_sam_adapter.plugin.layers.workspace import Workspace
    from napari_sam_adapter.volume.session.session import Session

Labels: TypeAlias = "npt.NDArray[np.integer[Any]]"
NOTHING = "No image of this series can be opened."


@dataclass(frozen=True, eq=False)
class _Page:
    """An image of the series that is open in the viewer."""

    entry: SeriesEntry
    image: OpenedImage
    layer: Image
    workspace: Workspace


class SeriesRun(Feature):
    """Which image of the series is open; opens the others and saves the labels.

    Parameters
    ----------
    controller : Controller
        Whose viewer shows the images.
    """

    changed = Signal()
    """Emitted when series, place or progress are others."""

    def __init__(self, controller: Controller) -> None:
        super().__init__(controller)
        self.series: Series | None = None
        self._page: _Page | None = None
        self._saved: tuple[Session, int] | None = None  # as it was at its edit count
        self._queue = JobQueue(self.changed.emit, mostly_waits=True)
        self._waiting: tuple[Series, Found] | None = None
        controller.add_commands(
            {"next_image": self.next_image, "previous_image": self.previous_image}
        )
        controller.updated.connect(self._on_updated)
        for event in ("phase", "is_splitting", "is_tidying"):
            getattr(controller.state.events, event).connect(self._on_work)
        controller.closed.connect(self.close)

    @property
    def is_busy(self) -> bool:
        """Whether an image is being opened or saved."""
        return bool(self._queue.jobs) or self._waiting is not None

    @reporting
    def open_folder(self, folder: str | Path) -> None:
        """Annotate all images of a folder, from where it was left.

        Parameters
        ----------
        folder : str or Path
            A folder of images.
        """
        if not self.is_busy:  # headers of many files may have to be read
            self.say(f"Looking for images in {folder} ...")
            self._submit(map(Series.of_folder, (folder,)), self._begin)

    @reporting
    def open_images(self, images: Sequence[str | Path]) -> None:
        """Annotate a list of images, from where it was left.

        Parameters
        ----------
        images : sequence of str or Path
            Files, or zarr folders.
        """
        if not self.is_busy:  # headers of many files may have to be read
            self._submit(map(Series.of_images, (images,)), self._begin)

    @reporting
    def next_image(self) -> None:
        """Save the labels and open the next image."""
        self._turn(1)

    @reporting
    def previous_image(self) -> None:
        """Save the labels and open the image before."""
        self._turn(-1)

    @reporting
    def mark(self, is_done: bool) -> None:
        """Say whether the image is finished.

        Parameters
        ----------
        is_done : bool
            True if it is.
        """
        if self.series is not None:
            self.series.mark(is_done)
            self.changed.emit()

    def close(self) -> None:
        """Save the labels of the open image, and open no more."""
        self._queue.close()
        self._waiting = None
        page, self._page = self._page, None
        if page is not None:
            try:
                page.entry.save(page.workspace.session.labels, page.image)
            except OutputError as error:
                self.report(error)

    def has_changes(self) -> bool:
        """Return whether labels were edited since their image was opened or saved.

        Returns
        -------
        bool
            False if no image is open, too.
        """
        page = self._page
        if page is None:
            return False
        page.workspace.session.under_way.finish()
        if self._controller.state.phase is Phase.PROPAGATING:  # counted at its end
            return True
        return self._saved is None or self._is_edited_since(*self._saved)

    def save_labels(
        self,
        then: Callable[[bool], None],
        on_error: Callable[[SamAdapterError], None] | None = None,
    ) -> None:
        """Save the labels of the open image as they are at the end, then go on.

        Parameters
        ----------
        then : callable
            Called on the main thread once they are saved, with whether there is an
            object; at once if no image is open.
        on_error : callable, optional
            Called with why they cannot be saved, instead of telling the user.
        """
        page = self._page
        if page is None:
            then(False)
            return
        session = page.workspace.session
        session.under_way.finish()
        self._submit(
            map(page.entry.save, (session.labels,), (page.image,)),
            partial(self._when_saved, then, on_error, session, session.log.edit_count),
            on_error,
        )

    def open(self, series: Series) -> None:
        """Annotate a series from where it was left.

        Parameters
        ----------
        series : Series
            Takes the place of the one that is open.
        """
        if not self.is_busy:
            self._begin(series)

    def _begin(self, series: Series) -> None:
        places = range(series.position, len(series.entries))
        earlier = range(series.position - 1, -1, -1)
        self._look_for(series, [*places, *earlier])

    def _turn(self, step: int) -> None:
        series = self.series
        if series is None:
            raise SessionError("Expected a series of images, got none. Open a folder.")
        if self.is_busy:
            return
        end = len(series.entries) if step > 0 else -1
        self._look_for(series, range(series.position + step, end, step))

    def _look_for(self, series: Series, places: Iterable[int]) -> None:
        """Find the first image that can be opened, and save the one that is open."""
        candidates = [(place, series.entries[place]) for place in places]
        self._controller.segmenter.stop_propagation()
        self._controller.segmenter.stop_encoding()
        self._submit(first_readable(candidates), partial(self._on_step, series))

    def _submit(
        self, steps: Iterator[Any], on_result: Any, on_error: Any = None
    ) -> None:
        report = on_error or self.report
        job = Job(self, "series", Priority.VIEW, steps, on_result, report)
        self._queue.submit(job)

    def _on_step(self, series: Series, step: ImageError | Found) -> None:
        if isinstance(step, ImageError):
            self.report(step)
        else:
            self._save(series, step)

    def _save(self, series: Series, found: Found) -> None:
        """Save what was labelled so far, then go on; what is clicked waits for it."""
        if self._page is None:
            self._arrive(series, found)
        else:
            self.save_labels(partial(self._on_saved, series, found))

    def _when_saved(
        self,
        then: Callable[[bool], None],
        on_error: Callable[[SamAdapterError], None] | None,
        session: Session,
        edit_count: int,
        has_objects: bool,
    ) -> None:
        self._saved = session, edit_count
        if self._is_edited_since(session, edit_count):  # while they were written
            self.save_labels(then, on_error)
        else:
            then(has_objects)

    def _on_saved(self, series: Series, found: Found, has_objects: bool) -> None:
        if self._controller.state.is_busy:
            self._waiting = series, found
        else:
            self._leave(has_objects)
            self._arrive(series, found)

    def _is_edited_since(self, session: Session, edit_count: int) -> bool:
        page = self._page
        if page is not None and page.workspace.session is not session:
            return True
        # What is under way comes into the journal at its end.
        return session.under_way.is_busy or session.log.edit_count != edit_count

    def _on_updated(self) -> None:
        page, workspace = self._page, self._controller.workspace
        if page is None or workspace is None or workspace.image is not page.layer:
            return
        if workspace.has_work:
            # Also of pixels that were replaced; untouched, it has nothing to save.
            self._page = replace(page, workspace=workspace)

    def _on_work(self) -> None:
        if self._waiting is not None and not self._controller.state.is_busy:
            (series, found), self._waiting = self._waiting, None
            self._save(series, found)

    @reporting
    def _leave(self, has_objects: bool) -> None:
        if has_objects and self.series is not None:
            self.series.mark(True)

    @reporting
    def _arrive(self, series: Series, found: Found) -> None:
        """Show an image in the place of the one that was open."""
        if found.opened is None:
            text = "There is no further image. The labels are saved."
            is_end = self._page is not None and series is self.series
            self._controller.state.message = Message(text if is_end else NOTHING)
            self.changed.emit()
            return
        entry, old = series.entries[found.position], self._page
        if old is None or old.entry != entry or not self._is_shown(old):
            tool = self._controller.state.tool
            self._page = self._show(entry, found, self._labels_of(entry, found.opened))
            self._close(old)
            self._take_up(tool)
        self.series = series
        self._controller.state.message = Message(
            f"Image {found.position + 1} of {len(series.entries)}: {entry.path.name}. "
            f"{found.opened.image.problem}".strip()
        )
        self.changed.emit()
        series.move_to(found.position)
        self.changed.emit()

    def _is_shown(self, page: _Page) -> bool:
        return page.layer in self._controller.viewer.layers

    def _labels_of(self, entry: SeriesEntry, opened: SeriesImage) -> Labels | None:
        # Those of an image that was open are newer than what was read before saving.
        page = self._page
        if page is not None and page.entry == entry:
            return page.workspace.session.labels
        return opened.labels

    def _show(self, entry: SeriesEntry, found: Found, labels: Labels | None) -> _Page:
        assert found.opened is not None
        controller, opened = self._controller, found.opened
        data, options, _ = layer_data(opened.image, found.pixels, entry.path)
        layer = Image(data, **options)
        controller.workspaces.fixed.add(layer)  # as the labels beside it
        if labels is not None:
            controller.workspaces.starting_labels[layer] = labels
        controller.viewer.add_layer(layer)
        controller.choose_image(layer)
        workspace = controller.in_use()
        self._saved = workspace.session, workspace.session.log.edit_count
        return _Page(entry, opened.image, layer, workspace)

    def _close(self, page: _Page | None) -> None:
        if page is None:
            return
        layers = self._controller.viewer.layers
        own = [w for w in self._controller.workspaces if w.image is page.layer]
        views = [layer for w in {page.workspace, *own} for layer in w.layers.all]
        for layer in (*views, page.layer):
            if layer in layers:
                layers.remove(layer)

    def _take_up(self, tool: Tool) -> None:
        """Go on with the tool in hand, and show the labels that are there."""
        workspace = self._controller.in_use()
        if tool is not Tool.NONE:
            workspace.use(tool)
            self._controller.on_tool_changed()
        elif workspace.session.object_ids:
            workspace.layers.ensure(workspace.session.labels)
        workspace.repaint()
