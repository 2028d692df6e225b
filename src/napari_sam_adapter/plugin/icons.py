"""napari's own icons in the colours of its theme."""

from __future__ import annotations

from napari.resources import get_colorized_svg, get_icon_path
from napari.utils.theme import get_theme
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QIcon, QPixmap

SIZES = QSize(16, 16), QSize(32, 32)
"""For usual screens and for those of double resolution."""


def icon(name: str, theme: str) -> QIcon:
    """Return an icon of napari in the colour of a theme.

    Parameters
    ----------
    name : str
        One of `napari.resources.ICONS`.
    theme : str
        One of napari's themes.

    Returns
    -------
    QIcon
        To be made anew when the theme changes.
    """
    colour = get_theme(theme).icon.as_hex()
    drawing = get_colorized_svg(get_icon_path(name), colour).encode()
    large, shown = QPixmap(), QIcon()
    large.loadFromData(drawing, "SVG")
    for size in SIZES:
        shown.addPixmap(
            large.scaled(
                size,
                Qt.AspectRatioMode.KeepAspectRatio,
                Qt.TransformationMode.SmoothTransformation,
            )
        )
    return shown
