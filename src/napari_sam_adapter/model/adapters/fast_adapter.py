"""An adapter's prompts straight into the tokens: never made on their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from napari_sam_adapter.model.encoder.fast_block import (
    Addition,
    add_to,
    can_run_fast,
    run_block,
)
from napari_sam_adapter.model.products import is_plain
from napari_sam_adapter.model.steady import steady_step

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_sam_adapter.model.encoder.image_encoder import Block


def light_mlps(layers: Sequence[nn.Sequential], features: Tensor) -> Iterable[Tensor]:
    """Run the light MLPs of all blocks on the same features.

    Parameters
    ----------
    layers : sequence of nn.Sequential
        A linear layer and a GELU each, all of one shape.
    features : (B, h, w, K) tensor
        What each of them gets.

    Yields
    ------
    (B, h, w, K) tensor
        One answer after the other. In float32 on the CPU in inference mode all are
        made by one step.
    """
    first = [cast("nn.Linear", layer[0]) for layer in layers]
    if not all(is_plain(layer, features) for layer in first):
        yield from (layer(features) for layer in layers)
        return
    weight = torch.stack([layer.weight.T for layer in first])
    bias = torch.stack([layer.bias for layer in first])[:, None]
    rows = features.flatten(0, 2).expand(len(first), -1, -1)
    together = torch.baddbmm(bias, rows, weight)
    torch.ops.aten.gelu_(together)
    yield from together.view(len(first), *features.shape)


def run_with_prompts(
    blocks: Sequence[Block], shared: nn.Linear, tuned: Iterable[Tensor], tokens: Tensor
) -> Tensor:
    """Run blocks one after the other, each with a prompt added to its tokens.

    Parameters
    ----------
    blocks : sequence of Block
        The blocks.
    shared : nn.Linear
        The projection that all blocks share.
    tuned : iterable of (B, h, w, bottleneck) tensors
        What it projects, one for each block.
    tokens : (B, h, w, D) tensor
        Before the first prompt. May be overwritten.

    Returns
    -------
    (B, h, w, D) tensor
        The answer of the last block: ``tokens = block(tokens + shared(tuned))`` for
        each of them.

    Notes
    -----
    On the CPU in inference mode a block adds the prompt of the next one to its own
    answer, which needs no memory for the prompt.
    """
    if type(shared) is not nn.Linear or not _can_all_run_fast(blocks, tokens):
        for block, rows in zip(blocks, tuned, strict=True):
            with steady_step(tokens.device):
                tokens = block(tokens + shared(rows))
        return tokens
    prompts = as_additions(shared, tuned)
    tokens = tokens.contiguous()
    add_to(tokens, prompts[0])
    for block, following in zip(blocks, [*prompts[1:], None], strict=True):
        with steady_step(tokens.device):
            tokens = run_block(block, tokens, following)
    return tokens


def _can_all_run_fast(blocks: Sequence[Block], tokens: Tensor) -> bool:
    return all(can_run_fast(block, tokens) for block in blocks)


def as_additions(shared: nn.Linear, tuned: Iterable[Tensor]) -> list[Addition]:
    """Return what adds the prompt of each block.

    Parameters
    ----------
    shared : nn.Linear
        The projection that all blocks share.
    tuned : iterable of (B, h, w, K) tensors
        What it projects, one for each block.

    Returns
    -------
    list of Addition
        One for each block.
    """
    found = [one.flatten(1, 2) for one in tuned]
    shape = *found[0].shape[:-1], found[0].shape[-1] + 1
    rows = shared.weight.new_empty(len(found), *shape)
    rows[..., -1] = 1
    for some, one in zip(rows, found, strict=True):
        some[..., :-1] = one
    # the bias as one more number of each token, times one: tokens are read once
    weight = torch.cat([shared.weight.T, shared.bias[None]])
    return [Addition(some, weight) for some in rows]
