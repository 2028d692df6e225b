"""An adapter's prompts straight into the tokens: never made on their own."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def add_prompt(shared: nn.Linear, tuned: Tensor, tokens: Tensor) -> Tensor:
    """Return tokens plus the prompt of a block.

    Parameters
    ----------
    shared : nn.Linear
        The projection that all blocks share.
    tuned : (B, h, w, bottleneck) tensor
        What it projects.
    tokens : (B, h, w, D) tensor
        May be written to, where no gradients are recorded.

    Returns
    -------
    (B, h, w, D) tensor
        ``tokens + shared(tuned)``.
    """
    if not _can_add_in_place(shared, tokens):
        prompt: Tensor = shared(tuned)
        return tokens + prompt
    with torch.autocast("cpu", enabled=False):
        inner = tuned.flatten(0, 2).float()
        # the bias is one more row, which a product adds without another pass
        inner = torch.cat([inner, inner.new_ones(len(inner), 1)], dim=1)
        weight = torch.cat([shared.weight, shared.bias[:, None]], dim=1)
        tokens.flatten(0, 2).addmm_(inner, weight.T)
    return tokens


def _can_add_in_place(shared: nn.Linear, tokens: Tensor) -> bool:
    return (
        torch.is_inference_mode_enabled()
        and type(shared) is nn.Linear
        and tokens.device.type == "cpu"
        and tokens.dtype == torch.float32
        and tokens.is_contiguous()
    )
