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
from typing import TYPE_CHECKING, NamedTuple

from napari_sam_adapter.volume.finding.finding import finding
from napari_sam_adapter.volume.finding.search_steps import (
    FindPart,
    FollowPart,
    LookPart,
    Part,
    SearchNumber,
)
from napari_sam_adapter.volume.finding.tracks import Tracks
from napari_sam_adapter.volume.planes.plane import planes_of
from napari_sam_adapter.volume.propagation.propagation import resolve_range

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from napari_sam_adapter.prompts import Prompts
    from napari_sam_adapter.volume.finding.tracks import Settled
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
        Why it was passed over: it shows nothing, or cannot be read. Mostly empty.
    """

    plane: Plane
    object_ids: tuple[int, ...] = ()
    problem: str = ""

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
) -> Iterator[SearchedPlane]:
    """Segment every object of a volume that has no mask yet.

    Parameters
    ----------
    session : Session
        Gets the objects: in one step of its history, unless it is edited meanwhile.
        No pixel of other objects is taken, whatever the overlap rule says.
    planes : iterable of Plane or None
        Where to look, one after the other; by default on all along the last two axes.
    follow : bool
        Whether masks that overlap on neighbouring ones of these planes are one object,
        which is followed from the middle one, in both directions, as soon as both its
        ends are known. What is seen on one plane alone, and on neither side of it, is
        left out. Else each plane has objects of its own.
    axis, start, stop : int, str or None
        How far to follow, as in `propagate`.

    Yields
    ------
    SearchedPlane
        One for each plane, when its objects are in the labels.

    Raises
    ------
    SessionError
        If there is no predictor, no axis to follow, or too many objects for the labels;
        if network or image window are changed meanwhile.
    PlaneError
        If a plane or the range lies outside the volume.

    Notes
    -----
    Planes that show nothing or cannot be read are passed over. The loop may be left at
    any time: what was yielded is in the labels and in the journal.
    """
    planes = planes_of(session.volume.shape) if planes is None else planes
    way = Following(axis, start, stop) if follow else None
    with closing(search_parts(session, planes, way)) as parts:
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
    session: Session, planes: Iterable[Plane], way: Following | None
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
    run = SearchNumber(session)
    if way is None:
        yield from _each_alone(session, planes, run)
        return
    axes = {plane: _axis_of(session, plane, way) for plane in planes}
    tracks, look = Tracks(axes), None
    for plane in axes:
        if look is not None:
            look.check()
        yield (look := LookPart(session, finding(session, plane), tracks))
        made = yield from _making(session, tracks.settled(), look, way, run)
        yield SearchedPlane(plane, made, look.problem)


def _each_alone(
    session: Session, planes: Iterable[Plane], run: SearchNumber
) -> Iterator[FindPart | SearchedPlane]:
    search = None
    for plane in planes:
        if search is not None:
            search.check()
        yield (search := FindPart(session, finding(session, plane), run))
        yield SearchedPlane(plane, search.object_ids, search.problem)


def _axis_of(session: Session, plane: Plane, way: Following) -> int:
    session.volume.check(plane)
    return resolve_range(session.volume, plane, *way).axis


def _making(
    session: Session,
    settled: Settled,
    look: LookPart,
    way: Following,
    run: SearchNumber,
) -> Generator[FindPart | FollowPart, None, tuple[int, ...]]:
    """Make objects where they were seen, and follow all of them; return them."""
    places: dict[Plane, list[Prompts]] = defaultdict(list)
    for sighting in settled.sightings:
        places[sighting.plane].append(sighting.prompts)
    made: dict[Plane, tuple[int, ...]] = {}
    for plane, prompts in places.items():
        look.check()
        yield (part := FindPart(session, finding(session, plane), run, prompts))
        made[plane] = part.object_ids
    there = [
        i for plane, ids in made.items() for i in _still_there(session, ids, plane)
    ]
    if there:
        look.check()
        where = _reach(session, next(iter(made)), way, settled)
        yield from _following(session, there, where, run)
    return tuple(i for ids in made.values() for i in ids)


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
