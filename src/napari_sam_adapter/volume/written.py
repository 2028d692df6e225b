"""Where labels were written since somebody looked."""

from __future__ import annotations

Region = tuple[slice, ...]


class Written:
    """The smallest box around everything that was written since it was asked for."""

    def __init__(self) -> None:
        self._region: Region | None = None

    def add(self, region: Region) -> None:
        """Note that a part of the labels was written.

        Parameters
        ----------
        region : tuple of slice
            One per axis, with start and stop.
        """
        known = self._region
        self._region = region if known is None else around([known, region])

    def take(self) -> Region | None:
        """Return the box, and begin anew.

        Returns
        -------
        tuple of slice or None
            None if nothing was written.
        """
        region, self._region = self._region, None
        return region


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
