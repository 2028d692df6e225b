"""Put the mask of an object into the labels of a plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.boxed_mask import bounding_box
from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.volume.asking.packing import slices_of
from napari_sam_adapter.volume.document.changes import merge_mask, union_box
from napari_sam_adapter.volume.document.protection import protected_pixels

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy.typing as npt

    from napari_sam_adapter.boxed_mask import BoxedMask
    from napari_sam_adapter.volume.document.draft import Draft
    from napari_sam_adapter.volume.planes.plane import Plane


def check_shape(mask: BoxedMask, shape: tuple[int, ...]) -> None:
    """Raise unless a mask is one of a plane of this shape.

    Parameters
    ----------
    mask : BoxedMask
        Any mask.
    shape : (int, int)
        Rows and columns of the plane.

    Raises
    ------
    SessionError
        If it is not.
    """
    if mask.shape != shape:
        raise SessionError(
            f"Expected a mask of {shape}, got {mask.shape}. Predictors answer in "
            "pixels of the plane that they were given."
        )


def write_mask(
    draft: Draft,
    object_id: int,
    plane: Plane,
    mask: BoxedMask,
    spared: Collection[int] = (),
    spared_from: int | None = None,
) -> None:
    """Give an object a new mask on a plane, as far as it may have one.

    Parameters
    ----------
    draft : Draft
        Where it is written.
    object_id : int
        The object.
    plane : Plane
        Where.
    mask : BoxedMask
        Pixels of other objects, pixels that were edited by hand, and locked ones
        stay as they are.
    spared : collection of int
        Objects whose pixels stay whatever the overlap rule says.
    spared_from : int or None
        As of `JointResult`.

    Raises
    ------
    SessionError
        If the mask is one of a plane of another shape.
    """
    document = draft.document
    current = plane.view(document.labels)
    check_shape(mask, current.shape)
    known = document.ledger.box_on(object_id, plane)
    if known is None:
        known = bounding_box(current == object_id)
    box = union_box(mask.box, known)
    # Everything else happens in this box around the old and the new mask.
    current = current[slices_of(box)]
    kept = protected_pixels(document, object_id, plane, box)
    takes = document.overlap_rule != "keep"
    if takes and (untouched := document.spared.union(spared)):
        kept = _with_others(kept, object_id, current, np.isin(current, list(untouched)))
    if takes and spared_from is not None:
        kept = _with_others(kept, object_id, current, current >= spared_from)
    after = merge_mask(current, object_id, mask.window(box), kept, takes)
    draft.write(object_id, plane, after, box[:2])


def _with_others(
    kept: npt.NDArray[np.bool_] | None,
    object_id: int,
    current: npt.NDArray[np.integer[Any]],
    spared: npt.NDArray[np.bool_],
) -> npt.NDArray[np.bool_]:
    others: npt.NDArray[np.bool_] = spared & (current != object_id)
    return others if kept is None else kept | others
