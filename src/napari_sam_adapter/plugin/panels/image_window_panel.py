"""Choose what the network sees, and see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QPixmap, QStandardItemModel
from qtpy.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_sam_adapter.intensity import CONTRAST, CT_WINDOWS, LEARNED, PLANE
from napari_sam_adapter.plugin.layers.image_window import (
    AS_IS,
    PERCENTILE,
    PREVIEW_SIDE,
    ImageWindow,
)
from napari_sam_adapter.plugin.panels.resting_box import RestingBox

if TYPE_CHECKING:
    from napari_sam_adapter.volume.planes.preview import Preview

RULES = {
    PERCENTILE: "volume percentiles",
    CONTRAST: "contrast of the layer",
    PLANE: "each slice by itself",
    **{name: f"CT {name}" for name in CT_WINDOWS},
    LEARNED: "as the adapter learned",
}
COLOURS = "8-bit colours"
"""What stands there where there is nothing to choose."""
CHANNELS = "percentiles of each channel"
"""The same where channels are seen as colours."""
NOTHING = "nothing to see, choose another"


class ImageWindowPanel(QWidget):
    """A picker for the window, a small picture, and its darkest and brightest value.

    Parameters
    ----------
    parent : QWidget or None
        Qt parent.
    """

    rule_chosen = Signal(str)
    """Emitted with the rule of an `IntensityMapping` when the user chooses."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.picker = RestingBox()
        self._rows = QStandardItemModel(self)
        self.picker.setModel(self._rows)
        self.picker.setAccessibleName("Intensity window")
        for rule, title in RULES.items():
            self.picker.addItem(title, rule)
        self.picker.addItem(COLOURS, AS_IS)
        self._allow(AS_IS, is_allowed=False)
        self.picker.setToolTip(
            "How image values become the 8 bits that the network sees. Follow the "
            "layer's contrast, or take a window of computed tomography."
        )
        self.picker.chosen.connect(self._on_chosen)
        self.picture = QLabel()
        self.picture.setToolTip("The slice in view as the network sees it.")
        self.picture.setAccessibleName("What the network sees")
        self.picture.setFixedSize(PREVIEW_SIDE // 2, PREVIEW_SIDE // 2)
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.range = QLabel()
        self.range.setWordWrap(True)
        self.range.setToolTip("The image values that are black and white.")
        self._shown: Preview | None = None
        column = QVBoxLayout()
        column.addWidget(self.picker)
        column.addWidget(self.range, 1)
        row = QHBoxLayout(self)
        row.addWidget(self.picture)
        row.addLayout(column, 1)

    def show_window(self, window: ImageWindow) -> None:
        """Show rule and picture.

        Parameters
        ----------
        window : ImageWindow
            What is chosen.
        """
        if not window.has_choice:
            self.picker.forget()
        self.picker.setEnabled(window.has_choice)
        self._allow(LEARNED, is_allowed=window.learned is not None)
        colours = CHANNELS if window.has_channels else COLOURS
        self.picker.setItemText(self.picker.findData(AS_IS), colours)
        if not self.picker.is_passing:
            self.picker.setCurrentIndex(self.picker.findData(window.rule))
        preview = window.preview
        if preview is None:
            self.range.setText(window.problem)
        else:
            more = f": {NOTHING}" if preview.is_blank else ""
            self.range.setText(f"{preview.low:.5g} to {preview.high:.5g}{more}")
        if preview is not self._shown:
            self._shown = preview
            self.picture.setPixmap(_pixmap(preview))

    def _allow(self, rule: str, is_allowed: bool) -> None:
        """Let the user choose a rule, or only see it."""
        if (item := self._rows.item(self.picker.findData(rule))) is not None:
            item.setEnabled(is_allowed)

    def _on_chosen(self, number: int) -> None:
        self.rule_chosen.emit(self.picker.itemData(number))


def _pixmap(preview: Preview | None) -> QPixmap:
    if preview is None:
        return QPixmap()
    height, width = preview.pixels.shape[:2]
    picture = QImage(
        preview.pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888
    ).copy()
    return QPixmap(picture).scaled(
        PREVIEW_SIDE // 2,
        PREVIEW_SIDE // 2,
        Qt.AspectRatioMode.KeepAspectRatio,
        Qt.TransformationMode.SmoothTransformation,
    )
