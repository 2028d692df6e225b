"""Follow an object from plane to plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import PlaneError, SessionError
from napari_sam_adapter.volume.following import follow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    import numpy.typing as npt

    from napari_sam_adapter.volume.document import Document
    from napari_sam_adapter.volume.plane import Plane
    from napari_sam_adapter.volume.plane_predictor import PlanePredictor
    from napari_sam_adapter.volume.results import PlaneResult
    from napari_sam_adapter.volume.session import Session

__all__ = ["PropagationRequest", "PropagationSettings", "follow", "propagate"]


@dataclass(frozen=True)
class PropagationSettings:
    """How an object is followed and when to stop.

    Parameters
    ----------
    min_score : float
        Stop where the network's own estimate of the IoU is lower.
    max_area_change : float
        Stop where the mask is this many times larger or smaller than the last; above 1.
    min_overlap : float
        Stop where the IoU with the last mask is lower; 0 to 1.
    use_box : bool
        Prompt the next plane with the box around the last mask.
    use_mask : bool
        Prompt the next plane with the last mask.
    box_margin : float
        Part of its height and width by which that box grows on each side; at least
        one pixel is added.

    Raises
    ------
    SessionError
        If a number is out of range, or neither box nor mask is used.
    """

    min_score: float = 0.5
    max_area_change: float = 2.5
    min_overlap: float = 0.3
    use_box: bool = True
    use_mask: bool = True
    box_margin: float = 0.05

    def __post_init__(self) -> None:
        if not (self.use_box or self.use_mask):
            raise SessionError("Expected a box or a mask to go on with, got neither.")
        if not (self.max_area_change > 1 and 0 <= self.min_overlap <= 1):
            raise SessionError(
                "Expected max_area_change above 1 and min_overlap from 0 to 1, got "
                f"{self.max_area_change} and {self.min_overlap}."
            )
        if not self.box_margin >= 0:
            raise SessionError(f"Expected box_margin from 0, got {self.box_margin}.")


@dataclass(frozen=True)
class PropagationRange:
    """Where to follow an object.

    Parameters
    ----------
    seed : Plane
        Where its mask is.
    axis : int
        Axis to follow; the seed plane does not show it.
    start, stop : int
        First and last index on that axis, both included.
    """

    seed: Plane
    axis: int
    start: int
    stop: int

    def plane(self, index: int) -> Plane:
        """Return the plane at an index of the axis.

        Parameters
        ----------
        index : int
            Position on the axis.

        Returns
        -------
        Plane
            Parallel to the seed plane.
        """
        return self.seed.at(self.axis, index)


@dataclass(frozen=True, eq=False)
class PropagationRequest:
    """Everything a worker needs to follow an object.

    Parameters
    ----------
    number : int
        Tells propagations of one session apart.
    object_id : int
        The object.
    where : PropagationRange
        Seed plane, axis and range.
    mask : (H, W) bool array
        Mask on the seed plane.
    settings : PropagationSettings
        How, and when to stop.
    anchors : frozenset of int
        Indices at which the user worked on the object: never touched.
    revisions : mapping of int to int
        State of the object at every index.
    predictor : PlanePredictor
        Reads, embeds and segments planes; safe in any thread.
    """

    number: int
    object_id: int
    where: PropagationRange
    mask: npt.NDArray[np.bool_]
    settings: PropagationSettings
    anchors: frozenset[int]
    revisions: Mapping[int, int]
    predictor: PlanePredictor


def propagate(
    session: Session,
    object_id: int,
    start: int | None = None,
    stop: int | None = None,
    *,
    axis: int | None = None,
    seed: Plane | None = None,
    settings: PropagationSettings | None = None,
) -> Iterator[PlaneResult]:
    """Follow an object through the volume and write every good mask.

    Parameters
    ----------
    session : Session
        Document with the object; changed between the results.
    object_id : int
        The object.
    start, stop : int or None
        First and last index along the axis, both included; the ends of the volume
        by default.
    axis : int or None
        Axis to follow; by default the last one that the seed plane does not show.
    seed : Plane or None
        Plane with a mask of the object; by default the last one with prompts.
    settings : PropagationSettings or None
        How, and when to stop.

    Yields
    ------
    PlaneResult
        One per plane, upwards from the seed, then downwards; already committed. The
        last of a direction has a `reason`.

    Raises
    ------
    SessionError
        If there is no such object, no predictor, or no mask to begin with.
    PlaneError
        If the range lies outside the volume.

    Notes
    -----
    Undo takes everything back at once. The loop may be left at any time: what was
    yielded is in the labels and in the journal, and nothing else.
    """
    seed = seed or session.default_seed(object_id)
    session.mask(object_id, seed)
    request = session.propagation(
        object_id, start, stop, axis=axis, seed=seed, settings=settings
    )
    for result in follow(request):
        session.commit(result)
        yield result
    session.finish_propagation(request)


def resolve_range(
    shape: tuple[int, ...],
    seed: Plane,
    axis: int | None,
    start: int | None,
    stop: int | None,
) -> PropagationRange:
    """Fill in what was left open of a range, and check it.

    Parameters
    ----------
    shape : tuple of int
        Spatial shape of the volume.
    seed : Plane
        Where the mask is.
    axis, start, stop : int or None
        As in `propagate`.

    Returns
    -------
    PropagationRange
        Inside the volume.

    Raises
    ------
    SessionError
        If there is no axis to follow.
    PlaneError
        If the seed, the axis or the range does not fit the volume.
    """
    seed.check(shape)
    if not seed.other_axes:
        raise SessionError(
            "Expected a volume to follow the object through, got one plane."
        )
    axis = seed.other_axes[-1] if axis is None else axis
    seed.index_along(axis)
    start = 0 if start is None else start
    stop = shape[axis] - 1 if stop is None else stop
    if not 0 <= start <= stop < shape[axis]:
        raise PlaneError(
            f"Expected a range inside 0 to {shape[axis] - 1} on axis {axis}, got "
            f"{start} to {stop}."
        )
    return PropagationRange(seed, axis, start, stop)


def request_propagation(
    document: Document,
    predictor: PlanePredictor,
    number: int,
    object_id: int,
    where: PropagationRange,
    settings: PropagationSettings,
) -> PropagationRequest:
    """Take from the document what a worker needs to follow an object.

    Parameters
    ----------
    document : Document
        With a mask of the object on the seed plane.
    predictor : PlanePredictor
        Segments planes.
    number : int
        Of this propagation.
    object_id : int
        The object.
    where : PropagationRange
        Seed plane, axis and range.
    settings : PropagationSettings
        How, and when to stop.

    Returns
    -------
    PropagationRequest
        Independent of later edits.

    Raises
    ------
    SessionError
        If there is no such object, or no mask on the seed plane.
    """
    document.require(object_id)
    mask = where.seed.view(document.labels) == object_id
    if not mask.any():
        raise SessionError(
            f"Expected a mask of object {object_id} on {where.seed}, got none. "
            "Segment the object there first."
        )
    planes = {
        index: where.plane(index) for index in range(document.labels.shape[where.axis])
    }
    revisions = {i: document.revision(object_id, p) for i, p in planes.items()}
    anchors = {i for i, p in planes.items() if document.record(object_id, p).is_anchor}
    return PropagationRequest(
        number, object_id, where, mask, settings, frozenset(anchors), revisions,
        predictor,
    )  # fmt: skip
