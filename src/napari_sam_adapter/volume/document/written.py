"""Where labels were written since somebody looked."""

from __future__ import annotations

Region = tuple[slice, ...]
_MOST = 64
"""Regions that are put together at once: one by one takes longer than writing many."""


class Written:
    """The smallest box around everything that was written since it was asked for."""

    def __init__(self) -> None:
        self._regions: list[Region] = []

    def add(self, region: Region) -> None:
        """Note that a part of the labels was written.

        Parameters
        ----------
        region : tuple of slice
            One per axis, with start and stop.
        """
        self._regions.append(region)
        if len(self._regions) > _MOST:
            self._regions = [around(self._regions)]

    def take(self) -> Region | None:
        """Return the box, and begin anew.

        Returns
        -------
        tuple of slice or None
            None if nothing was written.
        """
        regions, self._regions = self._regions, []
        return around(regions) if regions else None


def around(regions: list[Region]) -> Region:
    """Return the smallest box around several.

    Parameters
    ----------
    regions : list of tuples of slice
        At least one; one slice per axis, with start and stop.

    Returns
    -------
    tuple of slice
        One per axis.
    """
    return tuple(
        slice(min(axis.start for axis in axes), max(axis.stop for axis in axes))
        for axes in zip(*regions, strict=True)
    )
