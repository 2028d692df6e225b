"""All objects of a volume: each is followed from the middle of where it was seen.

One plane after the other is looked at, and masks that overlap on neighbouring planes
are put together. When the ends of an object are known, it is asked for once more on
the plane in the middle, and followed from there. Without following, the objects of a
plane are made as they are found.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_sam_adapter.errors import PlaneError, SessionError
from napari_sam_adapter.volume.asking.packing import slices_of
from napari_sam_adapter.volume.finding.finding import finding
from napari_sam_adapter.volume.finding.search_steps import (
    FindPart,
    FollowPart,
    LookPart,
    Part,
    SearchNumber,
)
from napari_sam_adapter.volume.finding.tracks import MIN_OVERLAP, Tracks
from napari_sam_adapter.volume.planes.plane import planes_of
from napari_sam_adapter.volume.propagation.propagation import resolve_range

if TYPE_CHECKING:
    from collections.abc import (
        Callable,
        Generator,
        Iterable,
        Iterator,
        Mapping,
        Sequence,
    )

    from napari_sam_adapter.boxed_mask import BoxedMask
    from napari_sam_adapter.volume.finding.tracks import Settled, Sighting
    from napari_sam_adapter.volume.planes.plane import Plane
    from napari_sam_adapter.volume.propagation.propagation_request import (
        PropagationRange,
    )
    from napari_sam_adapter.volume.session.session import Session


class SearchedPlane(NamedTuple):
    """A plane that was looked at.

    Attributes
    ----------
    plane : Plane
        Which.
    object_ids : tuple of int
        The objects that were made then: with following those that are known to end,
        which may have their point on another plane; else those found there.
    problem : str
        Why it was passed over: it shows nothing, or cannot be read. Or why an object
        that ends there was not made: its planes cannot be read again. Mostly empty.
    unlike : int
        How many objects were left out because they are not like examples.
    """

    plane: Plane
    object_ids: tuple[int, ...] = ()
    problem: str = ""
    unlike: int = 0

    @property
    def place(self) -> str:
        """Where the plane is; nothing of a picture."""
        return ", ".join(map(str, self.plane.position))


def find_in_volume(
    session: Session,
    planes: Iterable[Plane] | None = None,
    *,
    follow: bool = True,
    axis: int | str | None = None,
    start: int | None = None,
    stop: int | None = None,
    is_enough: Callable[[], bool] = bool,
) -> Iterator[SearchedPlane]:
    """Segment every object of a volume that has no mask yet.

    Parameters
    ----------
    session : Session
        Gets the objects: in one step of its history, unless it is edited meanwhile.
        No pixel of other objects is taken, whatever the overlap rule says.
    planes : iterable of Plane or None
        Where to look, one after the other; by default on all in the range, along the
        last two axes.
    follow : bool
        Whether masks that overlap on neighbouring ones of these planes are one object,
        which is followed from the middle one, in both directions, as soon as both its
        ends are known, or after 32 planes. What is seen on one plane alone is left out
        if both planes beside it were looked at and neither a mask nor a label is there;
        not along time, where things move. Else each plane has objects of its own.
    axis, start, stop : int, str or None
        How far to follow, as in `propagate`. The planes lie in this range.
    is_enough : callable
        Asked when a plane was looked at: with following before objects are made. If
        it returns True, that plane is the last one, and all objects seen so far are
        made and followed, also beyond it. By default all planes are looked at.

    Yields
    ------
    SearchedPlane
        One for each plane, also for one given twice, when its objects are in the
        labels.

    Raises
    ------
    SessionError
        If there is no predictor, no axis to follow, or too many objects for the labels;
        if `is_enough` cannot be called; if network or image window are changed
        meanwhile.
    PlaneError
        If a plane or the range lies outside the volume, or a plane outside the range.

    Notes
    -----
    Planes that show nothing or cannot be read are passed over. The loop may be left at
    any time: what was yielded is in the labels and in the journal. Objects of which an
    end was not seen by then are not made: up to 31 planes of work. To keep those, end
    it by `is_enough`, for example the `is_set` of a `threading.Event`, and let the loop
    run out: one more plane is looked at.
    """
    way = Following(axis, start, stop)
    if planes is None:
        has_range = follow or way != Following()
        everything = planes_of(session.volume.shape)
        planes = _planes_within(session, way) if has_range else everything
    with closing(
        search_parts(session, planes, way if follow else None, is_enough)
    ) as parts:
        for part in parts:
            if isinstance(part, SearchedPlane):
                yield part
                continue
            for step in part.steps():
                part.check()
                for _ in part.taking_in(step):
                    pass


class Following(NamedTuple):
    """How far objects are followed.

    Attributes
    ----------
    axis, start, stop : int, str or None
        As in `propagate`.
    """

    axis: int | str | None = None
    start: int | None = None
    stop: int | None = None


def search_parts(
    session: Session,
    planes: Iterable[Plane],
    way: Following | None,
    is_enough: Callable[[], bool] = bool,
) -> Generator[Part | SearchedPlane]:
    """Say what is to be done next for `find_in_volume`; on the main thread.

    Parameters
    ----------
    session : Session
        With a predictor; may be edited meanwhile.
    planes : iterable of Plane
        Where to look.
    way : Following or None
        How far to follow; None for not at all.
    is_enough : callable
        Asked when a plane was looked at. Says whether it is the last one, as of
        `find_in_volume`.

    Yields
    ------
    FindPart, LookPart, FollowPart or SearchedPlane
        Do all steps of a part, check it after each and take it in, before the next
        one is asked for.
        After the parts of a plane comes what was found there.

    Raises
    ------
    SessionError
        As `find_in_volume`, which raises `PlaneError` for the same reasons, too.
    """
    if not callable(is_enough):
        raise SessionError(
            "Expected is_enough to be a function that is asked after each plane, got "
            f"{is_enough!r}. Leave it out to look at all planes."
        )
    run = SearchNumber(session)
    if way is None:
        yield from _each_alone(session, planes, run, is_enough)
        return
    axes = {plane: _axis_of(session, plane, way) for plane in planes}
    tracks, look = Tracks(axes, partial(_may_be_there, session, run, axes)), None
    for plane in axes:
        if look is not None:
            look.check()
        yield (look := LookPart(session, finding(session, plane), tracks))
        is_last = is_enough()
        settled = tracks.rest() if is_last else tracks.settled()
        made, problem = yield from _making(session, settled, look, way, run)
        yield SearchedPlane(plane, made, look.problem or problem)
        if is_last:
            return


def _each_alone(
    session: Session,
    planes: Iterable[Plane],
    run: SearchNumber,
    is_enough: Callable[[], bool],
) -> Iterator[FindPart | SearchedPlane]:
    search = None
    for plane in dict.fromkeys(planes):
        if search is not None:
            search.check()
        yield (search := FindPart(session, finding(session, plane), run))
        is_last = is_enough()
        yield SearchedPlane(plane, search.object_ids, search.problem)
        if is_last:
            return


def _axis_of(session: Session, plane: Plane, way: Following) -> int:
    session.volume.check(plane)
    where = resolve_range(session.volume, plane, *way)
    index = plane.index_along(where.axis)
    if not where.start <= index <= where.stop:
        raise PlaneError(
            f"Expected planes inside the range {where.start} to {where.stop} on axis "
            f"{where.axis}, got one at {index}. Leave it out, or choose a wider range."
        )
    return where.axis


def _planes_within(session: Session, way: Following) -> Iterator[Plane]:
    """Yield the planes along the last two axes that lie in a range."""
    for plane in planes_of(session.volume.shape):
        where = resolve_range(session.volume, plane, *way)
        if where.start <= plane.index_along(where.axis) <= where.stop:
            yield plane


def _may_be_there(
    session: Session,
    run: SearchNumber,
    axes: Mapping[Plane, int],
    plane: Plane,
    mask: BoxedMask,
) -> bool:
    """Return whether a mask of the next plane alone may be an object nevertheless."""
    axis = axes[plane]
    if session.volume.letters[axis : axis + 1] == "t":  # things move
        return True
    labels = np.asarray(plane.view(session.labels))[slices_of(mask.box)][mask.pixels]
    is_others = (labels > 0) & ~np.isin(labels, list(run.made))
    return bool(np.count_nonzero(is_others) >= MIN_OVERLAP * mask.area)


def _making(
    session: Session,
    settled: Settled,
    look: LookPart,
    way: Following,
    run: SearchNumber,
) -> Generator[FindPart | FollowPart, None, tuple[tuple[int, ...], str]]:
    """Make objects where they were seen, and follow all; return them, and a problem."""
    made: dict[Plane, tuple[int, ...]] = {}
    problem, turns = "", [track.outwards for track in settled.tracks]
    while turns:
        places, turns = _by_plane(turns), []
        for plane, here in places.items():
            look.check()
            prompts = [turn[0].prompts for turn in here]
            yield (part := FindPart(session, finding(session, plane), run, prompts))
            made[plane] = made.get(plane, ()) + part.object_ids
            if part.problem:  # another plane will do
                turns += [turn[1:] for turn in here if turn[1:]]
                problem = problem if all(turn[1:] for turn in here) else part.problem
    there = [
        i for plane, ids in made.items() for i in _still_there(session, ids, plane)
    ]
    if there:
        look.check()
        seed = next(plane for plane, ids in made.items() if ids)
        yield from _following(session, there, _reach(session, seed, way, settled), run)
    return tuple(sorted(i for ids in made.values() for i in ids)), problem


def _by_plane(turns: Sequence[list[Sighting]]) -> dict[Plane, list[list[Sighting]]]:
    """Return which objects are asked for next on each plane."""
    places: dict[Plane, list[list[Sighting]]] = defaultdict(list)
    for turn in turns:
        places[turn[0].plane].append(turn)
    return places


def _reach(
    session: Session, plane: Plane, way: Following, settled: Settled
) -> PropagationRange:
    """Return how far to follow, which is not far beyond where objects were seen."""
    where = resolve_range(session.volume, plane, *way)
    start, stop = where.start, where.stop
    if settled.low is not None:
        start = min(max(start, settled.low), stop)
    if settled.high is not None:
        stop = max(min(stop, settled.high), start)
    return replace(where, start=start, stop=stop)


def _following(
    session: Session, object_ids: list[int], where: PropagationRange, run: SearchNumber
) -> Iterator[FollowPart]:
    request = session.propagation(
        object_ids, where.start, where.stop, axis=where.axis, seed=where.seed,
        run=run.get(), spares_all=True,
    )  # fmt: skip
    try:
        yield FollowPart(session, request)
    finally:
        session.finish_propagation(request)


def _still_there(
    session: Session, object_ids: tuple[int, ...], plane: Plane
) -> list[int]:
    """Return the objects that may be followed: others were deleted or locked since."""
    objects = session.objects
    there = [i for i in object_ids if i in objects and objects.is_on(i, plane)]
    return [i for i in there if not objects.summary(i).locked]
