"""Networks that share tensors, so that a second one costs only what differs."""

from __future__ import annotations

import copy
import itertools
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from torch import nn

    Module = TypeVar("Module", bound=nn.Module)


def shared_copy(module: Module) -> Module:
    """Copy a module but not its tensors.

    Parameters
    ----------
    module : nn.Module
        The original; it is not changed.

    Returns
    -------
    nn.Module
        Of the same class. Its parameters and buffers are those of the original, until
        one is replaced in the copy; a change in place is seen by both.
    """
    tensors = itertools.chain(module.parameters(), module.buffers())
    return copy.deepcopy(module, {id(tensor): tensor for tensor in tensors})
