"""Numbers and texts in settings: of the right kind, and plain, as files keep them."""

from __future__ import annotations

from dataclasses import fields
from numbers import Integral, Real
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from napari_sam_adapter.errors import SamAdapterError

_KINDS: dict[object, tuple[tuple[type, ...], type, str]] = {
    "bool": ((bool,), bool, "true or false"),
    "int": ((Integral,), int, "a whole number"),
    "int | None": ((Integral,), int, "a whole number"),
    "float": ((Real,), float, "a number"),
    "str": ((str, PurePath), str, "a text"),
    "str | None": ((str, PurePath), str, "a text"),
}
"""What fields take, what they keep, and what it is called; by their annotation."""


def check_numbers(settings: DataclassInstance, error: type[SamAdapterError]) -> None:
    """Refuse what is no number or text where one belongs; make NumPy's numbers plain.

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
        value = getattr(settings, entry.name)
        if getattr(value, "shape", None) == ():  # one of NumPy's
            value = value.item()
        if entry.type not in _KINDS or (value is None and entry.default is None):
            continue
        kinds, plain, words = _KINDS[entry.type]
        is_other = isinstance(value, bool) and plain is not bool
        if is_other or not isinstance(value, kinds):
            raise error(f"Expected {words} for {entry.name}, got {value!r}.")
        try:
            object.__setattr__(settings, entry.name, plain(value))
        except OverflowError as too_large:
            raise error(f"Expected {words} for {entry.name}: {too_large}.") from None
