"""How far a command is: a bar in a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tqdm import tqdm

LINE_SECONDS = 30.0
"""From one line to the next where there is no terminal."""
LINE = (
    "{desc}: {n_fmt} of {total_fmt} {unit}s, {elapsed} so far, {remaining} left"
    "{postfix}\n"
)


def shell_bar(
    steps: Iterable[Any] | None = None,
    *,
    name: str,
    unit: str,
    total: int | None = None,
    done: int = 0,
    delay: float = 1.0,
) -> tqdm[Any]:
    """Return a progress bar that is also of use in a log.

    Parameters
    ----------
    steps : iterable, optional
        What is counted; without it `update` counts.
    name : str
        Of the work.
    unit : str
        What is counted, for one of them.
    total : int or None
        How many there are; None if nobody knows.
    done : int
        How many were done before, in no time of this one.
    delay : float
        Seconds before it appears in a terminal.

    Returns
    -------
    tqdm
        On stderr. It is drawn anew also while the count stands still, if `update(0)`
        is called.
    """
    from tqdm import tqdm

    if sys.stderr.isatty():
        return tqdm(
            steps, name, total, unit=unit, delay=delay, miniters=0, initial=done
        )
    every = LINE_SECONDS
    return tqdm(
        steps, name, total, unit=unit, delay=every, miniters=0, mininterval=every,
        maxinterval=every, bar_format=LINE, initial=done,
    )  # fmt: skip
