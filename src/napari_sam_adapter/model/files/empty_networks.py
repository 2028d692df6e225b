"""Networks whose tensors have a shape and no memory yet."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from napari_sam_adapter.model.sam import Sam, build_sam

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam_adapter.model.shape import SamShape


class _NoFirstValues(TorchFunctionMode):
    """Leaves out `nn.init`, for which torch would import its compiler: seconds."""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(function, "__module__", None) == nn.init.__name__:
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return function(*args, **kwargs)


def empty_sam(shape: SamShape) -> Sam:
    """Return a network whose tensors have a shape and no memory yet.

    Parameters
    ----------
    shape : SamShape
        Its sizes.

    Returns
    -------
    Sam
        To be filled by `load_strictly`.
    """
    with without_memory():
        return build_sam(shape)


@contextlib.contextmanager
def without_memory() -> Iterator[None]:
    """Make modules whose tensors have a shape and no memory yet.

    Yields
    ------
    None
        Modules made inside are to be filled by `load_strictly`.
    """
    with torch.device("meta"), _NoFirstValues():
        yield
