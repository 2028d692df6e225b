"""What a propagation is asked for: settings, range, and all that a worker needs."""

from __future__ import annotations

import operator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.follow_rule import FollowRule
from napari_sam_adapter.volume.asking.results import Origin
from napari_sam_adapter.volume.propagation.stop_rule import StopRule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from napari_sam_adapter.volume.asking.plane_predictor import PlanePredictor
    from napari_sam_adapter.volume.document.bystanders import Bystanders
    from napari_sam_adapter.volume.planes.plane import Plane
    from napari_sam_adapter.volume.propagation.stretches import Stretch

Method = Literal["model", "three-way", "interpolation"]
"""Ask the network plane by plane; along three axes and vote; or do without it."""


@dataclass(frozen=True)
class PropagationSettings:
    """How objects are followed and when to stop.

    Parameters
    ----------
    follow : FollowRule
        How the last mask becomes the next prompts.
    stop : StopRule
        When a mask is not to be trusted.
    method : str
        ``"model"`` asks the network on every plane; ``"three-way"`` does so along all
        three axes and takes the majority, for one object in isotropic data;
        ``"interpolation"`` fills the planes between anchors without a network.

    Raises
    ------
    SessionError
        If a rule is of another kind, or there is no such method.
    """

    follow: FollowRule = field(default_factory=FollowRule)
    stop: StopRule = field(default_factory=StopRule)
    method: Method = "model"

    def __post_init__(self) -> None:
        for kind, given in ((FollowRule, self.follow), (StopRule, self.stop)):
            if not isinstance(given, kind):
                raise SessionError(f"Expected a {kind.__name__}, got {given!r}.")
        if self.method not in get_args(Method):
            raise SessionError(
                f"Expected a method out of {', '.join(get_args(Method))}, got "
                f"{self.method!r}."
            )

    @property
    def needs_model(self) -> bool:
        """Whether a network is asked."""
        return self.method != "interpolation"


def objects_to_follow(given: int | Iterable[int]) -> tuple[int, ...]:
    """Return the objects that one or several numbers name.

    Parameters
    ----------
    given : int or iterable of int
        NumPy's whole numbers and arrays, too.

    Returns
    -------
    tuple of int
        At least one.

    Raises
    ------
    SessionError
        If there is none, or one is no whole number.
    """
    with suppress(TypeError):
        return (operator.index(given),)  # type: ignore[arg-type]
    try:
        several = tuple(map(operator.index, given))  # type: ignore[arg-type]
    except TypeError as error:
        raise SessionError(
            f"Expected objects to follow by their numbers, got {given!r}. Give one or "
            "several, as in session.object_ids."
        ) from error
    if not several:
        raise SessionError("Expected objects to follow, got none. Name them.")
    return several


@dataclass(frozen=True)
class PropagationRange:
    """Where to follow objects.

    Parameters
    ----------
    seed : Plane
        One of the planes.
    axis : int
        Axis to follow; the seed plane does not show it.
    start, stop : int
        First and last index on that axis, both included. Nothing else is written.
    """

    seed: Plane
    axis: int
    start: int
    stop: int

    def __contains__(self, index: int) -> bool:
        return self.start <= index <= self.stop

    def __len__(self) -> int:
        return self.stop - self.start + 1

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

    def has_beside(self, plane: Plane) -> bool:
        """Whether a plane is one of those along the axis, inside the range or not.

        Parameters
        ----------
        plane : Plane
            Any plane of the volume.

        Returns
        -------
        bool
            False for planes along other axes, and for those of another time point.
        """
        index = self.seed.index_along(self.axis)
        return plane.axes == self.seed.axes and plane.at(self.axis, index) == self.seed


@dataclass(frozen=True, eq=False)
class PropagationRequest:
    """Everything a worker needs to follow objects.

    Parameters
    ----------
    number : int
        Tells propagations of one session apart.
    object_ids : tuple of int
        The objects.
    where : PropagationRange
        Axis and range.
    settings : PropagationSettings
        How, and when to stop.
    spacing : tuple of float
        Distance between neighbours on every spatial axis.
    stretches : tuple of Stretch
        Planes whose masks have to be found, with the anchors they follow from.
    outdated : frozenset of (int, int)
        Object and index of masks of earlier propagations that are written anew or
        cleared.
    passed : frozenset of (int, int)
        Object and index of planes that stay as they are, although they are no anchors:
        the user asked for a mask there and got none.
    revisions : mapping of (int, int) to int
        State of every object at every index.
    volume_shape : tuple of int
        Length of every spatial axis.
    bystanders : Bystanders
        Objects beside them, whose pixels are spared.
    predictor : PlanePredictor or None
        Reads, embeds and segments planes; safe in any thread. None for interpolation.
    """

    number: int
    object_ids: tuple[int, ...]
    where: PropagationRange
    settings: PropagationSettings
    spacing: tuple[float, ...]
    stretches: tuple[Stretch, ...]
    outdated: frozenset[tuple[int, int]]
    passed: frozenset[tuple[int, int]]
    revisions: Mapping[tuple[int, int], int]
    volume_shape: tuple[int, ...]
    bystanders: Bystanders
    predictor: PlanePredictor | None

    @property
    def score_is_trusted(self) -> bool:
        """Whether the scores of the results may be shown."""
        if self.predictor is None:
            return True
        return self.predictor.predictor.capabilities.score_is_trusted

    @property
    def step(self) -> float:
        """Distance between neighbouring planes."""
        return self.spacing[self.where.axis]

    @property
    def pixel(self) -> tuple[float, float]:
        """Height and width of a pixel of the planes."""
        rows, columns = self.where.seed.axes
        return self.spacing[rows], self.spacing[columns]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the planes."""
        return self.where.seed.shape(self.volume_shape)

    @property
    def total(self) -> int:
        """Largest number of results."""
        return len(self._inside - self.passed) + len(self.orphans)

    @property
    def orphans(self) -> frozenset[tuple[int, int]]:
        """Outdated masks that follow from no anchor any more."""
        return self.outdated - self._inside

    @property
    def _inside(self) -> frozenset[tuple[int, int]]:
        return frozenset(
            (part.object_id, index)
            for part in self.stretches
            for index in range(part.first, part.last + 1)
            if index in self.where
        )

    def origin(self, stretch: Stretch, index: int) -> Origin:
        """Return where the mask of a plane comes from.

        Parameters
        ----------
        stretch : Stretch
            The planes it is one of.
        index : int
            The plane.

        Returns
        -------
        Origin
            Anchors and distances.
        """
        anchors = [anchor for anchor in (stretch.below, stretch.above) if anchor]
        return Origin(
            tuple(self.where.plane(anchor.index) for anchor in anchors),
            tuple(self.step * count for count in stretch.distances(index)),
            stretch.fingerprint,
        )
