"""Words that shell, window and library share: counts, sizes, times, misspelt names."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

MOST_NUMBERS = 5
"""So many things are called by their numbers."""
MINUTE = 60


def counted(count: int, one: str) -> str:
    """Return a number with its noun.

    Parameters
    ----------
    count : int
        How many.
    one : str
        The noun for one; its last word takes the plural.

    Returns
    -------
    str
        Such as ``"1 slice"`` or ``"2,000 slices"``.
    """
    return f"{count:,} {one if count == 1 else _plural(one)}"


def _plural(one: str) -> str:
    if one.endswith("us"):
        return f"{one[:-2]}i"  # nuclei
    if one.endswith("y"):
        return f"{one[:-1]}ies"
    return f"{one}{'es' if one.endswith('x') else 's'}"


def sized(shape: Iterable[int]) -> str:
    """Return the size of an array.

    Parameters
    ----------
    shape : iterable of int
        Lengths of its axes.

    Returns
    -------
    str
        Such as ``"40 x 160 x 160"``.
    """
    return " x ".join(map(str, shape))


def stopped(done: int, total: int, units: str, outcome: str) -> str:
    """Say that long work was stopped, how far it came, and what is left of it.

    Parameters
    ----------
    done, total : int
        Steps; a total of 0 if nobody knows.
    units : str
        What the steps are, as of many.
    outcome : str
        A sentence.

    Returns
    -------
    str
        Such as ``"Stopped after 3 of 8 slices. Nothing was changed."``
    """
    far = f" after {done:,} of {total:,} {units}" if total else ""
    return f"Stopped{far}. {outcome}"


def numbered(one: str, numbers: Sequence[int]) -> str:
    """Call things by their numbers.

    Parameters
    ----------
    one : str
        What one of them is called.
    numbers : sequence of int
        Not empty.

    Returns
    -------
    str
        Such as ``"object 3"`` or ``"objects 3, 4"``; of many the first ones.
    """
    few = ", ".join(map(str, numbers[:MOST_NUMBERS]))
    left = len(numbers) - MOST_NUMBERS
    more = f" and {left} more" if left > 0 else ""
    return f"{one}{'s' * (len(numbers) != 1)} {few}{more}"


def any_of(things: Sequence[str]) -> str:
    """Name alternatives.

    Parameters
    ----------
    things : sequence of str
        Not empty.

    Returns
    -------
    str
        Such as ``"a"``, ``"a or b"``, ``"a, b or c"``.
    """
    *others, last = things
    return f"{', '.join(others)} or {last}" if others else last


def readable_size(n_bytes: float) -> str:
    """Return a size for people.

    Parameters
    ----------
    n_bytes : float
        Bytes.

    Returns
    -------
    str
        Such as ``"375 MB"``; decimal units.
    """
    size = float(n_bytes)
    for unit in ("bytes", "kB", "MB"):
        if size < 999.5:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:,.2f} GB"


def spoken_time(seconds: float) -> str:
    """Return a time as one says it.

    Parameters
    ----------
    seconds : float
        How long.

    Returns
    -------
    str
        For example ``"40 s"`` or ``"3 min"``.
    """
    if round(seconds) < MINUTE:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / MINUTE)
    if minutes < MINUTE:
        return f"{minutes} min"
    return f"{minutes // MINUTE} h {minutes % MINUTE} min"


def did_you_mean(name: str, known: Collection[str]) -> str:
    """Ask for the name that somebody may have meant.

    Parameters
    ----------
    name : str
        What was typed; it is none of those.
    known : collection of str
        All that could be meant.

    Returns
    -------
    str
        A question with a space before it, or nothing if no name is like it.
    """
    by_folded = {other.casefold(): other for other in known}
    close = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.7)
    return f" Did you mean {by_folded[close[0]]!r}?" if close else ""
