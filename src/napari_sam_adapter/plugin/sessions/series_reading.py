"""Find the next image of a series that can be opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.plugin.image_files import pixels_of
from napari_sam_adapter.volume.planes.axes import SPATIAL_LETTERS
from napari_sam_adapter.volume.planes.planes import Volume

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari_sam_adapter.image_io.series.entries import SeriesEntry, SeriesImage


@dataclass(frozen=True, eq=False)
class Found:
    """The next image that can be opened, with its pixels; none at the end.

    Parameters
    ----------
    position : int
        Its place in the series; -1 at the end.
    opened : SeriesImage or None
        The image and its labels.
    pixels : array
        As a layer takes them.
    """

    position: int
    opened: SeriesImage | None
    pixels: Any = None


def first_readable(
    candidates: Iterable[tuple[int, SeriesEntry]],
) -> Iterator[ImageError | Found]:
    """Look for an image that can be opened; for any thread.

    Parameters
    ----------
    candidates : iterable of (int, SeriesEntry)
        Places in the series and what is there, in the order in which to look.

    Yields
    ------
    ImageError or Found
        Why images cannot be opened, and at last the first one that can.
    """
    for position, entry in candidates:
        try:
            opened = entry.read()
            pixels = pixels_of(opened.image)
            spatial = SPATIAL_LETTERS[-len(opened.image.label_axes) :]
            Volume(pixels, spatial + "c" * opened.image.is_colour)  # or it is refused
            yield Found(position, opened, pixels)
        except ImageError as error:
            yield error
        else:
            return
    yield Found(-1, None)
