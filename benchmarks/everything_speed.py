"""All objects of a plane, against the reference's automatic mask generator.

    PYTHONPATH=src REF/bin/python benchmarks/everything_speed.py [--sides 512 2048]
        [--per-side 32]

How to make REF stands in speed.py. vit_b with random weights, without the encoder: both
get the same embedding. Decoders do all their work, but random weights have neither
scores nor objects, so that both then go on with made-up ones: three blobs at each
point, a share of them with a good score. "Kept" counts boxes after all filters; both
ask at the same points and drop duplicates at the same overlap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from published import FixedEncoder, embedding, ours_like, reference_of
from rounds import (
    HEAD,
    alternate,
    machine,
    options,
    print_growth,
    print_memory,
    print_row,
)
from torch import Tensor, nn

from napari_sam_adapter import EverythingSettings, SamPredictor
from napari_sam_adapter.inference.network.decoding import Decoding
from napari_sam_adapter.inference.whole_planes import everything
from napari_sam_adapter.model.decoder.folded_decoder import FoundMasks
from napari_sam_adapter.model.encoder.image_encoder import EncodedImage
from napari_sam_adapter.model.files.checkpoints import Checkpoint
from napari_sam_adapter.model.layers import warm_up_vector_math
from napari_sam_adapter.seeds import grid_points

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MASKS, LOW = 3, 256
PASSING = 0.3
"""Share of masks whose score is good enough, as measured for trained networks."""
RADII = (6, 60)
"""Of the blobs, in pixels of a low-resolution mask."""
STEEPNESS = 2.0
"""Logits per such pixel at the border of a blob."""


class Invented:
    """Scores and masks for the points of a grid, in their order."""

    def __init__(self, per_side: int) -> None:
        rng = np.random.default_rng(0)
        count = per_side**2
        self.points = grid_points((1, 1), per_side) + 0.5  # 0 to 1
        good = rng.random((count, MASKS)) < PASSING
        scores = rng.uniform(0.9, 1, (count, MASKS)) - 0.3 * ~good
        first = rng.random((count, 1))  # not looked at: the mask for clear prompts
        self.scores = torch.from_numpy(np.hstack([first, scores])).float()
        self.radii = rng.uniform(*RADII, (count, MASKS))

    def masks(self, number: int) -> Tensor:
        """Return the three blobs of a point, (3, 256, 256)."""
        row, column = self.points[number] * LOW
        axis = np.arange(LOW) + 0.5
        distance = np.hypot(axis[:, None] - row, axis - column)
        blobs = STEEPNESS * (self.radii[number][:, None, None] - distance)
        return torch.from_numpy(blobs).float()


class InventedHead(nn.Module):
    """A score head that does its work and then answers from the table."""

    def __init__(self, head: nn.Module, invented: Invented) -> None:
        super().__init__()
        self.head, self.invented, self.done = head, invented, 0

    def forward(self, tokens: Tensor) -> Tensor:
        count = len(self.head(tokens.view(-1, tokens.shape[-1])))
        scores = self.invented.scores[self.done : self.done + count]
        self.done = (self.done + count) % len(self.invented.scores)
        return scores.view(*tokens.shape[:-1], -1)


class InventingDecoder(nn.Module):
    """The reference's decoder with blobs in place of its masks."""

    def __init__(self, decoder: nn.Module, invented: Invented) -> None:
        super().__init__()
        self.decoder, self.invented = decoder, invented

    def forward(self, **prompts: Tensor) -> tuple[Tensor, Tensor]:
        first = self.decoder.iou_prediction_head.done
        masks, scores = self.decoder(**prompts)
        blobs = [self.invented.masks(first + i) for i in range(len(masks))]
        return torch.stack(blobs), scores


