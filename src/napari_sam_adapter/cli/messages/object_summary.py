"""What ``segment`` says about objects: how large, where, and what to look at."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from napari_sam_adapter.volume.asking.reasons import TOLD
from napari_sam_adapter.volume.session.review import DOUBTFUL
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_RANGES = 6
"""Ranges of slices on a line."""
Position = tuple[int, ...]


def lines_about(found: dict[str, Any]) -> Iterator[str]:
    """Say what became of an object.

    Parameters
    ----------
    found : dict
        From `summarise_objects`.

    Yields
    ------
    str
        Size and score; then slices with doubtful masks, and those on which it was
        looked for and not found.
    """
    slices = found["slices"]
    used = [entry for entry in slices if entry["used"]]
    has_slices = any(entry["position"] for entry in slices)
    size = counted(found["voxels"], "voxel" if has_slices else "pixel")
    size += f" on {counted(len(used), 'slice')}" * has_slices
    score = found["score"]
    mean = "" if score is None else f", mean score {score:.2f}"
    number = str(found["object"])
    name = found.get("name", number)
    label = "" if name == number else f" (label {number})"
    yield f"object {name}{label}: {size}{mean}"
    doubtful = [e["position"] for e in used if e["confidence"] < DOUBTFUL]
    if doubtful:
        where = ranges(doubtful) if has_slices else "it"
        yield f"  look at {where}: confidence below {DOUBTFUL}"
    without: dict[str, list[Position]] = defaultdict(list)
    for entry in slices:
        reason = entry["reason"]
        if not entry["used"] and reason in TOLD:
            without[reason].append(entry["position"])
    for reason, positions in without.items():
        where = f" on {ranges(positions)}" if has_slices else ""
        yield f"  no mask{where}: {TOLD[reason]}"


def ranges(positions: Iterable[Position]) -> str:
    """Write slices as ranges.

    Parameters
    ----------
    positions : iterable of tuple of int
        Index on every axis that a slice does not show.

    Returns
    -------
    str
        Such as ``"slices 3-7, 9"``; of a time series with the time before each.
    """
    runs: list[list[Position]] = []
    for position in sorted(positions):
        if runs and position == (*runs[-1][-1][:-1], runs[-1][-1][-1] + 1):
            runs[-1].append(position)
        else:
            runs.append([position])
    texts = [_range(run) for run in runs[:MOST_RANGES]]
    more = ["..."] * (len(runs) > MOST_RANGES)
    several = len(runs) > 1 or len(runs[0]) > 1
    return f"slice{'s' * several} {', '.join([*texts, *more])}"


def _range(run: list[Position]) -> str:
    first, last = (",".join(map(str, position)) for position in (run[0], run[-1]))
    return first if first == last else f"{first}-{last}"
