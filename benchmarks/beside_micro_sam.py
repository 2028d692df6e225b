"""Volumes beside micro-sam: first mask, encoding, and following 1 and 20 objects.

    python -m venv MS
    MS/bin/pip install torch==2.13.0
    printf 'torch==2.13.0\ntorchvision==0.28.0\n' > constraints.txt
    MS/bin/pip install -c constraints.txt micro-sam==1.8.14 safetensors platformdirs
    PYTHONPATH=src MS/bin/python benchmarks/beside_micro_sam.py [--slices 16]
        [--objects 20]

Both load one file of random weights, vit_b for images of 512 x 512, and work on one
generated volume of 512 x 512 slices. *First mask*: from the volume to the mask of a box
on the middle slice, the network loaded; micro-sam embeds the volume first, as its tool
for volumes does. *Following*: from painted disks on the first slice to the last one, by
the box of the last mask (micro-sam's mask prompts do not fit networks for 512),
embeddings known; micro-sam's ``segment_mask_in_volume`` for each object by itself, as
its tool does; ours all objects together, masks written into the labels.

Random weights answer with noise, so that the networks do all their work and their masks
are then replaced with disks in the middles of the boxes: both follow the same objects
through the same slices, micro-sam with its stop rule off. The two alternate in one
process; a ratio is the median of the rounds' ratios.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import published  # noqa: F401  declares what torchvision misses for micro-sam
import torch
from micro_sam import util
from micro_sam.models.build_sam import sam_model_registry
from micro_sam.multi_dimensional_segmentation import segment_mask_in_volume
from micro_sam.prompt_based_segmentation import segment_from_box
from rounds import machine, options, print_row, timed
from torch import Tensor, nn

from napari_sam_adapter import (
    FollowRule,
    Plane,
    PropagationSettings,
    SamPredictor,
    Session,
    load_predictor,
)
from napari_sam_adapter.inference.network.decoding import Decoding
from napari_sam_adapter.volume.document.edits import DeleteObject, Paint
from napari_sam_adapter.volume.propagation.following import follow

if TYPE_CHECKING:
    from segment_anything import SamPredictor as PublishedPredictor

SIDE, LOW, RADIUS, PER_ROW = 512, 128, 20.0, 5
STEEPNESS = 2.0
SEED = Plane((1, 2), (0,))
BY_BOX = PropagationSettings(follow=FollowRule(use_mask=False))


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--slices", type=int, default=16)
    parser.add_argument("--objects", type=int, default=20)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    with tempfile.TemporaryDirectory() as folder:
        path = random_weights(Path(folder))
        theirs = util.get_sam_model("vit_b", "cpu", path, image_size=SIDE)
        ours = load_predictor(path, device="cpu", dtype="float32")
    rng = np.random.default_rng(0)
    volume = rng.integers(0, 256, (chosen.slices, SIDE, SIDE), np.uint8)
    print("| what | micro-sam | ours | ratio | |\n|---|--:|--:|--:|--:|")
    rounds = [
        one_round(theirs, ours, volume, chosen.objects) for _ in range(chosen.rounds)
    ]
    for what in rounds[0]:
        print_row(what, [numbers[what] for numbers in rounds], "")
    print(f"\n{machine()}")


def random_weights(folder: Path) -> Path:
    torch.manual_seed(0)
    network = sam_model_registry["vit_b"](image_size=SIDE)
    torch.save(network.state_dict(), folder / "vit_b.pth")
    return folder / "vit_b.pth"


def one_round(
    theirs: PublishedPredictor, ours: SamPredictor, volume: np.ndarray, count: int
) -> dict[str, tuple[float, float]]:
    """Return seconds of both by what was done."""
    slices, found = len(volume), {}
    first = (
        timed(lambda: first_mask(theirs, volume)),
        timed(lambda: our_first_mask(ours, volume)),
    )
    found["volume to first mask"] = first
    session = Session(volume, ours, axes="zyx")
    kept = []
    encoding = (
        timed(lambda: kept.append(embedded(theirs, volume))),
        timed(lambda: [session.encode_plane(SEED.at(0, z)) for z in range(slices)]),
    )
    (embeddings,) = kept
    found["encode a slice"] = tuple(t / slices for t in encoding)
    for number in (1, count):
        middles = places(number)
        followed = (
            timed(lambda places=middles: micro_sam(theirs, embeddings, places, slices)),
            follow_timed(session, middles),
        )
        steps = number * (slices - 1)
        objects = "1 object" if number == 1 else f"{number} objects"
        found[f"follow {objects}, a slice and object"] = tuple(
            t / steps for t in followed
        )
        found[f"{objects}, all {slices} slices, with encoding"] = tuple(
            a + b for a, b in zip(encoding, followed, strict=True)
        )
    return found


def places(count: int) -> list[tuple[int, int]]:
    """Return middles of disks, row and column."""
    step = SIDE // (PER_ROW + 1)
    return [(step * (1 + n // PER_ROW), step * (1 + n % PER_ROW)) for n in range(count)]


def disk(middle: tuple[float, float]) -> np.ndarray:
    rows, columns = np.ogrid[:SIDE, :SIDE]
    return np.hypot(rows - middle[0], columns - middle[1]) < RADIUS


def disk_logits(row: float, column: float) -> Tensor:
    """Return a disk around a place in pixels, as logits of low resolution."""
    axis = (np.arange(LOW) + 0.5) * SIDE / LOW
    distance = np.hypot(axis[:, None] - row, axis - column)
    return torch.from_numpy(STEEPNESS * (RADIUS - distance)).float()


def embedded(predictor: PublishedPredictor, volume: np.ndarray) -> dict:
    return util.precompute_image_embeddings(predictor, volume, ndim=3, verbose=False)


def first_mask(predictor: PublishedPredictor, volume: np.ndarray) -> np.ndarray:
    embeddings, middle = embedded(predictor, volume), len(volume) // 2
    box = np.array([200, 200, 240, 240])
    return segment_from_box(predictor, box, embeddings, i=middle)


def our_first_mask(predictor: SamPredictor, volume: np.ndarray) -> np.ndarray:
    session, plane = (
        Session(volume, predictor, axes="zyx"),
        SEED.at(0, len(volume) // 2),
    )
    object_id = session.new_object()
    session.set_box(object_id, plane, (200, 200, 240, 240))
    return session.mask(object_id, plane)


class DiskDecoder(nn.Module):
    """The published decoder with a disk in place of its mask."""

    def __init__(self, decoder: nn.Module, disk: Tensor) -> None:
        super().__init__()
        self.decoder, self.disk = decoder, disk

    def forward(self, **prompts: Tensor) -> tuple[Tensor, Tensor]:
        masks, scores = self.decoder(**prompts)
        return self.disk.expand_as(masks), scores


class DiskDecoding(Decoding):
    """Our decoding with a disk in the middle of each box in place of its mask."""

    def decode(self, embedding, prompts, masks, near=()):
        found, scores = super().decode(embedding, prompts, masks, near)
        middles = (prompts.boxes[:, :2] + prompts.boxes[:, 2:]).flip(1) / 2
        made = [disk_logits(*middle.tolist()) for middle in middles]
        return torch.stack(made)[:, None].expand_as(found), torch.full_like(scores, 0.9)


def micro_sam(
    predictor: PublishedPredictor,
    embeddings: dict,
    middles: list[tuple[int, int]],
    slices: int,
) -> None:
    decoder = predictor.model.mask_decoder
    for middle in middles:
        volume = np.zeros((slices, SIDE, SIDE), np.uint32)
        volume[0] = disk(middle)
        predictor.model.mask_decoder = DiskDecoder(decoder, disk_logits(*middle))
        volume, _ = segment_mask_in_volume(
            volume, predictor, embeddings, np.array([0]), False, False, 0.0,
            "box",
        )  # fmt: skip
        if not volume.any(axis=(1, 2)).all():
            raise RuntimeError("micro-sam lost an object.")
    predictor.model.mask_decoder = decoder


def follow_timed(session: Session, middles: list[tuple[int, int]]) -> float:
    """Return the seconds of following all objects; they are painted before."""
    objects = [session.new_object() for _ in middles]
    for number, middle in zip(objects, middles, strict=True):
        pixels = np.argwhere(disk(middle))
        session.apply(Paint(SEED, pixels, np.full(len(pixels), number)))
    network = session.predictor.network
    plain, network._decoding = network._decoding, DiskDecoding(network.sam)
    usable = []

    def run() -> None:
        for result in follow(session.propagation(objects, seed=SEED, settings=BY_BOX)):
            if result is not None:
                usable.append(result.is_usable)
                session.commit(result)

    seconds = timed(run)
    network._decoding = plain
    if sum(usable) != len(middles) * (session.labels.shape[0] - 1):
        raise RuntimeError("Ours lost an object.")
    for number in objects:
        session.apply(DeleteObject(number))
    return seconds


if __name__ == "__main__":
    main()
