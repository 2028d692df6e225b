"""Order slices of a DICOM series by their places in the patient, and by time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam_adapter.image_io.dicom.headers import Slice

NEAR, NEAR_SHARE = 0.01, 0.01
"""Slices that are closer lie at one place: in mm; of a pixel or, if larger, a gap."""
UNKNOWN_PIXEL = 0.1
"""In mm, where a file does not tell."""
UNEVEN = 0.02
"""Gaps between slices that differ by a larger share of the usual one are told."""
ASIDE = 0.5
"""Pixels by which slices may lie beside the line of the others."""


class Arrangement(NamedTuple):
    """Slices in the order of their volume.

    Attributes
    ----------
    table : (T, Z) object array
        Of `Slice`.
    gap : float
        From slice to slice, in mm; 0 if unknown.
    step : (3,) array or None
        From the corner of a slice to that of the next one.
    problem : str
        What is wrong with them; may be empty.
    """

    table: npt.NDArray[Any]
    gap: float = 0.0
    step: npt.NDArray[np.float64] | None = None
    problem: str = ""


def arrange(slices: list[Slice], path: Path) -> Arrangement:
    """Order slices.

    Parameters
    ----------
    slices : list of Slice
        At least one, all of a kind.
    path : Path
        What a message names.

    Returns
    -------
    Arrangement
        By place, and by time where several lie at one place.

    Raises
    ------
    ImageError
        If nothing tells which of them belong to one time.
    """
    if not slices[0].has_place:
        ordered = sorted(slices, key=lambda one: (one.moment, one.path, one.frame))
        problem = "Slices do not tell where they lie: they are in the scanner's order."
        problem *= len({one.path for one in slices}) > 1
        return Arrangement(_table([ordered]), slices[0].thickness, None, problem)
    normal = _normal(slices[0])
    places = _places(slices, normal)
    rows, problem = _times(places, path)
    table, first = _table(rows), slices[0]
    if len(places) == 1:
        return Arrangement(table, first.thickness, normal * (first.thickness or 1.0))
    corners = np.array([one.corner for one in rows[0]])
    distances = np.diff(corners @ normal)
    gap = float(np.median(distances))
    step = (corners[-1] - corners[0]) * gap / float(distances.sum())
    told = [problem, _uneven(distances, gap), _aside(corners, normal, first)]
    return Arrangement(table, gap, step, " ".join(filter(None, told)))


def _times(places: list[list[Slice]], path: Path) -> tuple[list[list[Slice]], str]:
    """Return the slices of each time, and what is left out."""
    counts = [len(place) for place in places]
    are_whole = _have_same_times(places)
    if are_whole or max(counts) == 1:
        told = "" if are_whole else "Slices are of different times."
        return [list(row) for row in zip(*places, strict=True)], told
    width = 1 if _tell_apart(places) else 2
    moments: dict[tuple[int, ...], dict[int, Slice]] = {}
    for number, place in enumerate(places):
        for one in place:
            moments.setdefault(one.moment[:width], {})[number] = one
    taken = sum(map(len, moments.values()))
    whole = [
        list(moments[moment].values())
        for moment in sorted(moments)
        if len(moments[moment]) == len(places)
    ]
    if taken < sum(counts) or not whole:
        got = " to ".join(map(str, sorted({min(counts), max(counts)})))
        raise ImageError(
            f"Expected images of the same times at every place of {path}, got {got}, "
            "and nothing tells which belong together. Move those that are too many "
            "into another folder."
        )
    left = counted(len(moments) - len(whole), "time")
    return whole, f"Left out, for lack of some slices: {left} of {len(moments)}."


def _have_same_times(places: list[list[Slice]]) -> bool:
    """Tell whether images in their order belong together, as far as they tell."""
    planned = [[one.moment[0] for one in place] for place in places]
    if any(times != planned[0] for times in planned):
        return False
    if _tell_apart(places):
        return True
    # acquisitions may be counted on from place to place: all are the same, or none
    found: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for place in places:
        told = [one.moment[:2] for one in place]
        if any(found.setdefault(moment, told) != told for moment in told):
            return False
    return True


def _tell_apart(places: list[list[Slice]]) -> bool:
    """Tell whether the planned time differs between all images of a place."""
    return all(len({one.moment[0] for one in place}) == len(place) for place in places)


def _places(slices: list[Slice], normal: npt.NDArray[np.float64]) -> list[list[Slice]]:
    """Group slices that lie at one place, along the normal, in the order of time."""
    pairs = [(float(np.dot(one.corner, normal)), one) for one in slices]
    pairs.sort(key=lambda pair: pair[0])
    gaps = np.diff([distance for distance, _ in pairs])
    # places are rounded, and there is no slice that is much thinner than its pixels
    pixel = min(slices[0].spacing or (UNKNOWN_PIXEL,))
    near = min(NEAR, NEAR_SHARE * float(gaps.max(initial=pixel)))
    found = [[pairs[0][1]]]
    for gap, (_, one) in zip(gaps, pairs[1:], strict=True):
        if gap > near:
            found.append([])
        found[-1].append(one)
    return [sorted(some, key=lambda one: (one.moment, one.frame)) for some in found]


def _aside(
    corners: npt.NDArray[np.float64], normal: npt.NDArray[np.float64], first: Slice
) -> str:
    """Say how far slices lie beside the line through the first and the last one."""
    along = (corners - corners[0]) @ normal
    line = np.outer(along / along[-1], corners[-1] - corners[0])
    farthest = np.linalg.norm(corners - corners[0] - line, axis=1).max()
    if farthest <= ASIDE * min(first.spacing or (1.0,)):
        return ""
    return (
        f"Slices are shifted against each other by up to {farthest:.3g} mm, which "
        "labels in the patient do not follow."
    )


def _uneven(distances: npt.NDArray[np.float64], gap: float) -> str:
    """Say where slices are not as far from each other as usual."""
    odd = np.flatnonzero(np.abs(distances - gap) > UNEVEN * gap)
    if not len(odd):
        return ""
    first = int(odd[0])
    others = f", and {len(odd) - 1} more pairs are not" if len(odd) > 1 else ""
    return (
        f"Slices are {gap:g} mm apart, but {first} and {first + 1} are "
        f"{distances[first]:g} mm{others}: one may be missing. They are taken as "
        "evenly spaced."
    )


def _table(rows: list[list[Slice]]) -> npt.NDArray[Any]:
    table = np.empty((len(rows), len(rows[0])), object)
    for place in np.ndindex(table.shape):
        table[place] = rows[place[0]][place[1]]
    return table


def _normal(one: Slice) -> npt.NDArray[np.float64]:
    return np.cross(one.directions[:3], one.directions[3:])
