"""What rounding does to masks: bfloat16 while encoding, half precision on disk.

    python benchmarks/rounding.py DATA_SET.zip ... [--images 8] [--objects 6]

`tiny` on real images, asked in the middle of labelled objects, and vit_b with random
weights on the same images, where a mask is what lies above the middle of the logits.
The IoU is between the masks of one model from float32 embeddings and from rounded ones.
"Read" is what the store takes for an embedding that was read before, "load" is the
embedding ready for the decoder: `tiny` makes its finer maps anew. At last, how long the
choice of the number format takes, and what it chooses.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from itertools import islice
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from rounds import machine, timed

from napari_sam_adapter import (
    EmbeddingStore,
    Prompts,
    SamPredictor,
    load_predictor,
    open_dataset,
)
from napari_sam_adapter.datasets.reference import Reference
from napari_sam_adapter.evaluation.user import centre_of
from napari_sam_adapter.inference.network.fastest import choose_way
from napari_sam_adapter.model.files.checkpoints import Checkpoint
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import VIT_B
from napari_sam_adapter.volume.embeddings.embedding_store import embedding_key

if TYPE_CHECKING:
    from collections.abc import Iterator


class Asked(NamedTuple):
    """An image and where it is clicked."""

    image: np.ndarray
    prompts: list[Prompts]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--images", type=int, default=8, help="of each set")
    parser.add_argument("--objects", type=int, default=6, help="of each image")
    options = parser.parse_args()
    asked = [
        one for path in options.data for one in read(path, options.images, options)
    ]
    print(
        "| model | rounded | masks | mean IoU | least IoU | MB a slice | save | read "
        "| load |"
    )
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|")
    tiny = load_predictor("tiny", device="cpu", dtype="float32")
    compare("tiny", tiny, asked)
    compare("vit_b, random", random_vit_b(), asked[: max(2, len(asked) // 16)])
    seconds = timed(lambda: choose_way("cpu", "auto"))
    chosen = choose_way("cpu", "auto").dtype
    print(f'\n`dtype="auto"`: {chosen}, chosen in {1000 * seconds:.0f} ms')
    print(machine())


def read(path: Path, images: int, options: argparse.Namespace) -> Iterator[Asked]:
    found = open_dataset(path, split="val").read()
    readable = (pair for pair in found if isinstance(pair, Reference))
    for reference in islice(readable, images):
        numbers, sizes = np.unique(reference.labels, return_counts=True)
        largest = numbers[np.argsort(-sizes)]
        chosen = [number for number in largest if number][: options.objects]
        masks = [reference.labels == number for number in chosen]
        yield Asked(reference.image, [Prompts([centre_of(mask)]) for mask in masks])


def random_vit_b() -> SamPredictor:
    torch.manual_seed(0)
    sam = build_sam(VIT_B).eval().requires_grad_(False)
    for parameter in sam.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.02)
    return SamPredictor(Checkpoint(sam, None, ""), {"model": "vit_b"})


def compare(name: str, predictor: SamPredictor, asked: list[Asked]) -> None:
    half = SamPredictor(predictor._base, predictor.description, dtype=torch.bfloat16)
    ious, seconds = defaultdict(list), defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        store = EmbeddingStore(folder)
        for image, prompts in asked:
            exact = predictor.encode(image)
            expected = predictor.predict_many(exact, prompts)
            limits = [limit_of(name, answer.logits) for answer in expected]
            rounded = {
                "encoded in bfloat16": half.encode(image),
                "kept on disk": through(store, predictor, image, exact, seconds),
            }
            for how, embedding in rounded.items():
                found = predictor.predict_many(embedding, prompts)
                for one, other, limit in zip(expected, found, limits, strict=True):
                    ious[how].append(overlap(one.logits, other.logits, limit))
        size = sum(f.stat().st_size for f in Path(folder).rglob("*") if f.is_file())
    for how, values in ious.items():
        row = f"| {name} | {how} | {len(values)} | {np.mean(values):.4f} "
        row += f"| {min(values):.4f} |"
        if how == "kept on disk":
            row += f" {size / len(asked) / 1e6:.2f} "
            for key in ("save", "read", "load"):
                row += f"| {1000 * median(seconds[key]):.1f} ms "
            row += "|"
        print(row if how == "kept on disk" else f"{row} | | | |", flush=True)


def limit_of(name: str, logits: np.ndarray) -> float:
    return float(np.median(logits)) if "random" in name else 0.0


def overlap(one: np.ndarray, other: np.ndarray, limit: float) -> float:
    a, b = one > limit, other > limit
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 1.0


def through(store, predictor, image, embedding, seconds):
    """Save an embedding and load it, and note how long that takes."""
    key = embedding_key(np.asarray(image, np.uint8), predictor.description)
    shape = embedding.frame.original
    seconds["save"].append(timed(lambda: store.save(key, predictor.pack(embedding))))

    def load():
        return predictor.unpack(store.load(key), image, shape)

    load()
    seconds["read"].append(timed(lambda: store.load(key)))
    seconds["load"].append(timed(load))
    return load()


if __name__ == "__main__":
    main()
