"""The adapter's part of an encoding, against the way of the published code.

    python benchmarks/adapter_speed.py [--rounds 9]

Random weights; the tokens stand for those of vit_b at 1024 x 1024. The published way is
written here step by step from its description: mask, three complex transforms there and
back, the sum of both features anew for each block, the prompts of all blocks made
first, each added to the tokens before its block. Both ways begin with the image and the
patch embedding and end with the last prompt in the tokens, and read the patch embedding
in the published order. Each gets the image in memory as it gets it from what comes
before: ours with the channels last, the published way with them first.

*Added to blocks*: the time of twelve blocks with an adapter less that without one, for
each way; so it counts what a user waits for. The blocks are cut down to a norm and an
MLP of 64 numbers, because the whole ones take a hundred times as long as the adapter
and vary by more than it takes. *On its own*: the same without any blocks, where ours
has to go through all tokens once for each prompt. In both, a call finds the memory that
an unmeasured one of its own kind has used; else most of the published way's time would
go into clearing fresh memory.

The last rows are what cannot be left out, bare: the products of the twelve prompts, and
one real transform there and back for each channel that differs.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

import torch
from rounds import (
    HEAD,
    machine,
    options,
    print_growth,
    print_memory,
    print_row,
    timed,
)

from napari_sam_adapter.model.adapter import SamAdapter
from napari_sam_adapter.model.fast_adapter import _as_addition
from napari_sam_adapter.model.fast_block import _add_mlp, add_to
from napari_sam_adapter.model.image_encoder import Block
from napari_sam_adapter.model.layers import warm_up_vector_math
from napari_sam_adapter.model.products import product

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from napari_sam_adapter.model.fast_block import Addition

WIDTH, DEPTH, SIDE, PATCH = 768, 12, 1024, 16
HEADS, NARROW, TOGETHER = 12, 64, 1024
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
        compare_all(adapter, tokens, chosen.rounds)
    print_memory("adapter, memory", ["published"], ["ours"], chosen.threads)
    print(f"\n{machine()}")


def compare_all(adapter: SamAdapter, tokens: Tensor, rounds: int) -> None:
    for name, channels in IMAGES.items():
        added_to_blocks(name, adapter, normalised(channels), tokens, rounds)
    for name, channels in IMAGES.items():
        compare(name, adapter, normalised(channels), tokens, rounds)
    print_floor(adapter, rounds)


def added_to_blocks(
    name: str, adapter: SamAdapter, image: Tensor, tokens: Tensor, rounds: int
) -> None:
    blocks = [Block(WIDTH, HEADS, NARROW, 0, None).eval() for _ in range(DEPTH)]
    stream = torch.empty_like(tokens)

    def theirs(prompts: list[Tensor]) -> Tensor:
        out = tokens
        for i, block in enumerate(blocks):
            if prompts:
                out = out + prompts[i]
            out = out + block.mlp(block.norm2(out))
        return out

    def ours(prompts: list[Addition]) -> Tensor:
        if prompts:
            add_to(stream, prompts[0])
        following = prompts[1:] or [None] * (DEPTH - 1)
        for block, added in zip(blocks, [*following, None], strict=True):
            rows = added and added.of_image(0)
            _add_mlp(block, stream.view(-1, WIDTH), torch.float32, rows)
        return stream

    def adapted() -> Tensor:
        return ours(additions(adapter, image, tokens))

    planar = image.contiguous()

    def published_way() -> Tensor:
        return theirs(all_prompts(adapter, planar, tokens))

    stream.copy_(tokens)
    difference = (published_way() - adapted()).abs().max()
    seconds = []
    for _ in range(rounds):
        stream.copy_(tokens)
        their_time = warm(published_way) - warm(lambda: theirs([]))
        seconds.append((their_time, warm(adapted) - warm(lambda: ours([]))))
    print_row(f"added to blocks, {name} image", seconds, f"{difference:.1e}")


def warm(action: Callable[[], object]) -> float:
    """Return the seconds of a second run: the first finds the memory of another."""
    action()
    return timed(action)


def compare(
    name: str, adapter: SamAdapter, image: Tensor, tokens: Tensor, rounds: int
) -> None:
    planar = image.contiguous()
    difference = published(adapter, planar, tokens)
    difference -= ours(adapter, image, tokens, tokens.clone())
    stream = tokens.clone()
    seconds = [
        (
            warm(lambda: published(adapter, planar, tokens)),
            warm(lambda: ours(adapter, image, tokens, stream)),
        )
        for _ in range(rounds)
    ]
    print_row(f"on its own, {name} image", seconds, f"{difference.abs().max():.1e}")


def print_floor(adapter: SamAdapter, rounds: int) -> None:
    """Print how long the sums take that every way has to do."""
    weight, bias = adapter.shared_mlp.weight, adapter.shared_mlp.bias
    rows = torch.randn(TOGETHER, weight.shape[1])
    parts = DEPTH * (SIDE // PATCH) ** 2 // TOGETHER

    def multiply() -> None:
        for _ in range(parts):
            product(rows, weight, bias)

    print_bare("products of 12 prompts", multiply, rounds)
    for name, channels in IMAGES.items():
        planes = [plane.contiguous() for plane in normalised(channels)[0, :channels]]
        print_bare(
            f"transforms, {name} image",
            lambda planes=planes: [
                torch.fft.irfft2(torch.fft.rfft2(plane)) for plane in planes
            ],
            rounds,
        )


def print_bare(what: str, action: Callable[[], object], rounds: int) -> None:
    action()
    seconds = median(timed(action) for _ in range(rounds))
    print(f"| bare: {what} | | {1000 * seconds:.1f} ms | | |", flush=True)


def print_peak(adapter: SamAdapter, tokens: Tensor, is_published: bool) -> None:
    def act(image: Tensor, tokens: Tensor, stream: Tensor) -> Tensor:
        if is_published:
            return published(adapter, image, tokens)
        return ours(adapter, image, tokens, stream)

    image = normalised(IMAGES["colour"])
    few = tokens[:, :4, :4].contiguous()
    act(image[..., :64, :64], few, few.clone())
    stream = tokens.clone()
    print_growth(lambda: act(image, tokens, stream))


def random_adapter() -> SamAdapter:
    torch.manual_seed(0)
    adapter = (
        SamAdapter(WIDTH, DEPTH, published_order=True).eval().requires_grad_(False)
    )
    torch.nn.init.normal_(adapter.shared_mlp.weight, std=0.02)
    return adapter


def normalised(channels: int) -> Tensor:
    """Return noise as the encoder gets it, channels last in memory."""
    pixels = torch.randint(0, 256, (1, SIDE, SIDE, channels)).expand(-1, -1, -1, 3)
    return ((pixels - torch.tensor(MEAN)) / torch.tensor(STD)).permute(0, 3, 1, 2)


def ours(adapter: SamAdapter, image: Tensor, tokens: Tensor, stream: Tensor) -> Tensor:
    """Add the prompts to `stream`, in place."""
    for prompt in additions(adapter, image, tokens):
        add_to(stream, prompt)
    return stream


def additions(adapter: SamAdapter, image: Tensor, tokens: Tensor) -> list[Addition]:
    tuned = adapter.tuned(image, tokens, None)
    return [_as_addition(adapter.shared_mlp, rows) for rows in tuned]


def published(adapter: SamAdapter, image: Tensor, tokens: Tensor) -> Tensor:
    stream = tokens
    for prompt in all_prompts(adapter, image, tokens):
        stream = stream + prompt
    return stream


def all_prompts(adapter: SamAdapter, image: Tensor, tokens: Tensor) -> list[Tensor]:
    mixed = tokens.reshape(1, WIDTH, -1).permute(0, 2, 1)
    embedded = adapter.embedding_generator(mixed)
    filtered = adapter.prompt_generator.proj(published_filter(image))
    filtered = filtered.flatten(2).permute(0, 2, 1)
    layers = [adapter.get_submodule(f"lightweight_mlp_{i}") for i in range(DEPTH)]
    prompts = [adapter.shared_mlp(layer(filtered + embedded)) for layer in layers]
    return [prompt.reshape(tokens.shape) for prompt in prompts]


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


if __name__ == "__main__":
    main()
