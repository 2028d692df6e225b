"""What one more object costs on a slice, against the scheme of other tools.

    PYTHONPATH=src REF/bin/python benchmarks/propagation_speed.py
        [--sides 512 2048 4096]

How to make REF stands in speed.py. vit_b with random weights; embeddings are known, and
the masks are made-up disks of 100 pixels, so that all follow the same objects for the
same slices; the networks do all their work. Ours makes masks in the box of the object
and a margin; trained masks end there, so random ones are told to.

*Reference*: the published decoder; each object by itself, slice by slice: box and mask
prompt from the mask of the whole slice, the next mask, its overlap with the last.
*Ours*: `follow`, all objects of a slice together. The time of one object alone is taken
off, so that what all objects share (reading a slice, looking up its embedding) is told
apart, in the last column. Writing into the labels is not part of either.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from published import FixedEncoder, embedding, ours_like, reference_of
from rounds import HEAD, machine, options, print_row, timed
from torch import Tensor, nn

from napari_sam_adapter import Plane, SamPredictor, Session
from napari_sam_adapter.inference.network.decoding import Decoding
from napari_sam_adapter.model.encoder.image_encoder import EncodedImage
from napari_sam_adapter.model.files.checkpoints import Checkpoint
from napari_sam_adapter.model.layers import warm_up_vector_math
from napari_sam_adapter.volume.document.edits import Paint
from napari_sam_adapter.volume.propagation.following import follow

if TYPE_CHECKING:
    from collections.abc import Callable

LOW, RADIUS, SLICES, OBJECTS = 256, 50, 4, 8
STEEPNESS, MARGIN, CERTAIN = 2.0, 0.05, 8.0


class Disks(NamedTuple):
    """Disks of one size on slices of one side."""

    side: int

    def centres(self) -> list[tuple[float, float]]:
        """Return middles in pixels, first the one that is looked for alone."""
        places = np.linspace(0.2, 0.8, 3) * self.side
        return [(float(y), float(x)) for y in places for x in places]

    def mask(self, centre: tuple[float, float]) -> np.ndarray:
        rows, columns = np.ogrid[: self.side, : self.side]
        return np.hypot(rows - centre[0], columns - centre[1]) < RADIUS

    def logits(self, y: float, x: float) -> Tensor:
        """Return a disk around a place given in low-resolution pixels."""
        return disk_of(RADIUS * LOW / self.side, y, x)


@cache
def disk_of(radius: float, y: float, x: float) -> Tensor:
    axis = np.arange(LOW) + 0.5
    distance = np.hypot(axis[:, None] - y, axis - x)
    return torch.from_numpy(STEEPNESS * (radius - distance)).float()


class DiskDecoder(nn.Module):
    """The reference's decoder with a disk in place of its mask."""

    def __init__(self, decoder: nn.Module, disk: Tensor) -> None:
        super().__init__()
        self.decoder, self.disk = decoder, disk

    def forward(self, **prompts: Tensor) -> tuple[Tensor, Tensor]:
        masks, scores = self.decoder(**prompts)
        return self.disk.expand_as(masks), scores


class DiskDecoding(Decoding):
    """Our decoding with a disk in the middle of each box in place of its mask."""

    def __init__(self, sam: nn.Module, disks: Disks) -> None:
        super().__init__(sam)
        self.disks = disks

    def decode(self, embedding, prompts, masks, near=()):
        found, scores = super().decode(embedding, prompts, masks, near)
        corners = prompts.boxes
        middles = (corners[:, :2] + corners[:, 2:]).flip(1) / 8  # (x, y), 256 wide
        made = [self.disks.logits(*middle.tolist()) for middle in middles]
        return torch.stack(made)[:, None].expand_as(found), torch.full_like(scores, 0.9)


