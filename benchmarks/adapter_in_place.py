"""The adapter's part of a whole encoding, by clocks around its steps.

Where MKL multiplies, prompts are added in place of a bias; what that step takes in an
encoding without an adapter is deducted, and the note of a row says what it was before.

The reference is the encoder of the package `segment_anything` with the published way's
prompts made before its blocks and added one by one, in `torch.no_grad` as its predictor
runs; ours is what `SamPredictor.encode` runs. Both have the same random weights, none
of them zero. Each is in a process of its own, which has encoded before, so that it
finds memory and caches as its own encodings leave them; the processes take turns.
"""

from __future__ import annotations

import multiprocessing
import time
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import torch
from published import ours_like, reference_of
from published_adapter import (
    add_prompt,
    all_prompts,
    random_adapter,
    with_prompts,
)
from rounds import now, print_row

from napari_sam_adapter import SamPredictor
from napari_sam_adapter.inference.frame.preprocessing import Pictures, frame_of, resize
from napari_sam_adapter.model.adapters import fast_adapter
from napari_sam_adapter.model.encoder import fast_block
from napari_sam_adapter.model.families.preparation import SAM
from napari_sam_adapter.model.files.checkpoints import Checkpoint
from napari_sam_adapter.model.layers import warm_up_vector_math

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.connection import Connection
    from typing import ParamSpec, TypeVar

    from torch import Tensor

    from napari_sam_adapter.inference.network.network import Network

    P = ParamSpec("P")
    T = TypeVar("T")
    Encode = Callable[[Tensor], Tensor]
    Way = Callable[[torch.nn.Module, "Clock"], tuple[Encode, ...]]

SIDE = 1024
REST = 0.2
"""Seconds until the threads of the other process sleep."""


class Clock:
    """Adds up the seconds of some steps, of steps within steps once."""

    def __init__(self) -> None:
        self._seconds, self._runs = 0.0, False

    def around(self, step: Callable[P, T]) -> Callable[P, T]:
        def clocked(*args: P.args, **kwargs: P.kwargs) -> T:
            if self._runs:
                return step(*args, **kwargs)
            self._runs, started = True, now()
            result = step(*args, **kwargs)
            self._seconds += now() - started
            self._runs = False
            return result

        return clocked

    def read(self, action: Callable[[], object]) -> float:
        """Return the seconds that the steps take in an action."""
        self._seconds = 0.0
        action()
        return self._seconds


def theirs(reference: torch.nn.Module, clock: Clock) -> tuple[Encode, ...]:
    """Return the reference's encoder with an adapter of the published kind."""
    encoder, adapter = reference.image_encoder, random_adapter()
    prompts_of = clock.around(all_prompts)
    add = clock.around(add_prompt)

    @torch.no_grad()
    def encode(image: Tensor) -> Tensor:
        tokens = encoder.patch_embed(image)
        prompts = prompts_of(adapter, image, tokens)
        tokens = with_prompts(encoder.blocks, tokens + encoder.pos_embed, prompts, add)
        embedding: Tensor = encoder.neck(tokens.permute(0, 3, 1, 2))
        return embedding

    return (encode,)


def ours(reference: torch.nn.Module, clock: Clock) -> tuple[Encode, ...]:
    """Return what the predictor runs, with clocks where the adapter works.

    Once with an adapter and once without: where MKL multiplies, prompts are added in
    place of a bias, which is added without them.
    """
    sam = ours_like(reference, "vit_b")
    networks = [
        SamPredictor(Checkpoint(sam, adapter, ""), {"model": "random weights"}).network
        for adapter in (random_adapter(), None)
    ]
    fast_adapter.as_additions = clock.around(fast_adapter.as_additions)
    fast_adapter.add_to = clock.around(fast_adapter.add_to)
    fast_block._add_product = clock.around(fast_block._add_product)
    fast_block._add_bias = clock.around(fast_block._add_bias)

    def encoding(network: Network) -> Encode:
        return lambda image: network.encode(image, (SIDE, SIDE))[0].embedding

    return tuple(encoding(network) for network in networks)


def compare_in_place(images: Sequence[str], rounds: int) -> None:
    """Print a row for each kind of image."""
    for name in images:
        with Encoding(theirs, name) as reference, Encoding(ours, name) as product:
            difference = np.abs(reference.answer() - product.answer()).max()
            measured = [(reference.seconds(), product.seconds()) for _ in range(rounds)]
        seconds = [(sum(one), sum(other)) for one, other in measured]
        whole = 1000 * median(other[0] for _, other in measured)
        note = f"{difference:.1e}, ours before the deduction {whole:.1f} ms"
        print_row(f"within an encoding, {name} image", seconds, note)


class Encoding:
    """An encoder in a process of its own, which waits while it is not asked."""

    def __init__(self, way: Way, image: str) -> None:
        processes = multiprocessing.get_context("spawn")
        self._pipe, other = processes.Pipe()
        what = way, image, torch.get_num_threads(), other
        self._process = processes.Process(target=serve, args=what, daemon=True)
        self._process.start()

    def __enter__(self) -> Encoding:
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.send(False)
        self._process.join()

    def answer(self) -> np.ndarray:
        """Return the embedding of the first encoding, which is not measured."""
        embedding: np.ndarray = self._pipe.recv()
        return embedding

    def seconds(self) -> list[float]:
        """Encode again; return what the adapter took of it, and what to deduct."""
        time.sleep(REST)
        self._pipe.send(True)
        found: list[float] = self._pipe.recv()
        return found


def serve(way: Way, name: str, threads: int, pipe: Connection) -> None:
    torch.set_num_threads(threads)
    warm_up_vector_math()
    with torch.no_grad():
        reference = reference_of("vit_b")
    clock = Clock()
    encode, *without = way(reference, clock)
    image = noise(name == "grey")
    if way is theirs:
        image = image.contiguous()
    pipe.send(encode(image).numpy())
    # nothing to deduct where oneDNN multiplies
    without = [f for f in without if clock.read(lambda f=f: f(image))]
    while pipe.recv():
        seconds = [clock.read(lambda: encode(image))]
        pipe.send(seconds + [-clock.read(lambda f=f: f(image)) for f in without])


def noise(is_grey: bool) -> Tensor:
    """Return (1, 3, SIDE, SIDE) as the predictor makes it, channels last in memory."""
    shape = (SIDE, SIDE, 1 if is_grey else 3)
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    rgb = np.ascontiguousarray(np.broadcast_to(pixels, (SIDE, SIDE, 3)))
    frame = frame_of((SIDE, SIDE), SIDE)
    pixels = resize(rgb, frame.resized, SAM.resampling)
    return Pictures([pixels], [frame]).to(torch.device("cpu"))
