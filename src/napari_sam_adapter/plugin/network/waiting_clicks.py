"""Clicks that wait for the network; those that can share a pass get one."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from napari_sam_adapter.volume.asking.together import can_share, compute_together

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from napari_sam_adapter.plugin.layers.workspace import Workspace
    from napari_sam_adapter.volume.asking.first_look import FirstLook
    from napari_sam_adapter.volume.asking.results import (
        JointResult,
        MaskRequest,
        PlaneResult,
    )
    from napari_sam_adapter.volume.planes.plane import Plane


class Click(NamedTuple):
    """Prompts of an object on a plane that have no answer, maybe no network yet.

    Attributes
    ----------
    workspace : Workspace
        Whose session has the prompts.
    object_id : int
        The object.
    plane : Plane
        The plane.
    """

    workspace: Workspace
    object_id: int
    plane: Plane

    @property
    def is_undone(self) -> bool:
        """Whether nothing is asked any more."""
        return self.workspace.session.prompts(self.object_id, self.plane).is_empty


def is_wanted(wish: object) -> bool:
    """Return whether something that waits for a network is still to be done.

    Parameters
    ----------
    wish : object
        A click, or the key of anything else.

    Returns
    -------
    bool
        False for a click that was undone.
    """
    return not (isinstance(wish, Click) and wish.is_undone)


class WaitingClicks:
    """Requests that no worker has taken yet; for any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[MaskRequest] = []

    def put(self, request: MaskRequest) -> None:
        """Add a request; it takes the place of an older one that asks for the same.

        Parameters
        ----------
        request : MaskRequest
            From a session.
        """
        with self._lock:
            self._waiting = [old for old in self._waiting if not _same(old, request)]
            self._waiting.append(request)

    def keep(self, keys: Collection[object]) -> None:
        """Forget all requests but some.

        Parameters
        ----------
        keys : collection
            Those to be kept are in it.
        """
        with self._lock:
            self._waiting = [request for request in self._waiting if request in keys]

    def answers(
        self,
        request: MaskRequest,
        compute: Callable[[MaskRequest], Iterator[FirstLook | PlaneResult]],
    ) -> Iterator[FirstLook | PlaneResult | JointResult]:
        """Answer a request, and all that can share its pass.

        Parameters
        ----------
        request : MaskRequest
            One that was put in.
        compute : callable
            Answers a request on its own.

        Yields
        ------
        FirstLook, PlaneResult or JointResult
            One result, maybe after first looks; nothing if the request was answered
            with an earlier one, or replaced.
        """
        group = self._take(request)
        if len(group) > 1:
            yield compute_together(group)
        elif group:
            yield from compute(request)

    def _take(self, request: MaskRequest) -> list[MaskRequest]:
        with self._lock:
            if request not in self._waiting:
                return []
            group = [
                other
                for other in self._waiting
                if other is request or can_share(request, other)
            ]
            self._waiting = [other for other in self._waiting if other not in group]
        return group


def _same(one: MaskRequest, other: MaskRequest) -> bool:
    same_object = one.object_id == other.object_id and one.plane == other.plane
    return same_object and one.predictor is other.predictor
