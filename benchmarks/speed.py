"""How much faster than the reference implementation, and how much memory.

    python -m venv REF
    REF/bin/pip install torch==2.13.0 numpy pillow safetensors pooch platformdirs
    REF/bin/pip install scipy scikit-image transformers
    REF/bin/pip install --no-deps torchvision==0.28.0 segment-anything==1.0
    PYTHONPATH=src REF/bin/python benchmarks/speed.py [--models vit_b vit_l vit_h]

Runs in an environment of its own, because the reference needs torchvision. Random
weights, the same in both; the calls of a round alternate in one process, and a ratio is
the median of the rounds' ratios. The usual torchvision does not load beside PyTorch for
the CPU: the operators that it misses are declared here and not used.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_sam_adapter.inference.mask_pixels import to_pixels
from napari_sam_adapter.inference.preprocessing import frame_of
from napari_sam_adapter.model.folded_decoder import ImageSide, decode, to_rows
from napari_sam_adapter.model.layers import warm_up_vector_math
from napari_sam_adapter.model.sam import Sam, build_sam
from napari_sam_adapter.model.shape import TINY, VIT_B, VIT_H, VIT_L

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPES = {"vit_b": VIT_B, "vit_l": VIT_L, "vit_h": VIT_H}
MISSING = torch.library.Library("torchvision", "FRAGMENT")
for operator in ("nms", "qnms"):
    MISSING.define(f"{operator}(Tensor dets, Tensor scores, float limit) -> Tensor")
FORMATS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="*", default=["vit_b"], choices=SHAPES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--transformers", action="store_true", help="measure it too")
    parser.add_argument("--peak", help="only encode once: IMPLEMENTATION:MODEL")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warm_up_vector_math()
    if options.peak:
        print_growth(*options.peak.split(":"))
        return
    print("| what | reference | ours | ratio | difference |\n|---|--:|--:|--:|--:|")
    with torch.inference_mode():
        for name in options.models:
            compare_encoders(name, options.rounds, options.transformers)
        compare_decoders(options.rounds)
        compare_pixels(options.rounds)
        time_tiny(options.rounds)
    for name in options.models:
        for implementation in ("reference", "ours"):
            measure_growth(implementation, name, options.threads)
    print(f"\n{machine()}, {options.threads} threads, PyTorch {torch.__version__}")


def reference_of(name: str) -> torch.nn.Module:
    """Return the published network with random weights, none of them zero."""
    from segment_anything import sam_model_registry

    torch.manual_seed(0)
    network = sam_model_registry[name]().eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.02)
    return network


def ours_like(reference: torch.nn.Module, name: str) -> Sam:
    sam = build_sam(SHAPES[name]).eval().requires_grad_(False)
    sam.load_state_dict(reference.state_dict(), strict=True)
    return sam


def compare_encoders(name: str, rounds: int, with_transformers: bool) -> None:
    reference = reference_of(name)
    sam = ours_like(reference, name)
    image = torch.randn(1, 3, 1024, 1024)
    expected = reference.image_encoder(image)

    def encode(dtype: torch.dtype) -> torch.Tensor:
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            return sam.image_encoder(image).embedding.float()

    for label, dtype in FORMATS.items():
        difference = (encode(dtype) - expected).abs().max()
        seconds = alternate(
            lambda: reference.image_encoder(image), lambda d=dtype: encode(d), rounds
        )
        print_row(f"{name}, encode, {label}", seconds, f"{difference:.1e}")
    if with_transformers:
        other = transformers_encoder(name)
        seconds = alternate(lambda: other(image), lambda: encode(torch.float32), rounds)
        print_row(f"{name}, encode, reference is transformers", seconds, "")


def transformers_encoder(name: str) -> torch.nn.Module:
    from transformers import SamVisionConfig, SamVisionModel

    shape = SHAPES[name]
    config = SamVisionConfig(
        hidden_size=shape.width,
        num_hidden_layers=len(shape.windows),
        num_attention_heads=shape.heads,
        global_attn_indexes=[i for i, side in enumerate(shape.windows) if not side],
        mlp_dim=shape.mlp_width,
    )
    return SamVisionModel(config).eval().requires_grad_(False)


def compare_decoders(rounds: int) -> None:
    """Time points on an image whose decoder side is known, as after a first click."""
    reference = reference_of("vit_b")
    sam = ours_like(reference, "vit_b")
    embedding = torch.randn(1, 256, 64, 64)
    positions = sam.prompt_encoder.dense_positions()
    no_mask = sam.prompt_encoder.no_mask_embed.weight
    side = ImageSide(sam.mask_decoder, embedding, to_rows(positions), no_mask)
    for count in (1, 8, 64):
        points = torch.rand(count, 1, 2) * 1000, torch.ones(count, 1, dtype=torch.int64)

        def theirs(points=points) -> torch.Tensor:
            sparse, dense = reference.prompt_encoder(points, None, None)
            masks, _ = reference.mask_decoder(
                image_embeddings=embedding,
                image_pe=reference.prompt_encoder.get_dense_pe(),
                sparse_prompt_embeddings=sparse,
                dense_prompt_embeddings=dense,
                multimask_output=True,
            )
            return masks

        def ours(points=points) -> torch.Tensor:
            sparse = sam.prompt_encoder(points)[0]
            return decode(side, sparse, masks=slice(1, None))[0]

        one, other = theirs(), ours()
        flipped = int(((one > 0) != (other > 0)).sum())
        note = f"{(one - other).abs().max():.1e}, {flipped} flipped"
        print_row(f"decode {count} points", alternate(theirs, ours, rounds), note)


def compare_pixels(rounds: int) -> None:
    """Three blobs on planes of two sizes, scaled in the two published steps or ours."""
    distance = [np.hypot(*(np.indices((256, 256)) - 80 - 20 * i)) for i in range(3)]
    logits = torch.from_numpy(30 - np.stack(distance)).float()
    for size in (512, 2048):
        frame = frame_of((size, size), 1024)

        def theirs(frame=frame) -> np.ndarray:
            return (frame.to_masks(logits) > 0).numpy()

        def ours(frame=frame) -> np.ndarray:
            return to_pixels(logits, frame)

        flipped = f"{int((theirs() != ours()).sum())} flipped"
        seconds = alternate(theirs, ours, rounds)
        print_row(f"3 masks to {size} x {size} pixels", seconds, flipped)


def time_tiny(rounds: int) -> None:
    sam = build_sam(TINY).eval().requires_grad_(False)
    image = torch.randn(1, 3, 512, 512)
    encoded = sam.image_encoder(image)
    positions = sam.prompt_encoder.dense_positions()
    no_mask = sam.prompt_encoder.no_mask_embed.weight
    side = ImageSide(sam.mask_decoder, encoded.embedding, to_rows(positions), no_mask)
    points = torch.rand(1, 1, 2) * 500, torch.ones(1, 1, dtype=torch.int64)

    def plain() -> torch.Tensor:
        sparse, dense, maps = sam.prompt_encoder(points)
        return sam.mask_decoder(
            encoded.embedding, positions, sparse, dense, encoded.skips, maps
        )[0]

    def folded() -> torch.Tensor:
        sparse, dense, maps = sam.prompt_encoder(points)
        return decode(side, sparse, dense, encoded.skips, maps, slice(1, None))[0]

    print_row("tiny, decode 1 point, plain path", alternate(plain, folded, rounds), "")
    seconds = median(timed(lambda: sam.image_encoder(image)) for _ in range(rounds + 2))
    print(f"| tiny, encode 512 x 512 | | {1000 * seconds:.0f} ms | | |")


def alternate(
    theirs: Callable[[], object], ours: Callable[[], object], rounds: int
) -> list[tuple[float, float]]:
    return [(timed(theirs), timed(ours)) for _ in range(rounds)]


def timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def print_row(what: str, seconds: list[tuple[float, float]], note: str) -> None:
    theirs, ours = (1000 * median(column) for column in zip(*seconds, strict=True))
    ratio = median(a / b for a, b in seconds)
    print(
        f"| {what} | {theirs:.1f} ms | {ours:.1f} ms | {ratio:.1f} | {note} |",
        flush=True,
    )


def measure_growth(implementation: str, name: str, threads: int) -> None:
    command = [sys.executable, __file__, "--peak", f"{implementation}:{name}"]
    found = subprocess.run(
        [*command, "--threads", str(threads)],
        check=True,
        capture_output=True,
        text=True,
    )
    growth = found.stdout.strip()
    print(f"| {name}, memory above the weights, {implementation}: {growth} |")


def print_growth(implementation: str, name: str) -> None:
    network = reference_of(name) if implementation == "reference" else None
    encoder = (network or build_sam(SHAPES[name]).eval()).image_encoder
    image = torch.randn(1, 3, 1024, 1024)
    with torch.inference_mode():
        encoder.neck(torch.randn(1, SHAPES[name].width, 8, 8))  # loads the libraries
        before = peak()
        encoder(image)
    print(f"{(peak() - before) / 1e6:.0f} MB")


def peak() -> float:
    """Return the most memory that this process ever had, in bytes; Linux only."""
    with open("/proc/self/status", encoding="ascii") as file:
        (line,) = (line for line in file if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


def machine() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":")[1] for line in file if "model name" in line]
    except OSError:
        names = ["processor"]
    return f"{os.cpu_count()} cores of{names[0].rstrip()}"


if __name__ == "__main__":
    main()
