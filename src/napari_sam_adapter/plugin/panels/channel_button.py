"""A button with a menu of the channels that the network can see beside the image."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from psygnal import Signal
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QMenu, QPushButton, QWidget

from napari_sam_adapter.plugin.layers.channels import MOST_PARTNERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image

ALONE = "the layer alone"
COLOURS: dict[int, tuple[str, ...]] = {0: (), 1: ("blue",), 2: ("green", "blue")}
"""In which channels are seen, by how many there are; the image has the others."""
TIP = (
    "Channels that the network sees beside the layer, as colours. Each choice has "
    "objects of its own."
)
NAME = "Channels"
"""What a screen reader says."""
TEXT_WIDTH, MENU_WIDTH = 150, 200
"""Pixels that channels take at most, all on the button and each in its menu."""


class ChannelButton(QPushButton):
    """Names the channels that are seen, and ticks them in its menu.

    Parameters
    ----------
    parent : QWidget or None
        Qt parent.
    """

    switched = Signal(object)
    """Emitted with a layer that the user ticked, or whose tick was taken away."""
    opening = Signal()
    """Emitted before the menu is shown: layers may have other names or places."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._menu = QMenu(self)
        self._menu.setAccessibleName(NAME)
        self._menu.setToolTipsVisible(True)  # names that are too long
        self._menu.aboutToShow.connect(self.opening.emit)
        self.setMenu(self._menu)
        self._listed: list[tuple[Image, str]] = []

    def show_channels(
        self, offered: Sequence[Image], partners: Sequence[Image]
    ) -> None:
        """List channels, and tick those that are seen.

        Parameters
        ----------
        offered : sequence of Image
            All that can be seen.
        partners : sequence of Image
            Those that are, in the order of their colours.
        """
        named = [(layer, layer.name) for layer in offered]
        if named != self._listed:
            self._listed = named
            self._list()
        is_full = len(partners) >= MOST_PARTNERS
        for action, layer in zip(self._menu.actions(), offered, strict=True):
            action.setChecked(layer in partners)
            action.setEnabled(layer in partners or not is_full)
        self._tell([layer.name for layer in partners])

    def _list(self) -> None:
        self._menu.clear()
        for layer, name in self._listed:
            action = self._menu.addAction(_plain(self._short(name, MENU_WIDTH)))
            assert action is not None  # Qt's stubs allow for none
            action.setToolTip(name)
            action.setCheckable(True)
            action.triggered.connect(partial(self._on_triggered, layer))

    def _tell(self, names: list[str]) -> None:
        text = f"with {', '.join(names)}" if names else ALONE
        colours = COLOURS[len(names)]
        seen = [f"{name} is {hue}" for name, hue in zip(names, colours, strict=True)]
        tip = f"{TIP} Now {', '.join(seen)}." if seen else TIP
        self.setText(_plain(self._fitting(text, names)))
        self.setToolTip(tip)
        self.setAccessibleName(f"{NAME}: {text}")
        self.setAccessibleDescription(tip)

    def _fitting(self, text: str, names: list[str]) -> str:
        """Return a text as it is, or how many names there are and parts of each."""
        width = self.fontMetrics().horizontalAdvance
        if width(text) <= TEXT_WIDTH:
            return text
        start = f"{len(names)}: " if len(names) > 1 else "with "
        room = TEXT_WIDTH - width(start + ", " * (len(names) - 1))
        parts = [self._short(name, room // len(names)) for name in names]
        return start + ", ".join(parts)

    def _short(self, name: str, width: int) -> str:
        middle = Qt.TextElideMode.ElideMiddle  # how many names begin alike
        return self.fontMetrics().elidedText(name, middle, width)

    def _on_triggered(self, layer: Image, is_ticked: bool) -> None:
        self.switched.emit(layer)


def _plain(name: str) -> str:
    """Return a name as Qt has to be told, for which "&" marks a key."""
    return name.replace("&", "&&")
