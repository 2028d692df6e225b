"""What a session is given as an image, as a volume."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.predictions import trained_window
from napari_sam_adapter.volume.planes.planes import Volume

if TYPE_CHECKING:
    from napari_sam_adapter.image_io.image.lazy_array import ArrayLike
    from napari_sam_adapter.image_io.image.opened_image import OpenedImage
    from napari_sam_adapter.intensity import IntensityMapping
    from napari_sam_adapter.predictions import Predictor


def as_volume(
    image: ArrayLike | Volume | OpenedImage,
    axes: str,
    chosen: IntensityMapping | None,
    predictor: Predictor | None,
) -> Volume:
    """Return an image as a volume, seen through the window that it should be.

    Parameters
    ----------
    image : array-like, OpenedImage or Volume
        The image.
    axes : str
        See `Volume`.
    chosen : IntensityMapping or None
        Window of the user.
    predictor : Predictor or None
        Its adapter's window counts where neither the user nor a volume was given one.

    Returns
    -------
    Volume
        A new one, or the one that was given.

    Raises
    ------
    ImageError
        If the image cannot be segmented.
    SessionError
        If axes or a window are given beside a volume, which has its own.
    """
    if not isinstance(image, Volume):
        image = Volume(image, axes, chosen)
    elif chosen is not None or axes != "auto":
        given = "axes" if chosen is None else "intensity"
        raise SessionError(
            f"Expected a Volume alone, got {given}, too. Give them to the Volume: "
            "Volume(array, axes, intensity)."
        )
    learned = trained_window(predictor, image)
    if learned is None or image.chosen_intensity is not None:
        return image
    return image.with_intensity(learned)
