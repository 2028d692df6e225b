"""Fields of dataclasses for a mask: given whole or boxed, kept boxed, read whole.

What reads the field finds the array of the whole plane, which is made then. Who asks
for `boxed_mask` instead pays for the box alone.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, overload

import numpy as np

from napari_sam_adapter.boxed_mask import BoxedMask
from napari_sam_adapter.errors import PromptError

if TYPE_CHECKING:
    from typing import Any

    import numpy.typing as npt

    from napari_sam_adapter.boxed_mask import Box

    Mask = npt.NDArray[np.bool_]


class PromptMask:
    """The field `mask` of `Prompts`: an array is cut to its box at once."""

    @overload
    def __get__(self, owner: None, kind: type) -> None: ...
    @overload
    def __get__(self, owner: object, kind: type) -> Mask | None: ...
    def __get__(self, owner: object | None, kind: type) -> Mask | None:
        if owner is None or vars(owner)["boxed_mask"] is None:
            return None
        return _whole(owner, is_writeable=False)

    def __set__(self, owner: object, value: Mask | BoxedMask | None) -> None:
        vars(owner)["boxed_mask"] = None if value is None else _boxed(value)


class _AnswerMask:
    """The field `mask` of a `HasMask`: an array stays as it is."""

    def __get__(self, owner: object | None, kind: type) -> Mask:
        if owner is None:
            raise AttributeError("mask")  # so that dataclasses find no default
        return _whole(owner, is_writeable=True)

    def __set__(self, owner: object, value: Mask | BoxedMask) -> None:
        name = "boxed_mask" if isinstance(value, BoxedMask) else "whole_mask"
        vars(owner)[name] = value


class HasMask:
    """A dataclass with the fields `mask` and `box`.

    Notes
    -----
    `dataclasses.replace` reads all fields: ``mask=old.boxed_mask.like_whole()`` spares
    the array of the whole plane.
    """

    box: Box | None
    if not TYPE_CHECKING:  # who reads it finds an array
        mask = _AnswerMask()

    @cached_property
    def boxed_mask(self) -> BoxedMask:
        """The mask cut to its box."""
        mask: Mask = vars(self)["whole_mask"]
        return BoxedMask.of(np.asarray(mask, dtype=bool), self.box)

    def shares_mask(self, other: HasMask) -> bool:
        """Return whether both were given the very same mask, without reading it."""
        return any(
            name in vars(self) and vars(self)[name] is vars(other).get(name)
            for name in ("boxed_mask", "whole_mask")
        )


def _whole(owner: object, is_writeable: bool) -> Mask:
    kept: dict[str, Any] = vars(owner)
    if "whole_mask" not in kept:
        kept["whole_mask"] = kept["boxed_mask"].full()
        kept["whole_mask"].setflags(write=is_writeable)
    whole: Mask = kept["whole_mask"]
    return whole


def _boxed(values: Mask | BoxedMask) -> BoxedMask:
    if isinstance(values, BoxedMask):
        return values
    mask = np.asarray(values)
    if mask.ndim != 2:
        raise PromptError(f"Expected a mask prompt of two axes, got {mask.ndim}.")
    if mask.dtype != bool and not _is_plain(mask):
        raise PromptError(
            "Expected a mask of true and false, or of 0 and one whole number above, "
            f"got {mask.dtype} with others. Compare it first, as in mask > 0.5."
        )
    return BoxedMask.of(mask.astype(bool))


def _is_plain(mask: npt.NDArray[Any]) -> bool:
    """Return whether numbers are 0 and one other at most, of fractions 1."""
    if mask.dtype.kind not in "uif":
        return False
    other = 1 if mask.dtype.kind == "f" else mask.max(initial=0)
    return bool(np.isin(mask, (0, other)).all())
