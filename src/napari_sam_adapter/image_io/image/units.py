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
    "decimeter": "dm",
    "dm": "dm",
    "picometer": "pm",
    "pm": "pm",
    "angstrom": "angstrom",
    "angstroms": "angstrom",
    "\u00e5ngstr\u00f6m": "angstrom",
    "\u00e5": "angstrom",
    "a\u030a": "angstrom",
    "\\u00c5": "angstrom",
    "A": "angstrom",
    "inch": "inch",
    "inches": "inch",
    "in": "inch",
    "foot": "foot",
    "feet": "foot",
    "ft": "foot",
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
"""By name: in lower case, but for those where the case tells."""
NO_UNIT = "pixel"
NAMES_OF_NONE = "", "pixel", "pixels", "px", "voxel", "none", "unknown", "null"
CASED = "A", "Mm", "Pm"
"""Not to be mixed up with their lower case: Mm and Pm are huge, mm and pm small."""
METRES = {
    "pm": 1e-12,
    "angstrom": 1e-10,
    "nm": 1e-9,
    "um": 1e-6,
    "mm": 1e-3,
    "cm": 1e-2,
    "dm": 1e-1,
    "inch": 0.0254,
    "foot": 0.3048,
    "m": 1.0,
}


def known_unit(word: str) -> str:
    """Return what this package calls a unit.

    Parameters
    ----------
    word : str
        What a file calls it.

    Returns
    -------
    str
        Such as ``"um"``; ``"pixel"`` if it is not known.
    """
    word = word.strip()
    if word not in CASED:
        word = word.lower().replace("metre", "meter").replace("meters", "meter")
    return UNIT_NAMES.get(word, NO_UNIT)


def unknown_units(axes: str, words: Sequence[str], name: str) -> str:
    """Return a sentence about units of length that are not known.

    Parameters
    ----------
    axes : str
        One letter per axis; units of those beside z, y and x do not count.
    words : sequence of str
        What the file calls the units of the axes.
    name : str
        How the sentence calls the image.

    Returns
    -------
    str
        Empty if all are known, or none is told.
    """
    found = [
        word.strip()[:40]
        for axis, word in zip(axes, words, strict=True)
        if axis in SPACE
        and word.strip().lower() not in NAMES_OF_NONE
        and known_unit(word) == NO_UNIT
    ]
    if not found:
        return ""
    return (
        f"{name} gives distances in {', '.join(dict.fromkeys(found))!r}, which is no "
        "known unit of length: they are kept as numbers without a unit."
    )


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


def spacing_of(
    axes: str, scale: Sequence[float], units: Sequence[str]
) -> tuple[float, ...]:
    """Return the spacing for a session from what a file or layer says of its axes.

    Parameters
    ----------
    axes : str
        One letter per axis; those beside z, y and x, as of time, are not space.
    scale : sequence of float
        Distance between neighbours on every axis.
    units : sequence of str
        Their units.

    Returns
    -------
    tuple of float
        The scale, in the unit of the last of z, y and x, if all have units of length
        or all the same; else it tells nothing about shape, and they get 1. A step on
        any other axis counts as one along the last of z, y, x.
    """
    scale, units = in_one_unit(axes, scale, units)
    in_space = [axis in SPACE for axis in axes]
    units_of_space = {u for u, inside in zip(units, in_space, strict=True) if inside}
    sizes = [abs(float(size)) if len(units_of_space) == 1 else 1.0 for size in scale]
    known = [size for size, inside in zip(sizes, in_space, strict=True) if inside]
    pixel = known[-1] if known else 1.0
    pairs = zip(sizes, in_space, strict=True)
    return tuple(size if inside else pixel for size, inside in pairs)


def unit_of(axes: str, units: Sequence[str]) -> str:
    """Return the unit of what `spacing_of` returns.

    Parameters
    ----------
    axes : str
        One letter per axis.
    units : sequence of str
        Their units.

    Returns
    -------
    str
        The unit of z, y and x, of several lengths the last; else ``"pixel"``.
    """
    pairs = zip(axes, in_one_unit(axes, (1.0,) * len(axes), units)[1], strict=True)
    found = {unit for axis, unit in pairs if axis in SPACE}
    return found.pop() if len(found) == 1 else NO_UNIT
