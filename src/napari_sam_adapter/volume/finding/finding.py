"""All objects of a plane at once.

An automatic click is a click like any other: it is a point of a new object, and the
answers come into the session as those of a user's clicks do. So each object that is
found can be corrected, followed, undone and replayed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.errors import PlaneError, SessionError
from napari_sam_adapter.prompts import Prompts
from napari_sam_adapter.volume.finding.examples import examples_on
from napari_sam_adapter.volume.finding.likeness import only_like
from napari_sam_adapter.volume.finding.object_search import (
    FindProgress,
    FindRequest,
    ObjectSearch,
    is_new,
)
from napari_sam_adapter.volume.planes.plane import plane_at
from napari_sam_adapter.volume.session.taking_found import (
    NOBODY,
    NOTHING,
    FindPass,
    FoundMasks,
)
from napari_sam_adapter.wording import sized

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from napari_sam_adapter.volume.asking.plane_predictor import PlanePredictor
    from napari_sam_adapter.volume.document.changes import Change
    from napari_sam_adapter.volume.finding.examples import Example
    from napari_sam_adapter.volume.planes.plane import Plane
    from napari_sam_adapter.volume.session.session import Session


@dataclass(frozen=True, eq=False)
class FoundObjects:
    """What a search came to.

    Parameters
    ----------
    request : FindRequest
        What was asked.
    passes : tuple of FindPass
        Those that found something.
    unlike : int
        How many objects were left out because they are not like the examples.
    """

    request: FindRequest
    passes: tuple[FindPass, ...]
    unlike: int = 0


def find_objects(
    session: Session,
    plane: Plane | None = None,
    like: Sequence[Example] | None = None,
) -> list[int]:
    """Segment every object of a plane that has no mask yet.

    Parameters
    ----------
    session : Session
        Gets the objects, as one step of its history.
    plane : Plane or None
        Where; a picture has one alone.
    like : sequence of int or (H, W) bool array, or None
        Examples: typical objects that have a mask there, or masks. What is found falls
        into their kind and others, by size and brightness, and what is of another one
        is left out if it is clearly different. None for all objects.

    Returns
    -------
    list of int
        The new objects; each has a point as its prompt.

    Raises
    ------
    SessionError
        If there is no predictor, or too many objects for the labels; if an example has
        no pixel on the plane, or `like` is no list.
    PlaneError
        If the plane lies outside the volume, or none is given of several.
    ImageError
        If the plane cannot be read or segmented.
    """
    before = set(session.object_ids)
    plane = _only_plane(session) if plane is None else plane
    *_, found = find_steps(finding(session, plane, like))
    assert isinstance(found, FoundObjects)  # as find_steps promises
    take_in(session, found)
    return [number for number in session.object_ids if number not in before]


def finding(
    session: Session, plane: Plane, like: Sequence[Example] | None = None
) -> FindRequest:
    """Return everything a worker needs to find objects.

    Parameters
    ----------
    session : Session
        With a predictor.
    plane : Plane
        Where.
    like : sequence of int or (H, W) bool array, or None
        As in `find_objects`.

    Returns
    -------
    FindRequest
        For `find_steps`.

    Raises
    ------
    SessionError
        If there is no predictor, or an example has no pixel on the plane.
    PlaneError
        If the plane lies outside the volume.
    """
    session.volume.check(plane)
    session.under_way.finish()
    labels = np.asarray(plane.view(session.labels))
    examples = () if like is None else examples_on(labels, like)
    predictor = _predictor_of(session, plane)
    return FindRequest(plane, predictor, labels == 0, session.preference, examples)


def find_steps(request: FindRequest) -> Iterator[FindProgress | FoundObjects]:
    """Look for objects; for any thread.

    Parameters
    ----------
    request : FindRequest
        From `finding`.

    Yields
    ------
    FindProgress or FoundObjects
        The progress after each pass of the network, and at last what was found.

    Raises
    ------
    ImageError
        If the plane cannot be read or segmented.
    SessionError
        If the predictor answers with masks of another shape.
    """
    search = ObjectSearch(request)
    yield from search.look_around()
    yield from search.ask()
    passes = tuple(search.passes)
    if not request.examples:
        yield FoundObjects(request, passes)
        return
    image = request.predictor.volume.read_uint8(request.plane)
    alike = only_like(passes, request.examples, image)
    yield FoundObjects(request, alike, _new(passes) - _new(alike))


def find_again(
    request: FindRequest, prompts: Sequence[Prompts]
) -> Iterator[FindProgress | FoundObjects]:
    """Ask for objects that a search found before; for any thread.

    Parameters
    ----------
    request : FindRequest
        From `finding`.
    prompts : sequence of Prompts
        What was asked when they were found.

    Yields
    ------
    FindProgress or FoundObjects
        As `find_steps` does. What is no more new is left out.

    Raises
    ------
    ImageError, SessionError
        As `find_steps` does.
    """
    search = ObjectSearch(request)
    yield from search.ask_again(prompts)
    yield FoundObjects(request, tuple(search.passes))


def take_in(session: Session, found: FoundObjects) -> list[Change]:
    """Make objects of what was found; all of them are one step of the history.

    Parameters
    ----------
    session : Session
        That of the request.
    found : FoundObjects
        From `find_steps`.

    Returns
    -------
    list of Change
        What happened to the pixels. What lies on objects that came since the search
        began is left out. No object takes a pixel of another one that was found with
        it, nor of one that was there before unless the overlap rule is "overwrite".

    Raises
    ------
    SessionError, OutputError
        As `taking_in`.
    """
    return [change for part in taking_in(session, found) for change in part]


def taking_in(
    session: Session, found: FoundObjects, run: int = 0
) -> Iterator[list[Change]]:
    """Make objects of what was found, part by part; for `UnderWay`.

    Parameters
    ----------
    session : Session
        That of the request.
    found : FoundObjects
        From `find_steps`.
    run : int
        As of `FoundMasks`.

    Yields
    ------
    list of Change
        What happened to the pixels: nothing when all objects are made, then the masks
        of one pass of the network after the other.

    Raises
    ------
    SessionError
        If the image is seen in another way than when the search began, or there are too
        many objects for the labels; then nothing is changed.
    OutputError
        If the journal cannot be written; the objects are there nevertheless.
    """
    plane, predictor = found.request.plane, found.request.predictor
    require_alike(session, plane, predictor)
    passes = tuple(_still_new(session, found))
    spares_all = bool(run) or session.overlap_rule != "overwrite"
    yield from session.taking_in(FoundMasks(plane, passes, spares_all, run))


def require_alike(session: Session, plane: Plane, predictor: object) -> None:
    """Raise if the image is seen in another way than when a search began.

    Parameters
    ----------
    session : Session
        Where.
    plane : Plane
        One of its planes.
    predictor : PlanePredictor
        That of the search.

    Raises
    ------
    SessionError
        If it is not the one in use any more.
    """
    if _predictor_of(session, plane) is not predictor:
        raise SessionError(
            "Expected the network and the image window with which the search began, "
            "got others. Search again."
        )


def _new(passes: Sequence[FindPass]) -> int:
    return sum(part.new for part in passes)


def _still_new(session: Session, found: FoundObjects) -> list[FindPass]:
    """Leave out what lies on objects that came meanwhile."""
    request, passes = found.request, list(found.passes)
    if session.preference != request.preference:
        passes = [_chosen_anew(part, session.preference) for part in passes]
    free = np.asarray(request.plane.view(session.labels)) == 0
    if np.array_equal(free, request.free):
        return passes
    kept = (_where_free(part, free) for part in passes)
    return [part for part in kept if part.new]


def _chosen_anew(part: FindPass, preference: int | None) -> FindPass:
    answers = tuple(a and a.choosing_by(preference) for a in part.answers)
    masks = tuple(NOTHING if a is None else a.lot for a in answers)
    return part._replace(answers=answers, masks=masks)


def _where_free(part: FindPass, free: npt.NDArray[np.bool_]) -> FindPass:
    answers = (
        answer if is_new(mask, free) else None
        for answer, mask in zip(part.answers, part.masks, strict=True)
    )
    return part._replace(answers=tuple(answers))


def _only_plane(session: Session) -> Plane:
    if session.volume.ndim > 2:
        raise PlaneError(
            f"Expected a plane of a volume of {sized(session.volume.shape)}, got none. "
            "Slice 20 along the first of three axes is Plane(axes=(1, 2), position=20)."
        )
    return plane_at(2, ())


def _predictor_of(session: Session, plane: Plane) -> PlanePredictor:
    nowhere = Prompts(np.zeros((1, 2)))
    return session.request(NOBODY, plane, instead=nowhere).predictor