class InventingDecoding(Decoding):
    """Our decoding with blobs in place of its masks."""

    def __init__(self, sam: nn.Module, invented: Invented) -> None:
        super().__init__(sam)
        self.invented = invented
        self._head = sam.mask_decoder.iou_prediction_head

    def decode_above(self, *args: object) -> Iterator[FoundMasks]:
        number = self._head.done
        least = args[-1]
        for found in super().decode_above(*args):
            passed = self.invented.scores[number, 1:] > least
            yield FoundMasks(self.invented.masks(number)[passed], found.scores)
            number += 1


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--sides", nargs="*", type=int, default=[512, 2048])
    parser.add_argument("--per-side", type=int, default=32)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    warm_up_vector_math()
    if chosen.peak:
        whose, side, per_side = chosen.peak
        way = ours if whose == "ours" else theirs
        print_growth(way(int(side), int(per_side)))
        return
    print(HEAD)
    for side in chosen.sides:
        what = f"{chosen.per_side} x {chosen.per_side} points, {side} x {side} pixels"
        compare(what, side, chosen.per_side, chosen.rounds)
        words = str(side), str(chosen.per_side)
        print_memory(
            f"{what}, memory", ["theirs", *words], ["ours", *words], chosen.threads
        )
    print(f"\n{machine()}")


def compare(what: str, side: int, per_side: int, rounds: int) -> None:
    boxes: dict[str, list] = {}
    one, other = theirs(side, per_side), ours(side, per_side)

    def note(name: str, run: Callable[[], list]) -> Callable[[], None]:
        return lambda: boxes.update({name: run()})

    seconds = alternate(note("theirs", one), note("ours", other), rounds)
    equal = "equal" if sorted(boxes["theirs"]) == sorted(boxes["ours"]) else "different"
    print_row(what, seconds, f"{len(boxes['ours'])} kept, {equal} boxes")


def image_of(side: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)


def theirs(side: int, per_side: int) -> Callable[[], list]:
    from segment_anything import SamAutomaticMaskGenerator, automatic_mask_generator

    automatic_mask_generator.batched_nms = without_duplicates
    invented, sam = Invented(per_side), reference_of("vit_b")
    sam.image_encoder = FixedEncoder(embedding())
    decoder = sam.mask_decoder
    decoder.iou_prediction_head = InventedHead(decoder.iou_prediction_head, invented)
    sam.mask_decoder = InventingDecoder(decoder, invented)
    grid = grid_points((side, side), per_side)[:, ::-1] / side
    generator = SamAutomaticMaskGenerator(sam, None, point_grids=[grid])

    def run() -> list:
        found = generator.generate(image_of(side))
        return [tuple(map(int, mask["bbox"])) for mask in found]

    return run


def without_duplicates(
    boxes: Tensor, scores: Tensor, groups: Tensor, iou_threshold: float
) -> Tensor:
    """Do what torchvision's operator does."""
    left, order = list(scores.argsort(descending=True, stable=True)), []
    corners = boxes.numpy()
    areas = (corners[:, 2:] - corners[:, :2]).prod(1)
    while left:
        best, rest = left[0], np.array(left[1:], int)
        order.append(int(best))
        low = np.maximum(corners[best, :2], corners[rest, :2])
        high = np.minimum(corners[best, 2:], corners[rest, 2:])
        shared = (high - low).clip(0).prod(1)
        left = list(
            rest[shared / (areas[best] + areas[rest] - shared) <= iou_threshold]
        )
    return torch.tensor(order)


def ours(side: int, per_side: int) -> Callable[[], list]:
    invented, sam = Invented(per_side), ours_like(reference_of("vit_b"), "vit_b")
    head = InventedHead(sam.mask_decoder.iou_prediction_head, invented)
    sam.mask_decoder.iou_prediction_head = head
    predictor = SamPredictor(Checkpoint(sam, None, ""), {"model": "vit_b"})
    predictor.network.encoder = lambda image: EncodedImage(embedding())
    predictor.network._decoding = InventingDecoding(sam, invented)
    settings = EverythingSettings(points_per_side=per_side, max_share=1.0)
    painted: list = []
    paint = everything._paint

    def noting(found: list, shape: tuple[int, int]) -> np.ndarray:
        painted[:] = [to_xywh(mask.box) for mask in found]
        return paint(found, shape)

    everything._paint = noting

    def run() -> list:
        everything.segment_everything(image_of(side), predictor, settings)
        return list(painted)

    return run


def to_xywh(box: tuple[int, int, int, int]) -> tuple[int, ...]:
    """Return a box as the reference does: sides from pixel middle to middle."""
    top, left, bottom, right = box
    return left, top, right - left - 1, bottom - top - 1


if __name__ == "__main__":
    main()
