"""Networks that share tensors, so that a second one costs only what differs."""

from __future__ import annotations

import copy
import itertools
from typing import TYPE_CHECKING, TypeVar

from napari_sam_adapter.model.sam import Sam

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


def with_own_decoder(sam: Sam) -> Sam:
    """Return a network with the same encoder whose decoder may be trained.

    Parameters
    ----------
    sam : Sam
        The base; training the result does not change it.

    Returns
    -------
    Sam
        Shares the image encoder; prompt encoder and mask decoder are copies.
    """
    parts = copy.deepcopy((sam.prompt_encoder, sam.mask_decoder))
    return Sam(sam.image_encoder, *parts).train(sam.training)
