"""An array in a file that is read piece by piece."""

from __future__ import annotations

import operator
import weakref
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_sam_adapter.errors import ImageError, PlaneError
from napari_sam_adapter.wording import sized

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt


class ArrayLike(Protocol):
    """What a source of pixels has to offer: a shape, a dtype and basic indexing."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of every axis."""

    @property
    def dtype(self) -> Any:
        """Type of the elements."""

    def __getitem__(self, key: Any) -> Any:
        """Return a part, at least for one whole number or slice per axis."""


def is_array(value: object) -> bool:
    """Tell whether a value can be read as an array.

    Parameters
    ----------
    value : object
        Anything.

    Returns
    -------
    bool
        True if it has a shape and a dtype that NumPy knows. A tensor of PyTorch has
        one of its own.
    """
    try:
        dtype = value.dtype  # type: ignore[attr-defined]
        np.dtype(dtype)
    except (AttributeError, TypeError, ValueError):
        return False
    return dtype is not None and hasattr(value, "shape")


def check_unmasked(array: object) -> None:
    """Raise if pixels of an array are masked: what lies under a mask is no value.

    Parameters
    ----------
    array : object
        Anything; only NumPy's masked arrays can have masked pixels.

    Raises
    ------
    ImageError
        If a pixel is masked.
    """
    if np.ma.is_masked(array):
        raise ImageError(
            "Expected an array without masked pixels, got a masked array. Say what "
            "stands for them, as by image.filled(0)."
        )


class LazyArray:
    """A read-only view of an array in a file, with some axes moved or fixed.

    Only what an index asks for is read. The result is always a writable array of
    native byte order, its axes in the order of this view.

    Parameters
    ----------
    source : ArrayLike
        Memory map, zarr array or any other array-like.
    name : str
        File name for messages.
    order : sequence of int, optional
        Source axis behind every axis of the view; default all, in order.
    fixed : mapping of int to int, optional
        Index on every source axis that the view does not show; default 0.
    dtype : dtype, optional
        Type of the elements; default that of the source.
    close : callable, optional
        Called once nobody uses the view any longer.
    """

    def __init__(
        self,
        source: ArrayLike,
        name: str,
        *,
        order: Sequence[int] | None = None,
        fixed: Mapping[int, int] | None = None,
        dtype: npt.DTypeLike | None = None,
        close: Callable[[], object] | None = None,
    ) -> None:
        self._source = source
        self._name = name
        self._order = tuple(range(len(source.shape)) if order is None else order)
        self._fixed = dict(fixed or {})
        wanted = source.dtype if dtype is None else dtype
        self.dtype: np.dtype[Any] = np.dtype(wanted).newbyteorder("=")
        self._parent: LazyArray | None = None
        if close is not None:
            weakref.finalize(self, close)

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of every axis of the view."""
        return tuple(int(self._source.shape[axis]) for axis in self._order)

    @property
    def ndim(self) -> int:
        """Number of axes of the view."""
        return len(self._order)

    @property
    def size(self) -> int:
        """Number of elements of the view."""
        return int(np.prod(self.shape))

    def __repr__(self) -> str:
        return f"<LazyArray {sized(self.shape)} {self.dtype}, {self._name}>"

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        index = _full_index(key, self.shape)
        source_index: list[int | slice] = [
            self._fixed.get(axis, 0) for axis in range(len(self._source.shape))
        ]
        for axis, entry in zip(self._order, index, strict=True):
            source_index[axis] = entry
        kept = [
            axis
            for axis, entry in zip(self._order, index, strict=True)
            if isinstance(entry, slice)
        ]
        return self._read(tuple(source_index)).transpose(np.argsort(np.argsort(kept)))

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("Reading a file always makes a copy. Leave copy unset.")
        return self[...] if dtype is None else self[...].astype(dtype, copy=False)

    def take(self, axis: int, index: int) -> LazyArray:
        """Return the view at one index of an axis.

        Parameters
        ----------
        axis : int
            Axis of this view; the result does not have it.
        index : int
            Index on that axis.

        Returns
        -------
        LazyArray
            One axis fewer; nothing is read.

        Raises
        ------
        PlaneError
            If the index is outside.
        """
        index = _whole_index(index, self.shape[axis])
        order = self._order[:axis] + self._order[axis + 1 :]
        return self._view(order, {**self._fixed, self._order[axis]: index})

    def moved(self, order: Sequence[int]) -> LazyArray:
        """Return the view with its axes in another order.

        Parameters
        ----------
        order : sequence of int
            Axis of this view behind every axis of the result.

        Returns
        -------
        LazyArray
            Nothing is read.
        """
        return self._view([self._order[axis] for axis in order], self._fixed)

    def like(self, source: ArrayLike) -> LazyArray:
        """Return the same view of another array.

        Parameters
        ----------
        source : ArrayLike
            With as many axes as the source of this view, and as long ones where this
            view shows one index only.

        Returns
        -------
        LazyArray
            Nothing is read.

        Raises
        ------
        ImageError
            If it has another number of axes.
        """
        if len(source.shape) != len(self._source.shape):
            raise ImageError(
                f"Expected {len(self._source.shape)} axes, got {len(source.shape)}."
            )
        return LazyArray(source, self._name, order=self._order, fixed=self._fixed)

    def _view(self, order: Sequence[int], fixed: Mapping[int, int]) -> LazyArray:
        view = LazyArray(
            self._source, self._name, order=order, fixed=fixed, dtype=self.dtype
        )
        view._parent = self  # or the file would be closed too early
        return view

    def _read(self, index: tuple[int | slice, ...]) -> npt.NDArray[Any]:
        try:
            block = np.asarray(self._source[index])
        except ImageError:
            raise
        except Exception as error:  # file libraries raise anything on damaged files
            raise ImageError(unreadable(self._name, error)) from error
        block = block.astype(self.dtype, copy=False)
        return block if block.flags.writeable else block.copy()


def unreadable(name: object, error: BaseException) -> str:
    """Return the message for a file that its library gave up on.

    Parameters
    ----------
    name : object
        Path of the file.
    error : BaseException
        What the library said.

    Returns
    -------
    str
        One line.
    """
    detail = " ".join(str(error).split()) or type(error).__name__
    if "requires the 'imagecodecs' package" in detail:  # tifffile's words
        return (
            f"Expected a compression that can be read as it is, got {detail[:200]} "
            f"from {name}. Run: pip install imagecodecs"
        )
    return (
        f"Expected a readable image, got {detail[:200]!r} from {name}. Check that the "
        "file is whole and of the kind its name says."
    )


def _full_index(key: Any, shape: tuple[int, ...]) -> list[int | slice]:
    keys = list(key) if isinstance(key, tuple) else [key]
    missing = len(shape) - len([k for k in keys if k is not Ellipsis])
    if missing < 0:
        raise PlaneError(f"Expected at most {len(shape)} indices, got {len(keys)}.")
    place = next((i for i, k in enumerate(keys) if k is Ellipsis), len(keys))
    keys[place : place + 1] = [slice(None)] * missing
    return [
        entry if isinstance(entry, slice) else _whole_index(entry, length)
        for entry, length in zip(keys, shape, strict=True)
    ]


def _whole_index(value: Any, length: int) -> int:
    try:
        index = operator.index(value)
    except TypeError as error:
        raise PlaneError(
            f"Expected whole numbers and slices as an index, got {value!r}. Read the "
            "part you need with np.asarray first."
        ) from error
    if not -length <= index < length:
        raise PlaneError(f"Expected an index below {length}, got {index}.")
    return index % length
