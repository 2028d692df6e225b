"""The adapter's part of an encoding, against the way of the published code.

    python benchmarks/adapter_speed.py [--rounds 5]

Random weights; the tokens stand for those of vit_b at 1024 x 1024. The published way is
written here from its description: three complex transforms with the low frequencies set
to zero, the prompts of all blocks made first, each added to the tokens before its
block. The calls of a round alternate in one process; blocks are left out.

The last rows are what cannot be left out, bare: the twelve products and sums with the
tokens, and one real transform there and back for each channel that differs.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

import torch
from rounds import (
    HEAD,
    alternate,
    machine,
    options,
    print_growth,
    print_memory,
    print_row,
    timed,
)

from napari_sam_adapter.model.adapter import SamAdapter
from napari_sam_adapter.model.fast_adapter import as_addition
from napari_sam_adapter.model.fast_block import _add
from napari_sam_adapter.model.layers import warm_up_vector_math

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

WIDTH, DEPTH, SIDE, PATCH = 768, 12, 1024, 16
REMOVED = 0.25
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
IMAGES = {"grey": 1, "colour": 3}


def main() -> None:
    chosen = options(__doc__).parse_args()
    torch.set_num_threads(chosen.threads)
    warm_up_vector_math()
    adapter = random_adapter()
    tokens = torch.randn(1, SIDE // PATCH, SIDE // PATCH, WIDTH)
    with torch.inference_mode():
        if chosen.peak:
            print_peak(adapter, tokens, chosen.peak[0] == "published")
            return
        print(HEAD)
        for name, channels in IMAGES.items():
            compare(name, adapter, normalised(channels), tokens, chosen.rounds)
        print_floor(adapter, tokens, chosen.rounds)
    print_memory("adapter, memory", ["published"], ["ours"], chosen.threads)
    print(f"\n{machine()}")


def compare(
    name: str, adapter: SamAdapter, image: Tensor, tokens: Tensor, rounds: int
) -> None:
    places = torch.zeros(2, *tokens.shape)
    expected = published(adapter, image, tokens)
    difference = (ours(adapter, image, tokens, places) - expected).abs().max()
    seconds = alternate(
        lambda: published(adapter, image, tokens),
        lambda: ours(adapter, image, tokens, places),
        rounds,
    )
    print_row(f"adapter of vit_b, {name} image", seconds, f"{difference:.1e}")


def print_floor(adapter: SamAdapter, tokens: Tensor, rounds: int) -> None:
    """Print how long the sums take that every way has to do."""
    weight, place = adapter.shared_mlp.weight, torch.zeros_like(tokens)
    rows = torch.randn(SIDE // PATCH * (SIDE // PATCH), weight.shape[1])
    bias = torch.zeros_like(tokens[0, 0, 0])

    def inject() -> None:
        for _ in range(DEPTH):
            _add(tokens[0], rows, weight, bias, place[0])

    print_bare("12 products and sums", inject, rounds)
    for name, channels in IMAGES.items():
        image = normalised(channels)[:, :channels].contiguous()
        print_bare(
            f"transforms, {name} image",
            lambda image=image: torch.fft.irfft2(torch.fft.rfft2(image)),
            rounds,
        )


def print_bare(what: str, action: Callable[[], object], rounds: int) -> None:
    action()
    seconds = median(timed(action) for _ in range(rounds))
    print(f"| bare: {what} | | {1000 * seconds:.1f} ms | | |", flush=True)


def print_peak(adapter: SamAdapter, tokens: Tensor, is_published: bool) -> None:
    places = torch.zeros(2, *tokens.shape)

    def act(image: Tensor, tokens: Tensor, places: Tensor) -> Tensor:
        if is_published:
            return published(adapter, image, tokens)
        return ours(adapter, image, tokens, places)

    image = normalised(IMAGES["colour"])
    few = tokens[:, :4, :4].contiguous()
    act(image[..., :64, :64], few, torch.zeros(2, *few.shape))
    print_growth(lambda: act(image, tokens, places))


def random_adapter() -> SamAdapter:
    torch.manual_seed(0)
    adapter = SamAdapter(WIDTH, DEPTH).eval().requires_grad_(False)
    torch.nn.init.normal_(adapter.shared_mlp.weight, std=0.02)
    return adapter


def normalised(channels: int) -> Tensor:
    """Return noise as the encoder gets it, channels last in memory."""
    pixels = torch.randint(0, 256, (1, SIDE, SIDE, channels)).expand(-1, -1, -1, 3)
    return ((pixels - torch.tensor(MEAN)) / torch.tensor(STD)).permute(0, 3, 1, 2)


def ours(adapter: SamAdapter, image: Tensor, tokens: Tensor, places: Tensor) -> Tensor:
    """Add the prompts; `places` are where a block's answer goes in any case."""
    stream = tokens
    for i, tuned in enumerate(adapter.tuned(image, tokens, None)):
        added = as_addition(adapter.shared_mlp, tuned)
        place = places[i % 2]
        _add(stream[0], added.rows[0], added.weight, added.bias, place[0])
        stream = place
    return stream


def published(adapter: SamAdapter, image: Tensor, tokens: Tensor) -> Tensor:
    stream = tokens
    features = adapter.embedding_generator(tokens)
    features = features + adapter.prompt_generator(published_filter(image))
    layers = [adapter.get_submodule(f"lightweight_mlp_{i}") for i in range(DEPTH)]
    prompts = [adapter.shared_mlp(layer(features)) for layer in layers]
    for prompt in prompts:
        stream = stream + prompt
    return stream


def published_filter(image: Tensor) -> Tensor:
    rows, columns = image.shape[-2:]
    reach = int((rows * columns * REMOVED) ** 0.5 // 2)
    kept = torch.ones_like(image)
    middle = [slice(side // 2 - reach, side // 2 + reach) for side in (rows, columns)]
    kept[..., middle[0], middle[1]] = 0
    spectrum = torch.fft.fftshift(torch.fft.fft2(image, norm="forward")) * kept
    back = torch.fft.ifft2(torch.fft.ifftshift(spectrum), norm="forward")
    return back.real.abs()


if __name__ == "__main__":
    main()
