"""The adapter's part of an encoding, against the way of the published code.

    PYTHONPATH=src REF/bin/python benchmarks/adapter_speed.py [--rounds 9]
        [--parts within blocks alone bare memory] [--images grey colour]

`REF` is the environment of `speed.py`; only the part `within` needs it. Random weights,
vit_b at 1024 x 1024. Both ways read the patch embedding in the published order, and
each gets the image in memory as it gets it from what comes before: ours with the
channels last, the published way with them first. See `published_adapter.py` for that.

*Within an encoding*: from patch embedding and image to the last prompt in the tokens,
by clocks in whole encodings; see `adapter_in_place.py`.

*Added to blocks*: the time of twelve blocks with an adapter less that without one, for
each way. The blocks are cut down to a norm and an MLP of 64 numbers, so that the
adapter's memory stays warm. *On its own*: the same without any blocks, where ours has
to go through all tokens once for each prompt. In both, a call finds the memory that an
unmeasured one of its own kind has used.

The last rows are what cannot be left out, bare: the products of the twelve prompts, and
one real transform there and back for each channel that differs.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

import torch
from adapter_in_place import compare_in_place
from published_adapter import (
    DEPTH,
    WIDTH,
    add_prompt,
    all_prompts,
    random_adapter,
    with_prompts,
)
from rounds import (
    HEAD,
    machine,
    options,
    print_growth,
    print_memory,
    print_row,
    timed,
)

from napari_sam_adapter.model.adapters.fast_adapter import as_additions
from napari_sam_adapter.model.encoder.fast_block import _add_mlp, add_to
from napari_sam_adapter.model.encoder.image_encoder import Block
from napari_sam_adapter.model.layers import warm_up_vector_math
from napari_sam_adapter.model.products import product

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from napari_sam_adapter.model.adapters.adapter import SamAdapter
    from napari_sam_adapter.model.encoder.fast_block import Addition

SIDE, PATCH = 1024, 16
HEADS, NARROW, TOGETHER = 12, 64, 4096
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
IMAGES = {"grey": 1, "colour": 3}
PARTS = "within", "blocks", "alone", "bare", "memory"


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--parts", nargs="*", default=PARTS, choices=PARTS)
    parser.add_argument("--images", nargs="*", default=IMAGES, choices=IMAGES)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    warm_up_vector_math()
    if chosen.peak:
        print_peak(chosen.peak[0] == "published")
        return
    print(HEAD)
    if "within" in chosen.parts:
        compare_in_place(chosen.images, chosen.rounds)
    with torch.inference_mode():
        compare_warm(chosen.parts, chosen.images, chosen.rounds)
    if "memory" in chosen.parts:
        print_memory("adapter, memory", ["published"], ["ours"], chosen.threads)
    print(f"\n{machine()}")


def compare_warm(parts: Sequence[str], images: Sequence[str], rounds: int) -> None:
    adapter, tokens = random_adapter(), random_tokens()
    for part, compare in {"blocks": added_to_blocks, "alone": on_its_own}.items():
        for name in images if part in parts else ():
            compare(name, adapter, normalised(IMAGES[name]), tokens, rounds)
    if "bare" in parts:
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
                out = add_prompt(out, prompts[i])
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


def on_its_own(
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


@torch.inference_mode()
def print_peak(is_published: bool) -> None:
    adapter, tokens = random_adapter(), random_tokens()

    def act(image: Tensor, tokens: Tensor, stream: Tensor) -> Tensor:
        if is_published:
            return published(adapter, image, tokens)
        return ours(adapter, image, tokens, stream)

    image = normalised(IMAGES["colour"])
    few = tokens[:, :4, :4].contiguous()
    act(image[..., :64, :64], few, few.clone())
    stream = tokens.clone()
    print_growth(lambda: act(image, tokens, stream))


def random_tokens() -> Tensor:
    return torch.randn(1, SIDE // PATCH, SIDE // PATCH, WIDTH)


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
    return as_additions(adapter.shared_mlp, adapter.tuned(image, tokens, None))


def published(adapter: SamAdapter, image: Tensor, tokens: Tensor) -> Tensor:
    prompts = all_prompts(adapter, image, tokens)
    return with_prompts([lambda x: x] * DEPTH, tokens, prompts)


if __name__ == "__main__":
    main()
