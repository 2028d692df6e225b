"""What a volume is made of: an array, or an opened image and all that it tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.image_io.image.composite import check_one_channel
from napari_sam_adapter.image_io.image.lazy_array import check_unmasked, is_array
from napari_sam_adapter.image_io.image.opened_image import OpenedImage
from napari_sam_adapter.image_io.image.units import NO_UNIT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam_adapter.image_io.image.lazy_array import ArrayLike

TIP = (
    "Choose one with image.channel(0), or two or three as colours with "
    "image.composite((0, 1))"
)


@dataclass(frozen=True, eq=False)
class Source:
    """The parts of a volume.

    Parameters
    ----------
    data : array-like
        The pixels.
    axes : str
        See `Volume`.
    levels : sequence of array-like
        The same with fewer and fewer pixels.
    spacing : tuple of float or None
        Distance between neighbours on every spatial axis, where the image tells it.
    unit : str
        Its unit along z, y and x.
    """

    data: ArrayLike
    axes: str
    levels: Sequence[ArrayLike] = ()
    spacing: tuple[float, ...] | None = None
    unit: str = NO_UNIT

    @classmethod
    def of(
        cls,
        image: ArrayLike | OpenedImage,
        axes: str,
        levels: Sequence[ArrayLike] | None,
    ) -> Source:
        """Return the parts of an image.

        Parameters
        ----------
        image : array-like or OpenedImage
            The image.
        axes : str
            Go before those of the image, unless they are ``"auto"``.
        levels : sequence of array-like or None
            Go before those of the image.

        Returns
        -------
        Source
            Nothing is read.

        Raises
        ------
        ImageError
            If it is no image, or one with several channels and no word about them.
        """
        if isinstance(image, OpenedImage):
            if axes == "auto":
                check_one_channel(image, TIP)
                axes = image.axes
            levels = image.levels if levels is None else levels
            pairs = zip(axes, image.spacing, strict=False)  # a colour has none
            spacing = tuple(size for letter, size in pairs if letter != "c")
            return cls(image.data, axes, levels, spacing, image.unit)
        if not is_array(image):
            raise ImageError(
                f"Expected an array, got {type(image).__name__}. Read files with "
                "open_image, make arrays of lists and tensors with numpy.asarray."
            )
        check_unmasked(image)
        return cls(image, axes, levels or ())
