"""Choose the image layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psygnal import Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QWidget

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sam_adapter.plugin.state import PluginState

NOTHING = "open an image first"


class ImagePanel(QWidget):
    """A picker for one of the image layers of the viewer.

    Parameters
    ----------
    parent : QWidget or None
        Qt parent.
    """

    image_chosen = Signal(object)
    """Emitted with a layer when the user chooses."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.picker = QComboBox()
        self.picker.setToolTip("The image to segment. Each has objects of its own.")
        self.picker.setMinimumContentsLength(12)
        self.picker.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.picker.activated.connect(self._on_activated)
        self._images: tuple[Image, ...] = ()
        form = QFormLayout(self)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("layer", self.picker)

    def show_state(self, state: PluginState) -> None:
        """List the images and show which one is chosen.

        Parameters
        ----------
        state : PluginState
            What is going on.
        """
        self._images = state.images
        names = [image.name for image in state.images] or [NOTHING]
        if names != [self.picker.itemText(i) for i in range(self.picker.count())]:
            self.picker.clear()
            self.picker.addItems(names)
        if state.image is not None:
            self.picker.setCurrentIndex(state.images.index(state.image))
        self.picker.setEnabled(bool(state.images))

    def _on_activated(self, number: int) -> None:
        self.image_chosen.emit(self._images[number])