class WholeSlices:
    """A predictor that calls no slice large: the reference knows no windows."""

    image_size = 1 << 20

    def __init__(self, predictor: SamPredictor) -> None:
        self._predictor = predictor

    def __getattr__(self, name: str) -> object:
        return getattr(self._predictor, name)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--sides", nargs="*", type=int, default=[512, 2048, 4096])
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    warm_up_vector_math()
    print(HEAD)
    reference = reference_of("vit_b")
    sam = ours_like(reference, "vit_b")
    mark_nothing(sam)
    for side in chosen.sides:
        disks = Disks(side)
        one, many = (following(sam, disks, count) for count in (1, 1 + OBJECTS))
        other = published_scheme(reference, side)
        one()  # makes what is made once for slices of a size
        rounds, shared = [], []
        for _ in range(chosen.rounds):
            alone, together, theirs = timed(one), timed(many), timed(other)
            added = (together - alone) / OBJECTS / SLICES
            rounds.append((theirs / SLICES, added))
            shared.append(1000 * (alone / SLICES - added))
        note = f"and {np.median(shared):,.0f} ms a slice for all objects"
        what = f"one more object on a slice of {side} x {side}"
        print_row(what, rounds, note)
    print(f"\n{machine()}")


def mark_nothing(sam: nn.Module) -> None:
    """Let no random mask reach out of its box; the sums to be done stay the same."""
    last = sam.mask_decoder.output_upscaling[3]
    last.weight.zero_()
    last.bias.fill_(1)
    for network in sam.mask_decoder.output_hypernetworks_mlps:
        network.layers[-1].weight.zero_()
        network.layers[-1].bias.fill_(-1)


def following(sam: nn.Module, disks: Disks, count: int) -> Callable[[], None]:
    predictor = SamPredictor(Checkpoint(sam, None, ""), {"model": "vit_b"})
    predictor.network.encoder = lambda image: EncodedImage(embedding())
    predictor.network._decoding = DiskDecoding(sam, disks)
    rng = np.random.default_rng(0)
    plane = rng.integers(100, 130, (disks.side, disks.side), np.uint8)
    image = np.broadcast_to(plane, (1 + SLICES, *plane.shape))
    session = Session(image, WholeSlices(predictor), axes="zyx")
    seed = Plane((1, 2), (0,))
    objects = list(range(1, count + 1))
    for number, centre in zip(objects, disks.centres()[:count], strict=True):
        pixels = np.argwhere(disks.mask(centre))
        session.apply(Paint(seed, pixels, np.full(len(pixels), number)))

    def run() -> None:
        request = session.propagation(objects, seed=seed, again=True)
        found = [result for result in follow(request) if result is not None]
        usable = sum(result.is_usable for result in found)
        if usable != count * SLICES:
            raise RuntimeError(f"Lost objects: {[r.reason for r in found]}.")

    return run


def published_scheme(reference: nn.Module, side: int) -> Callable[[], None]:
    from segment_anything import SamPredictor as PublishedPredictor

    disks = Disks(side)
    centre = disks.centres()[0]
    disk = disks.logits(*(LOW / side * place for place in centre))
    reference.image_encoder = FixedEncoder(embedding())
    predictor = PublishedPredictor(reference)
    predictor.set_image(np.zeros((side, side, 3), np.uint8))

    def run() -> None:
        decoder = reference.mask_decoder
        reference.mask_decoder = DiskDecoder(decoder, disk)
        last = disks.mask(centre)
        for _ in range(SLICES):
            last = next_mask(predictor, last)
        reference.mask_decoder = decoder

    return run


def next_mask(predictor: object, last: np.ndarray) -> np.ndarray:
    rows, columns = np.where(last)
    box = np.array([columns.min(), rows.min(), columns.max(), rows.max()], float)
    grow = MARGIN * (box[2:] - box[:2])
    box = np.concatenate([box[:2] - grow, box[2:] + grow])[None]
    box = predictor.transform.apply_boxes(box, last.shape)
    soft = torch.from_numpy(last[None, None].astype(np.float32))
    soft = F.interpolate(soft, (LOW, LOW), mode="bilinear", antialias=True)
    logits, boxes = 2 * CERTAIN * (soft - 0.5), torch.from_numpy(box).float()
    masks, _, _ = predictor.predict_torch(None, None, boxes, logits, False)
    mask = masks[0, 0].numpy()
    shared, union = (mask & last).sum(), (mask | last).sum()
    if shared < 0.5 * union:
        raise RuntimeError("Lost the object.")
    return mask


if __name__ == "__main__":
    main()
