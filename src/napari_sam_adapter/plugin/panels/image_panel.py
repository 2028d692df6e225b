"""Choose the image layer, a level of it, and the channels beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel, QPushButton, QWidget

from napari_sam_adapter.plugin.panels.channel_button import ChannelButton
from napari_sam_adapter.plugin.panels.narrow import NameBox, narrow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image

    from napari_sam_adapter.plugin.state import PluginState

NOTHING = "open an image first"
TIP = "The image to segment. Each has objects of its own."


class ImagePanel(QWidget):
    """A picker for one of the image layers of the viewer.

    Parameters
    ----------
    parent : QWidget or None
        Qt parent.
    """

    image_chosen = Signal(object)
    """Emitted with a layer when the user chooses."""
    level_chosen = Signal(int)
    """Emitted with the number of a level of a multiscale image."""
    channel_switched = Signal(object)
    """Emitted with a layer that the network shall see, or see no longer."""
    size_taken = Signal()
    """Emitted when the layer shall get the size of pixels that its file tells."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.picker = NameBox()
        self.picker.setToolTip(TIP)
        self.picker.setMinimumContentsLength(12)
        self.picker.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        view = self.picker.view()
        assert view is not None  # Qt's own
        view.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.picker.activated.connect(self._on_activated)
        self._images: tuple[Image, ...] = ()
        form = QFormLayout(self)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("layer", self.picker)
        self.level = narrow(QComboBox())
        self.level.setToolTip(
            "On which level of the image to click, and how large its masks are. Each "
            "level has objects of its own."
        )
        self.level.activated.connect(self.level_chosen.emit)
        self._level_title = QLabel("level")
        self._level_title.setBuddy(self.level)
        form.addRow(self._level_title, self.level)
        self.channels = ChannelButton()
        self.channels.switched.connect(self.channel_switched.emit)
        self._channels_title = QLabel("channels")
        self._channels_title.setBuddy(self.channels)
        form.addRow(self._channels_title, self.channels)
        self.size_in_file = QPushButton()
        self.size_in_file.setToolTip(
            "The file tells how large pixels are, and the layer does not. Take it over "
            "to have sizes in this unit, and slices as far apart as they are."
        )
        self.size_in_file.clicked.connect(lambda: self.size_taken.emit())
        self._size_title = QLabel("in the file")
        self._size_title.setBuddy(self.size_in_file)
        form.addRow(self._size_title, self.size_in_file)
        self.show_levels([], 0)
        self.show_channels((), ())
        self.show_size("")

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
            for row, name in enumerate(names):
                self.picker.setItemData(row, name, Qt.ItemDataRole.ToolTipRole)
        tip = TIP
        if state.image is not None:
            self.picker.setCurrentIndex(state.images.index(state.image))
            tip = f"{TIP} Now {state.image.name}."
        self.picker.setToolTip(tip)
        self.picker.setEnabled(bool(state.images))

    def show_levels(self, titles: Sequence[str], number: int) -> None:
        """List the levels of the image, if it has several.

        Parameters
        ----------
        titles : sequence of str
            One per level, the full resolution first.
        number : int
            The one in use.
        """
        if list(titles) != [self.level.itemText(i) for i in range(self.level.count())]:
            self.level.clear()
            self.level.addItems(list(titles))
        self.level.setCurrentIndex(number)
        for part in (self._level_title, self.level):
            part.setVisible(len(titles) > 1)

    def show_channels(
        self, offered: Sequence[Image], partners: Sequence[Image]
    ) -> None:
        """List the layers that can be channels beside the image, if there are any.

        Parameters
        ----------
        offered : sequence of Image
            Those that can.
        partners : sequence of Image
            Those that are, in the order of their colours.
        """
        self.channels.show_channels(offered, partners)
        for part in (self._channels_title, self.channels):
            part.setVisible(bool(offered))

    def show_size(self, size: str) -> None:
        """Offer the size of pixels that the file tells.

        Parameters
        ----------
        size : str
            In words; empty if there is nothing to offer.
        """
        self.size_in_file.setText(f"Use {size}")
        for part in (self._size_title, self.size_in_file):
            part.setVisible(bool(size))

    def _on_activated(self, number: int) -> None:
        self.image_chosen.emit(self._images[number])
