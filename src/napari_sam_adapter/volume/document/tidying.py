"""A mask without holes and specks, and with an even outline; and what that changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from napari_sam_adapter.volume.document.changes import Change
    from napari_sam_adapter.volume.document.object_edits import TidyObject

HOLE_SHARE = 0.05
"""Part of the mask up to which a hole is filled, if no size is given."""
SPECK_SHARE = 0.1
"""Part of the largest piece below which a piece is removed, if no size is given."""
TOUCHING = np.ones((3, 3), dtype=bool)
"""Pixels of a piece touch along edges or at corners; those of a hole along edges."""


def tidied(
    mask: npt.NDArray[np.bool_],
    edit: TidyObject,
    points: npt.NDArray[np.intp],
    signs: npt.NDArray[np.bool_],
) -> npt.NDArray[np.bool_]:
    """Return a mask without holes and specks, and with an even outline.

    Parameters
    ----------
    mask : (H, W) bool array
        An object on a slice; outside of the array it goes on as at its sides.
    edit : TidyObject
        How it is tidied.
    points : (K, 2) int array
        (row, column) of the pixels that the user clicked.
    signs : (K,) bool array
        Whether each is on the object.

    Returns
    -------
    (H, W) bool array
        Empty only if the mask is.
    """
    filled = mask | _holes(mask, edit.largest_hole, points[~signs])
    clean = filled & ~_specks(filled, edit.smallest_piece, points[signs])
    return _smoothed(clean, edit.smoothing) if edit.smoothing else clean


def _holes(
    mask: npt.NDArray[np.bool_],
    largest: int | None,
    spared: npt.NDArray[np.intp],
) -> npt.NDArray[np.bool_]:
    """Return the holes to fill: small ones in which nobody clicked."""
    regions, _ = ndimage.label(np.pad(~mask, 1, constant_values=True))
    sizes = np.bincount(regions.ravel())
    most = HOLE_SHARE * np.count_nonzero(mask) if largest is None else largest
    small = sizes <= most
    small[[0, regions[0, 0]]] = False  # the mask, and what is around it
    inside = regions[1:-1, 1:-1]
    small[_under(spared, inside)] = False
    holes: npt.NDArray[np.bool_] = small[inside]
    return holes


def _specks(
    mask: npt.NDArray[np.bool_],
    smallest: int | None,
    spared: npt.NDArray[np.intp],
) -> npt.NDArray[np.bool_]:
    """Return the pieces to remove: small ones on which nobody clicked."""
    pieces, _ = ndimage.label(mask, TOUCHING)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    largest = int(sizes.argmax())
    least = SPECK_SHARE * sizes[largest] if smallest is None else smallest
    small = sizes < least
    small[[0, largest]] = False
    small[_under(spared, pieces)] = False
    specks: npt.NDArray[np.bool_] = small[pieces]
    return specks


def _under(
    pixels: npt.NDArray[np.intp], numbers: npt.NDArray[np.int32]
) -> npt.NDArray[np.int32]:
    """Return the numbers under pixels, leaving out those beside the array."""
    within = ((pixels >= 0) & (pixels < numbers.shape)).all(axis=1)
    rows, columns = pixels[within].T
    under: npt.NDArray[np.int32] = numbers[rows, columns]
    return under


def _smoothed(mask: npt.NDArray[np.bool_], width: float) -> npt.NDArray[np.bool_]:
    """Even the outline out, but leave pieces that would be gone as they are."""
    blurred = ndimage.gaussian_filter(mask.astype(float), width, mode="nearest")
    smooth: npt.NDArray[np.bool_] = blurred > 0.5
    pieces, count = ndimage.label(mask, TOUCHING)
    is_gone = np.ones(count + 1, dtype=bool)
    is_gone[pieces[smooth]] = False
    is_gone[0] = False
    smooth |= is_gone[pieces]
    return smooth


def _met(numbers: npt.NDArray[np.int32], pixels: npt.NDArray[np.bool_]) -> int:
    """Return how many numbers are under pixels, some of which may have stayed."""
    return np.unique(numbers[pixels]).size


class TidyCount:
    """How many holes were filled and specks removed, and on how many slices."""

    def __init__(self, changes: Iterable[Change] = ()) -> None:
        self.holes = 0
        self.specks = 0
        self._slices: set[object] = set()
        for change in changes:
            self.add(change)

    def add(self, change: Change) -> None:
        """Count what was changed on a slice.

        Parameters
        ----------
        change : Change
            By a `TidyObject` without smoothing.
        """
        if not change.is_empty:
            was, is_now = (
                labels == change.object_id for labels in (change.before, change.after)
            )
            self.holes += _met(ndimage.label(~was)[0], is_now & ~was)
            self.specks += _met(ndimage.label(was, TOUCHING)[0], was & ~is_now)
            self._slices.add(change.plane)

    @property
    def words(self) -> str:
        """What was done, as ``"3 holes filled, 2 specks removed on 5 slices."``."""
        what = [
            f"{counted(number, one)} {done}"
            for number, one, done in (
                (self.holes, "hole", "filled"),
                (self.specks, "speck", "removed"),
            )
            if number
        ]
        slices = len(self._slices)
        where = f" on {counted(slices, 'slice')}" if slices > 1 else ""
        return f"{', '.join(what)}{where}." if what else "Nothing to tidy."
