"""One size that several tensors tell: the most of them are believed.

A file with one wrong tensor then still gives the network of all the others, against
which the wrong one can be named.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Sizes = Mapping[str, tuple[int, ...]]


def agreed(sizes: Sizes, *places: tuple[str, int]) -> int:
    """Return what most tensors say about a size.

    Parameters
    ----------
    sizes : mapping of str to tuple of int
        Shape of every tensor by key.
    *places : (str, int)
        A key and an axis. A ``*`` in the key stands for any number.

    Returns
    -------
    int
        At a tie, what the first place says.

    Raises
    ------
    KeyError
        If none of the tensors is there.
    """
    told = lengths(sizes, *places)
    if not told:
        raise KeyError(places[0][0])
    return most_common(told)


def most_common(numbers: Iterable[int]) -> int:
    """Return the number that comes most often; at a tie, the first of them.

    Parameters
    ----------
    numbers : iterable of int
        At least one.

    Returns
    -------
    int
        One of them.
    """
    return Counter(numbers).most_common(1)[0][0]


def count_of(sizes: Sizes, prefix: str) -> int:
    """Return how many numbered parts there are.

    Parameters
    ----------
    sizes : mapping of str to tuple of int
        Shape of every tensor by key.
    prefix : str
        What comes before the number.

    Returns
    -------
    int
        Different numbers after the prefix.
    """
    pattern = re.compile(re.escape(prefix) + r"(\d+)\.")
    return len({match[1] for match in map(pattern.match, sizes) if match})


def lengths(sizes: Sizes, *places: tuple[str, int]) -> list[int]:
    """Return everything that tensors say about a size.

    Parameters
    ----------
    sizes : mapping of str to tuple of int
        Shape of every tensor by key.
    *places : (str, int)
        As for `agreed`.

    Returns
    -------
    list of int
        Nothing for tensors that are not there or have no such axis.
    """
    return [
        shape[axis]
        for key, axis in places
        for shape in _shapes(sizes, key)
        if -len(shape) <= axis < len(shape)
    ]


def _shapes(sizes: Sizes, key: str) -> list[tuple[int, ...]]:
    if "*" not in key:
        return [sizes[key]] if key in sizes else []
    pattern = re.compile(re.escape(key).replace(r"\*", r"\d+"))
    return [shape for known, shape in sizes.items() if pattern.fullmatch(known)]
