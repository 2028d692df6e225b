"""One object on its way from an anchor through one stretch of planes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_adapter.volume.asking.reasons import EMPTY, REASONS
from napari_sam_adapter.volume.propagation.sightings import Sighting, bridge

if TYPE_CHECKING:
    from napari_sam_adapter.volume.propagation.stop_rule import Look
    from napari_sam_adapter.volume.propagation.stretches import Anchor, Stretch


class Run:
    """Follows one object in one direction; remembers what it found.

    Parameters
    ----------
    stretch : Stretch
        Planes to go through.
    anchor : Anchor
        Where to begin; has a mask.
    patience : int
        Failures in a row that end it.
    pixel : (float, float)
        Height and width of a pixel.
    """

    def __init__(
        self,
        stretch: Stretch,
        anchor: Anchor,
        patience: int,
        pixel: tuple[float, float],
    ) -> None:
        self.stretch, self.anchor = stretch, anchor
        self.last, self.index = anchor.mask, anchor.index
        self.look: Look | None = None
        self.side = 0
        self.sightings: dict[int, Sighting] = {}
        self.has_ended = False
        self._failed: dict[int, Sighting] = {}
        self._patience = patience
        self._pixel = pixel

    @property
    def object_id(self) -> int:
        """The object."""
        return self.stretch.object_id

    @property
    def closure(self) -> float:
        """IoU of the last mask with the anchor at the other end; 1 if not reached."""
        above = self.stretch.above
        if above is None or self.index != above.index - 1:
            return 1.0
        return self.last.overlap(above.mask)

    def wants(self, index: int) -> bool:
        """Whether the object has to be looked for on a plane.

        Parameters
        ----------
        index : int
            The plane.

        Returns
        -------
        bool
            False outside of the stretch and after the end.
        """
        return not self.has_ended and index in self.stretch

    def is_open(self, index: int) -> bool:
        """Whether a later plane decides what becomes of a plane.

        Parameters
        ----------
        index : int
            The plane.

        Returns
        -------
        bool
            True between a failure and the next good mask or the end.
        """
        return index in self._failed

    def take(self, index: int, seen: Sighting, look: Look | None = None) -> None:
        """Take note of a plane.

        Parameters
        ----------
        index : int
            The plane, next in the direction of this run.
        seen : Sighting
            What was found.
        look : Look or None
            How the object looks there.
        """
        if seen.is_usable:
            self._bridge_failures(index, seen)
            self.sightings[index] = seen
            self.last, self.index = seen.mask, index
            self.look = self.look.adapted(look) if self.look and look else look
            return
        self._failed[index] = seen
        # A plane that cannot be read says nothing about the object.
        failures = sum(part.reason in REASONS for part in self._failed.values())
        if seen.reason == EMPTY or failures >= self._patience:
            self.end()

    def end(self) -> None:
        """Stop: the last failures stay without masks."""
        self.has_ended = True
        self.sightings.update(self._failed)
        self._failed.clear()

    def _bridge_failures(self, index: int, seen: Sighting) -> None:
        for failed, failure in self._failed.items():
            weight = (failed - self.index) / (index - self.index)
            self.sightings[failed] = bridge(
                self.last, seen.mask, weight, self._pixel, failure.reason
            )
        self._failed.clear()
