"""Units of distances along axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SPACE = "zyx"
UNIT_NAMES = {
    "micrometer": "um",
    "micrometre": "um",
    "micron": "um",
    "microns": "um",
    "\\u00b5m": "um",
    "\u00b5m": "um",
    "\u03bcm": "um",
    "um": "um",
    "nanometer": "nm",
    "nm": "nm",
    "millimeter": "mm",
    "mm": "mm",
    "centimeter": "cm",
    "cm": "cm",
    "meter": "m",
    "m": "m",
    "second": "s",
    "sec": "s",
    "s": "s",
    "millisecond": "ms",
    "ms": "ms",
    "minute": "min",
    "min": "min",
    "hour": "h",
    "h": "h",
}
NO_UNIT = "pixel"
METRES = {"nm": 1e-9, "um": 1e-6, "mm": 1e-3, "cm": 1e-2, "m": 1.0}


def in_one_unit(
    axes: str, scale: Sequence[float], units: Sequence[str]
) -> tuple[list[float], list[str]]:
    """Give distances in space one unit.

    Parameters
    ----------
    axes : str
        One letter per axis; those beside z, y and x stay as they are.
    scale : sequence of float
        Distance between neighbours on every axis.
    units : sequence of str
        Their units.

    Returns
    -------
    scale, units : list of float, list of str
        In the unit of the last axis of space, if all have units of length; else as
        they are.
    """
    sizes, names = list(scale), list(units)
    in_space = [i for i, axis in enumerate(axes) if axis in SPACE]
    if any(names[i] not in METRES for i in in_space):
        return sizes, names
    for i in in_space:
        last = names[in_space[-1]]
        if names[i] != last:
            sizes[i] *= METRES[names[i]] / METRES[last]
            names[i] = last
    return sizes, names
