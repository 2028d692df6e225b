"""How much faster than the reference implementation, and how much memory.

    python -m venv REF
    REF/bin/pip install torch==2.13.0 numpy pillow safetensors pooch platformdirs
    REF/bin/pip install scipy scikit-image transformers
    REF/bin/pip install --no-deps torchvision==0.28.0 segment-anything==1.0
    PYTHONPATH=src REF/bin/python benchmarks/speed.py [--models vit_b vit_l vit_h]
        [--parts encode decode pixels memory] [--transformers] [--busy]

Runs in an environment of its own, because the reference needs torchvision. Random
weights, the same in both; the calls of a round alternate in one process, and a ratio is
the median of the rounds' ratios. Memory is the most that a process of its own used.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from published import SHAPES, ours_like, reference_of, transformers_encoder
from rounds import (
    HEAD,
    alternate,
    beside,
    machine,
    options,
    print_growth,
    print_memory,
    print_row,
)

from napari_sam_adapter import load_predictor
from napari_sam_adapter.inference.frame.preprocessing import frame_of
from napari_sam_adapter.inference.masks.mask_pixels import to_boxes, to_pixels
from napari_sam_adapter.model.decoder.folded_decoder import PromptSide, decode
from napari_sam_adapter.model.decoder.folded_upscaling import to_rows
from napari_sam_adapter.model.decoder.image_side import ImageSide
from napari_sam_adapter.model.layers import warm_up_vector_math
from napari_sam_adapter.model.sam import build_sam

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam_adapter.boxed_mask import BoxedMask
    from napari_sam_adapter.inference.masks.mask_pixels import MaskInBox

FORMATS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
PARTS = "encode", "decode", "pixels", "memory"
SPOTS = 16


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--models", nargs="*", default=["vit_b"], choices=SHAPES)
    parser.add_argument("--parts", nargs="*", default=PARTS, choices=PARTS)
    parser.add_argument("--transformers", action="store_true", help="measure it too")
    parser.add_argument("--busy", action="store_true", help="beside a foreign loop")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    warm_up_vector_math()
    if chosen.peak:
        print_growth(prepared(*chosen.peak))
        return
    print(HEAD)
    with torch.inference_mode(), beside(chosen.busy):
        if "encode" in chosen.parts:
            for name in chosen.models:
                compare_encoders(name, chosen.rounds, chosen.transformers)
        if "decode" in chosen.parts:
            compare_decoders(chosen.rounds)
        if "pixels" in chosen.parts:
            compare_pixels(chosen.rounds)
    if "memory" in chosen.parts:
        for name in chosen.models:
            compare_memory(name, chosen.threads)
    print(f"\n{machine()}")


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
        note = f"{difference:.1e}"
        if dtype != torch.float32:
            note += f", masks overlap by {overlap(reference, expected, encode(dtype))}"
        print_row(f"{name}, encode, {label}", seconds, note)
    if with_transformers:
        other = transformers_encoder(name)
        seconds = alternate(lambda: other(image), lambda: encode(torch.float32), rounds)
        print_row(f"{name}, encode, reference is transformers", seconds, "")


def overlap(
    reference: torch.nn.Module, expected: torch.Tensor, found: torch.Tensor
) -> str:
    """Return the mean and the least IoU of masks at some points.

    Masks of random networks are cut at the median of their logits.
    """
    points = torch.rand(SPOTS, 1, 2) * 1000, torch.ones(SPOTS, 1, dtype=torch.int64)
    one, other = (logits_of(reference, each, points) for each in (expected, found))
    middle = one.flatten(2).median(-1).values[..., None, None]
    either = ((one > middle) | (other > middle)).sum((-2, -1))
    ious = ((one > middle) & (other > middle)).sum((-2, -1)) / either
    return f"{ious.mean():.4f} (least {ious.min():.4f})"


def logits_of(
    reference: torch.nn.Module,
    embedding: torch.Tensor,
    points: tuple[torch.Tensor, ...],
) -> torch.Tensor:
    """Decode three masks at each point."""
    sparse, dense = reference.prompt_encoder(points, None, None)
    logits: torch.Tensor = reference.mask_decoder(
        image_embeddings=embedding,
        image_pe=reference.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=True,
    )[0]
    return logits


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
            return logits_of(reference, embedding, points)

        def ours(points=points) -> torch.Tensor:
            sparse = sam.prompt_encoder(points)[0]
            return decode(side, PromptSide(sparse), slice(1, None))[0]

        one, other = theirs(), ours()
        flipped = (one > 0) != (other > 0)
        note = f"{(one - other).abs().max():.1e}, {int(flipped.sum())} flipped"
        if flipped.any():
            note += f", at most {one[flipped].abs().max():.0e} from zero"
        print_row(f"decode {count} points", alternate(theirs, ours, rounds), note)


def compare_pixels(rounds: int) -> None:
    """Blobs on planes of two sizes, scaled in the two published steps or ours.

    Ours is an array for each whole mask, as a prediction gives it to scripts, or masks
    in their boxes: for automatic masks with their stability, which the reference leaves
    out, and without, as a window and a volume take them.
    """
    for size, count in ((512, 3), (2048, 3), (2048, 48)):
        places = [80 + 20 * (i % 3) for i in range(count)]
        distance = [np.hypot(*(np.indices((256, 256)) - place)) for place in places]
        logits = torch.from_numpy(30 - np.stack(distance)).float()
        frame = frame_of((size, size), 1024)

        def theirs(frame=frame, logits=logits) -> np.ndarray:
            return (frame.to_masks(logits) > 0).numpy()

        def ours(frame=frame, logits=logits) -> list[np.ndarray]:
            return [mask.full() for mask in to_pixels(logits, frame)]

        flipped = f"{int((theirs() != np.stack(ours())).sum())} flipped"
        seconds = alternate(theirs, ours, rounds)
        print_row(f"{count} masks to {size} x {size} pixels", seconds, flipped)

        def boxed(frame=frame, logits=logits) -> list[MaskInBox]:
            return list(to_boxes(logits, frame))

        seconds = alternate(theirs, boxed, rounds)
        print_row(f"{count} masks in boxes of {size} x {size} pixels", seconds, "")

        def plain(frame=frame, logits=logits) -> list[BoxedMask]:
            return to_pixels(logits, frame)

        seconds = alternate(theirs, plain, rounds)
        print_row(f"the same, {count} masks without stability", seconds, "")


def compare_memory(name: str, threads: int) -> None:
    what = f"{name}, encode, memory above the weights"
    print_memory(what, ["encode", "reference", name], ["encode", "ours", name], threads)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / f"{name}.pth")
        torch.save(build_sam(SHAPES[name]).state_dict(), path)
        size = Path(path).stat().st_size / 1e6
        what = f"{name}, load a file of {size:,.0f} MB and encode, memory"
        load = ["load", "reference", name, path], ["load", "ours", name, path]
        print_memory(what, *load, threads)


def prepared(what: str, whose: str, name: str, path: str = "") -> Callable[[], object]:
    """Return what to measure the memory of."""
    if what == "load":
        return lambda: load_and_encode(whose, name, path)
    network = reference_of(name) if whose == "reference" else build_sam(SHAPES[name])
    encoder = network.eval().image_encoder
    image = torch.randn(1, 3, 1024, 1024)
    with torch.inference_mode():
        encoder.neck(torch.randn(1, SHAPES[name].width, 8, 8))  # loads the libraries
    return torch.inference_mode()(lambda: encoder(image))


def load_and_encode(whose: str, name: str, path: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), np.uint8)
    if whose == "ours":
        load_predictor(path, device="cpu", dtype="float32").encode(image)
        return
    from segment_anything import SamPredictor, sam_model_registry

    SamPredictor(sam_model_registry[name](checkpoint=path)).set_image(image)


if __name__ == "__main__":
    main()
