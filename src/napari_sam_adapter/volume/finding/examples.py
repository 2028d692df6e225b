"""Examples of what to look for: objects, masks, or what is at points."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from napari_sam_adapter.boxed_mask import BoxedMask
from napari_sam_adapter.errors import PromptError, SessionError
from napari_sam_adapter.prompts import Prompts
from napari_sam_adapter.volume.finding.object_search import MIN_AREA, has_usual_size
from napari_sam_adapter.volume.session.taking_found import NOBODY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from napari_sam_adapter.volume.planes.plane import Plane
    from napari_sam_adapter.volume.session.session import Session
    from napari_sam_adapter.volume.session.taking_found import Lot

    Example: TypeAlias = int | npt.NDArray[np.bool_]
    Point: TypeAlias = tuple[float, float]


def examples_at(session: Session, plane: Plane, points: Iterable[Point]) -> list[int]:
    """Make objects of what is at points, as examples.

    Parameters
    ----------
    session : Session
        Gets the objects, with a point as their prompt.
    plane : Plane
        Where.
    points : iterable of (row, column)
        In pixels, inside the plane. On an object, that one is the example.

    Returns
    -------
    list of int
        The objects, each once.

    Raises
    ------
    PromptError
        If nothing is at a point, or what is taken for background; objects of the points
        before it are there nevertheless.
    SessionError, PlaneError, ImageError
        As of `Session.mask`.
    """
    return list(dict.fromkeys(_example_at(session, plane, at) for at in points))


def _example_at(session: Session, plane: Plane, point: Point) -> int:
    row, column = np.rint(point).astype(int)
    there = int(plane.view(session.labels)[row, column])
    if there:
        return there
    _require_object(session, plane, point)
    number = session.new_object()
    session.add_point(number, plane, point)
    session.mask(number, plane)
    return number


def _require_object(session: Session, plane: Plane, point: Point) -> None:
    """Raise if a search would not take what is at a point."""
    asked = session.request(NOBODY, plane, instead=Prompts(np.array([point])))
    mask = session.compute(asked).mask
    area = int(np.count_nonzero(mask))
    if not has_usual_size(area, mask.size):
        got = "none" if area < MIN_AREA else "what covers most of the slice"
        raise PromptError(
            f"Expected an object at row {point[0]:g}, column {point[1]:g}, found {got}."
            " Point at the middle of a typical one."
        )


def examples_on(
    labels: npt.NDArray[np.integer], like: Sequence[Example]
) -> tuple[Lot, ...]:
    """Return the masks of examples.

    Parameters
    ----------
    labels : (H, W) int array
        Of the plane.
    like : sequence of int or (H, W) bool array
        Objects with pixels on the plane, or masks.

    Returns
    -------
    tuple of Lot
        One for each.

    Raises
    ------
    SessionError
        If it is no sequence or empty, an object has no pixel there, or a mask does not
        fit.
    """
    _require_sequence(like)
    if not len(like):
        raise SessionError(
            "Expected an example of what to look for, got none. Segment a typical "
            "object on this slice first, better three."
        )
    return tuple(_lot(labels, example) for example in like)


def _require_sequence(like: object) -> None:
    if isinstance(like, np.ndarray) and like.ndim == 2:
        got, instead = f"one array of {like.shape}", "[mask]"
    elif not np.iterable(like):
        got, instead = repr(like), f"[{like}]"
    else:
        return
    raise SessionError(f"Expected a list of examples, got {got}. Give {instead}.")


def _lot(labels: npt.NDArray[np.integer], example: Example) -> Lot:
    if isinstance(example, np.ndarray):
        if example.shape != labels.shape or example.dtype != bool:
            raise SessionError(
                f"Expected objects or bool masks of shape {labels.shape} as examples, "
                f"got {example.dtype} of {example.shape}."
            )
        mask = example
    else:
        mask = labels == example
    if not mask.any():
        name = "an empty mask" if mask is example else f"object {example}"
        raise SessionError(
            f"Expected examples with pixels on this slice, got {name}. Segment a "
            "typical object there first."
        )
    boxed = BoxedMask.of(mask)
    return boxed.box, boxed.pixels
