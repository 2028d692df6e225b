"""The way of the published SAM-Adapter, written step by step from its description.

Mask, complex transforms there and back, the sum of both features anew for each block,
the prompts of all blocks made first. The published encoder also keeps the answers of
all blocks in a list that nobody reads; that is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_sam_adapter.model.adapters.adapter import SamAdapter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

WIDTH, DEPTH = 768, 12
REMOVED = 0.25


def random_adapter() -> SamAdapter:
    """Return one for vit_b that reads the patch embedding in the published order."""
    torch.manual_seed(0)
    adapter = (
        SamAdapter(WIDTH, DEPTH, published_order=True).eval().requires_grad_(False)
    )
    torch.nn.init.normal_(adapter.shared_mlp.weight, std=0.02)
    return adapter


def all_prompts(adapter: SamAdapter, image: Tensor, tokens: Tensor) -> list[Tensor]:
    """Return the prompts of all blocks for an image (1, 3, H, W), (1, h * w, D)."""
    mixed = tokens.reshape(1, WIDTH, -1).permute(0, 2, 1)
    embedded = adapter.embedding_generator(mixed)
    filtered = adapter.prompt_generator.proj(published_filter(image))
    filtered = filtered.flatten(2).permute(0, 2, 1)
    layers = [adapter.get_submodule(f"lightweight_mlp_{i}") for i in range(DEPTH)]
    return [adapter.shared_mlp(layer(filtered + embedded)) for layer in layers]


def published_filter(image: Tensor) -> Tensor:
    rows, columns = image.shape[-2:]
    reach = int((rows * columns * REMOVED) ** 0.5 // 2)
    removed = torch.zeros(image.shape)
    middle = [slice(side // 2 - reach, side // 2 + reach) for side in (rows, columns)]
    removed[..., middle[0], middle[1]] = 1
    spectrum = torch.fft.fftshift(torch.fft.fft2(image, norm="forward"))
    spectrum = spectrum * (1 - removed)
    spectrum = torch.complex(spectrum.real, spectrum.imag)
    back = torch.fft.ifft2(torch.fft.ifftshift(spectrum), norm="forward")
    return back.real.abs()


def add_prompt(tokens: Tensor, prompt: Tensor) -> Tensor:
    return prompt.reshape(tokens.shape) + tokens


def with_prompts(
    blocks: Iterable[Callable[[Tensor], Tensor]],
    tokens: Tensor,
    prompts: Iterable[Tensor],
    add: Callable[[Tensor, Tensor], Tensor] = add_prompt,
) -> Tensor:
    """Run blocks, each on tokens (1, h, w, D) with a prompt added."""
    for block, prompt in zip(blocks, prompts, strict=True):
        tokens = block(add(tokens, prompt))
    return tokens
