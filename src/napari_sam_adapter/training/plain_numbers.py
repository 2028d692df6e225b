"""Numbers in settings: of the right kind, and plain ones, as files keep them."""

from __future__ import annotations

from dataclasses import fields
from numbers import Integral, Real
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import TrainingError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_NUMBERS: dict[object, tuple[type, type, str]] = {
    "bool": (bool, bool, "true or false"),
    "int": (Integral, int, "a whole number"),
    "float": (Real, float, "a number"),
}
"""What fields take, what they keep, and what it is called; by their annotation."""


def check_numbers(settings: DataclassInstance) -> None:
    """Refuse what is no number where one belongs; make NumPy's numbers plain ones.

    Parameters
    ----------
    settings : dataclass
        While it is made; its annotations are texts.

    Raises
    ------
    TrainingError
        If a value is of another kind.
    """
    for entry in fields(settings):
        if entry.type not in _NUMBERS:
            continue
        kind, plain, words = _NUMBERS[entry.type]
        value = getattr(settings, entry.name)
        is_other = isinstance(value, bool) and plain is not bool
        if is_other or not isinstance(value, kind):
            raise TrainingError(f"Expected {words} for {entry.name}, got {value!r}.")
        object.__setattr__(settings, entry.name, plain(value))
