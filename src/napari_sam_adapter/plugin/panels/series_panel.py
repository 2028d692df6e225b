"""Open a series of images, see how far it is, and turn its pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psygnal import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QGridLayout,
    QLabel,
    QPushButton,
    QWidget,
)

from napari_sam_adapter.plugin.icons import icon
from napari_sam_adapter.plugin.panels.action_buttons import action_button

if TYPE_CHECKING:
    from napari_sam_adapter.plugin.sessions.series_run import SeriesRun

NO_SERIES = "no series is open"


class SeriesPanel(QWidget):
    """Buttons that open a series and go through it.

    Parameters
    ----------
    parent : QWidget or None
        Qt parent.
    """

    folder_chosen = Signal(str)
    """Emitted with a folder of images."""
    images_chosen = Signal(list)
    """Emitted with paths of images."""
    action_pressed = Signal(str)
    """Emitted with the name of an action."""
    table_chosen = Signal(str)
    """Emitted with the name of a table of measurements."""
    done_chosen = Signal(bool)
    """Emitted when the user says whether the image is finished."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.folder = QPushButton("Folder ...")
        self.folder.setToolTip("Annotate all images of a folder, one after the other.")
        self.folder.clicked.connect(self._on_folder)
        self.images = QPushButton("Images ...")
        self.images.setToolTip("Annotate the images that you choose.")
        self.images.clicked.connect(self._on_images)
        self.previous, self.next = (
            action_button("previous_image", self.action_pressed),
            action_button("next_image", self.action_pressed),
        )
        for button in (self.previous, self.next):  # "Previous image" is too wide
            button.setText(button.text().split()[0])
        self.place = QLabel(NO_SERIES)
        self.place.setWordWrap(True)
        self.done = QCheckBox("finished")
        self.done.setToolTip("Whether nothing is left to do in this image.")
        self.done.clicked.connect(self.done_chosen.emit)
        self.measure = QPushButton("Measure ...")
        self.measure.setToolTip(
            "Measure the objects of all labelled images of the series into one table, "
            "with a line for each object."
        )
        self.measure.clicked.connect(self._on_measure)
        self._lay_out()

    def show_run(self, run: SeriesRun, is_measuring: bool) -> None:
        """Show place and progress; enable what can be pressed.

        Parameters
        ----------
        run : SeriesRun
            The series.
        is_measuring : bool
            Whether its images are being measured.
        """
        series, idle = run.series, not run.is_busy
        self.folder.setEnabled(idle)
        self.images.setEnabled(idle)
        for widget in (self.previous, self.next, self.done):
            widget.setEnabled(idle and series is not None)
        self.measure.setEnabled(idle and series is not None and not is_measuring)
        if series is None:
            self.place.setText(NO_SERIES)
            return
        count = len(series.entries)
        self.previous.setEnabled(idle and series.position > 0)
        self.done.setChecked(series.is_done)
        self.place.setText(
            f"{series.position + 1} of {count}: {series.entry.path.name}\n"
            f"{series.done_count} finished"
        )

    def show_theme(self, theme: str) -> None:
        """Draw the icons in the colours of a theme.

        Parameters
        ----------
        theme : str
            One of napari's.
        """
        self.previous.setIcon(icon("left_arrow", theme))
        self.next.setIcon(icon("right_arrow", theme))

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.addWidget(self.folder, 0, 0)
        grid.addWidget(self.images, 0, 1)
        grid.addWidget(self.place, 1, 0, 1, 2)
        grid.addWidget(self.previous, 2, 0)
        grid.addWidget(self.next, 2, 1)
        grid.addWidget(self.done, 3, 0)
        grid.addWidget(self.measure, 3, 1)

    def _on_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Choose a folder of images")
        if folder:
            self.folder_chosen.emit(folder)

    def _on_measure(self) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self, "Measure the series", "objects.csv", "Measurements (*.csv)"
        )
        if name:
            self.table_chosen.emit(name)

    def _on_images(self) -> None:
        paths, _ = QFileDialog.getOpenFileNames(self, "Choose images")
        if paths:
            self.images_chosen.emit(paths)
