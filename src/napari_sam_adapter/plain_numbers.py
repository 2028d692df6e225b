"""Numbers in settings: of the right kind, and plain ones, as files keep them."""

from __future__ import annotations

from dataclasses import fields
from numbers import Integral, Real
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from napari_sam_adapter.errors import SamAdapterError

_NUMBERS: dict[object, tuple[tuple[type, ...], type, str]] = {
    "bool": ((bool, np.bool_), bool, "true or false"),
    "int": ((Integral,), int, "a whole number"),
    "float": ((Real,), float, "a number"),
}
"""What fields take, what they keep, and what it is called; by their annotation."""


def check_numbers(settings: DataclassInstance, error: type[SamAdapterError]) -> None:
    """Refuse what is no number where one belongs; make NumPy's numbers plain ones.

    Parameters
    ----------
    settings : dataclass
        While it is made; its annotations are texts.
    error : type of SamAdapterError
        What is raised.

    Raises
    ------
    SamAdapterError
        If a value is of another kind, or too large for its kind.
    """
    for entry in fields(settings):
        if entry.type not in _NUMBERS:
            continue
        kinds, plain, words = _NUMBERS[entry.type]
        value = getattr(settings, entry.name)
        is_other = isinstance(value, bool) and plain is not bool
        if is_other or not isinstance(value, kinds):
            raise error(f"Expected {words} for {entry.name}, got {value!r}.")
        try:
            object.__setattr__(settings, entry.name, plain(value))
        except OverflowError as too_large:
            raise error(f"Expected {words} for {entry.name}: {too_large}.") from None
