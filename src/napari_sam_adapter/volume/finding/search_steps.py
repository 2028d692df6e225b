"""The parts of a search through a volume.

Their steps may run in any thread; what comes of a step is taken in on the main thread,
before the next part is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from napari_sam_adapter.boxed_mask import BoxedMask
from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.volume.asking.results import PlaneResult
from napari_sam_adapter.volume.finding.finding import (
    FoundObjects,
    find_again,
    find_steps,
    require_alike,
    taking_in,
)
from napari_sam_adapter.volume.finding.tracks import Sighting, Track, Tracks
from napari_sam_adapter.volume.propagation.following import follow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_sam_adapter.prompts import Prompts
    from napari_sam_adapter.volume.document.changes import Change
    from napari_sam_adapter.volume.finding.object_search import (
        FindProgress,
        FindRequest,
    )
    from napari_sam_adapter.volume.propagation.propagation_request import (
        PropagationRequest,
    )
    from napari_sam_adapter.volume.session.session import Session


class PlanePart:
    """What is asked on one plane.

    Parameters
    ----------
    session : Session
        Where.
    request : FindRequest
        From `finding`.
    prompts : sequence of Prompts
        Where objects were found before; all of the plane is searched without.

    Attributes
    ----------
    problem : str
        As of `SearchedPlane`.
    """

    def __init__(
        self, session: Session, request: FindRequest, prompts: Sequence[Prompts] = ()
    ) -> None:
        self.problem = ""
        self._session, self._request, self._prompts = session, request, prompts

    def check(self) -> None:
        """Raise as `require_alike`: then the rest of the part is in vain."""
        require_alike(self._session, self._request.plane, self._request.predictor)

    def steps(self) -> Iterator[FindProgress | FoundObjects]:
        """Look for objects, in any thread; see `find_steps` and `find_again`."""
        request, prompts = self._request, self._prompts
        try:
            yield from find_again(request, prompts) if prompts else find_steps(request)
        except ImageError as error:
            self.problem = str(error)
            yield FoundObjects(request, ())


class FindPart(PlanePart):
    """The search on one plane.

    Parameters
    ----------
    session, request, prompts
        As of `PlanePart`.
    run : SearchNumber
        Of the search through the volume.

    Attributes
    ----------
    object_ids : tuple of int
        The new objects, once the first part of `taking_in` is done.
    """

    def __init__(
        self,
        session: Session,
        request: FindRequest,
        run: SearchNumber,
        prompts: Sequence[Prompts] = (),
    ) -> None:
        super().__init__(session, request, prompts)
        self.object_ids: tuple[int, ...] = ()
        self._run = run

    def taking_in(self, step: object) -> Iterator[list[Change]]:
        """Make objects of what was found, part by part; see `finding.taking_in`."""
        if not (isinstance(step, FoundObjects) and step.passes):
            return
        session, before = self._session, set(self._session.object_ids)
        for changes in taking_in(session, step, self._run.get()):
            if not self.object_ids:
                self.object_ids = tuple(sorted(set(session.object_ids) - before))
                self._run.made.update(self.object_ids)
            yield changes


class LookPart(PlanePart):
    """A look at a plane, for what is followed later.

    Parameters
    ----------
    session, request
        As of `PlanePart`.
    tracks : Tracks
        Gets what is found.
    """

    def __init__(self, session: Session, request: FindRequest, tracks: Tracks) -> None:
        super().__init__(session, request)
        self._tracks = tracks

    def taking_in(self, step: object) -> Iterator[list[Change]]:
        """Take note of what was found; no pixel changes."""
        plane = self._request.plane
        if isinstance(step, FoundObjects) and self.problem:
            self._tracks.pass_over(plane)
        elif isinstance(step, FoundObjects):
            self._tracks.note(plane, tuple(_seen(step)))
        return iter(())


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
        """Raise as that of `PlanePart`."""
        where, predictor = self._request.where, self._request.predictor
        require_alike(self._session, where.seed, predictor)

    def steps(self) -> Iterator[PlaneResult | None]:
        """Follow the objects, in any thread; see `follow`."""
        return follow(self._request)

    def taking_in(self, step: object) -> Iterator[list[Change]]:
        """Write a mask."""
        if isinstance(step, PlaneResult):
            yield self._session.commit(step)


Part: TypeAlias = FindPart | LookPart | FollowPart


class SearchNumber:
    """The number under which all parts of a search are one step.

    Parameters
    ----------
    session : Session
        Gives it out when it is needed first, as a replay does.

    Attributes
    ----------
    made : set of int
        The objects that the search has made.
    """

    def __init__(self, session: Session) -> None:
        self.made: set[int] = set()
        self._session, self._number = session, 0

    def get(self) -> int:
        """Return the number."""
        self._number = self._number or self._session.log.next_number()
        return self._number


def _seen(found: FoundObjects) -> Iterator[Track]:
    plane, shape = found.request.plane, found.request.free.shape
    for part in found.passes:
        for prompts, answer, lot in zip(
            part.prompts, part.answers, part.masks, strict=True
        ):
            if answer is not None:
                mask = BoxedMask(shape, *lot)
                yield Track((Sighting(plane, prompts),), mask, mask)
