"""Who gets a pixel that a mask wants and another object has."""

from __future__ import annotations

from napari_sam_adapter.errors import SessionError

KEEP = "keep"
OVERLAP_RULES = KEEP, "cut", "overwrite"
"""See `SetOverlapRule`."""


def checked_rule(rule: str) -> str:
    """Return one of `OVERLAP_RULES`.

    Parameters
    ----------
    rule : str
        Who gets a pixel that two objects want.

    Returns
    -------
    str
        The same.

    Raises
    ------
    SessionError
        If it is none.
    """
    if rule not in OVERLAP_RULES:
        raise SessionError(
            f"Expected one of the rules {', '.join(OVERLAP_RULES)}, got {rule!r}."
        )
    return rule
