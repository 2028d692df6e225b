"""An adapter's prompts straight into the tokens: never made on their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from napari_sam_adapter.model.fast_block import Addition, can_run_fast, run_block

if TYPE_CHECKING:
    from napari_sam_adapter.model.image_encoder import Block


def run_with_prompt(
    block: Block, shared: nn.Linear, tuned: Tensor, tokens: Tensor
) -> Tensor:
    """Add the prompt of a block to the tokens, and run the block.

    Parameters
    ----------
    block : Block
        The block.
    shared : nn.Linear
        The projection that all blocks share.
    tuned : (B, h, w, bottleneck) tensor
        What it projects.
    tokens : (B, h, w, D) tensor
        Before the prompt.

    Returns
    -------
    (B, h, w, D) tensor
        ``block(tokens + shared(tuned))``.
    """
    if type(shared) is nn.Linear and can_run_fast(block, tokens):
        return run_block(block, tokens, as_addition(shared, tuned))
    answer: Tensor = block(tokens + shared(tuned))
    return answer


def as_addition(shared: nn.Linear, tuned: Tensor) -> Addition:
    """Return a prompt as what is added to a block's tokens.

    Parameters
    ----------
    shared, tuned
        As in `run_with_prompt`.

    Returns
    -------
    Addition
        In float32.
    """
    return Addition(tuned.flatten(1, 2).float(), shared.weight, shared.bias)
