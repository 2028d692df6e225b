"""All objects of a volume: those of a plane are followed before the next is looked at.

What has to be done next comes as parts. Their steps may run in any thread; what comes
of a step is taken in on the main thread, before the next part is asked for.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.volume.asking.results import PlaneResult
from napari_sam_adapter.volume.finding.finding import (
    FoundObjects,
    find_steps,
    finding,
    require_alike,
    taking_in,
)
from napari_sam_adapter.volume.planes.plane import planes_of
from napari_sam_adapter.volume.propagation.following import follow
from napari_sam_adapter.volume.propagation.propagation import resolve_range

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from napari_sam_adapter.volume.document.changes import Change
    from napari_sam_adapter.volume.finding.object_search import (
        FindProgress,
        FindRequest,
    )
    from napari_sam_adapter.volume.planes.plane import Plane
    from napari_sam_adapter.volume.propagation.propagation_request import (
        PropagationRequest,
    )
    from napari_sam_adapter.volume.session.session import Session


class SearchedPlane(NamedTuple):
    """A plane that was looked at.

    Attributes
    ----------
    plane : Plane
        Which.
    object_ids : tuple of int
        What was found there and nowhere before.
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
        Whether what is found on a plane is followed through the others, in both
        directions, before the next plane is looked at for what is not found yet. Else
        each plane has objects of its own.
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


class FindPart:
    """The search on one plane.

    Parameters
    ----------
    session : Session
        Where.
    request : FindRequest
        From `finding`.
    run : SearchNumber
        Of the search through the volume.

    Attributes
    ----------
    object_ids : tuple of int
        The new objects, once the first part of `taking_in` is done.
    problem : str
        As of `SearchedPlane`.
    """

    def __init__(
        self, session: Session, request: FindRequest, run: SearchNumber
    ) -> None:
        self.object_ids: tuple[int, ...] = ()
        self.problem = ""
        self._session, self._request, self._run = session, request, run

    def check(self) -> None:
        """Raise as `require_alike`: then the rest of the part is in vain."""
        require_alike(self._session, self._request.plane, self._request.predictor)

    def steps(self) -> Iterator[FindProgress | FoundObjects]:
        """Look for objects, in any thread; see `find_steps`."""
        try:
            yield from find_steps(self._request)
        except ImageError as error:
            self.problem = str(error)

    def taking_in(self, step: object) -> Iterator[list[Change]]:
        """Make objects of what was found, part by part; see `finding.taking_in`."""
        if not (isinstance(step, FoundObjects) and step.passes):
            return
        session, before = self._session, set(self._session.object_ids)
        for changes in taking_in(session, step, self._run.get()):
            if not self.object_ids:
                self.object_ids = tuple(sorted(set(session.object_ids) - before))
            yield changes


class FollowPart:
    """The way of new objects through the other planes.

    Parameters
    ----------
    session : Session
        Where.
    request : PropagationRequest
        From `Session.propagation`.
    """

    def __init__(self, session: Session, request: PropagationRequest) -> None:
        self._session, self._request = session, request

    def check(self) -> None:
        """Raise as that of `FindPart`."""
        where, predictor = self._request.where, self._request.predictor
        require_alike(self._session, where.seed, predictor)

    def steps(self) -> Iterator[PlaneResult | None]:
        """Follow the objects, in any thread; see `follow`."""
        return follow(self._request)

    def taking_in(self, step: object) -> Iterator[list[Change]]:
        """Write a mask."""
        if isinstance(step, PlaneResult):
            yield self._session.commit(step)


Part: TypeAlias = FindPart | FollowPart


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
    FindPart, FollowPart or SearchedPlane
        Do all steps of a part, check it after each and take it in, before the next
        one is asked for.
        After the parts of a plane comes what was found there.

    Raises
    ------
    SessionError
        As `find_in_volume`, which raises `PlaneError` for the same reasons, too.
    """
    run, search = SearchNumber(session), None
    for plane in planes:
        if search is not None:
            search.check()
        request = finding(session, plane)
        if way is not None:
            resolve_range(session.volume, plane, *way)
        yield (search := FindPart(session, request, run))
        found = search.object_ids
        if way is not None and (there := _still_there(session, found, plane)):
            search.check()
            yield from _following(session, there, plane, way, run)
        yield SearchedPlane(plane, found, search.problem)


class SearchNumber:
    """The number under which all parts of a search are one step.

    Parameters
    ----------
    session : Session
        Gives it out when it is needed first, as a replay does.
    """

    def __init__(self, session: Session) -> None:
        self._session, self._number = session, 0

    def get(self) -> int:
        """Return the number."""
        self._number = self._number or self._session.log.next_number()
        return self._number


def _following(
    session: Session,
    object_ids: list[int],
    plane: Plane,
    way: Following,
    run: SearchNumber,
) -> Iterator[FollowPart]:
    request = session.propagation(
        object_ids, way.start, way.stop, axis=way.axis, seed=plane, run=run.get(),
        spares_all=True,
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
