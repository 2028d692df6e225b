"""What it costs to follow many objects, against one, and twice as many slices.

    python benchmarks/many_objects.py [--objects 50] [--slices 25 50 100] [--threads 1]

`tiny` on a generated volume of 512 x 512: as many bright rods as objects, each a disk
on every slice that moves a little, painted by hand on the first slice and followed to
the last one. Following, and writing the masks into the labels, are timed together; the
time in which the network encodes slices is told apart. Of the rest, *decoder* is the
part in which the network answers prompts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from rounds import machine, options, timed

from napari_sam_adapter import Plane, Session, load_predictor
from napari_sam_adapter.volume.document.edits import Paint
from napari_sam_adapter.volume.propagation.following import follow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam_adapter import SamPredictor

SIDE, RADIUS = 512, 17.0
DRIFT, TURN = 9.0, 0.1
SEED = Plane((1, 2), (0,))


class Seconds(NamedTuple):
    """Where the time went."""

    encoding: float
    decoder: float
    rest: float

    @property
    def following(self) -> float:
        return self.decoder + self.rest


class Watched:
    """A predictor that takes the time of its two halves."""

    def __init__(self, predictor: SamPredictor) -> None:
        self._predictor = predictor
        self.encoding = self.decoder = 0.0

    def __getattr__(self, name: str) -> object:
        return getattr(self._predictor, name)

    def encode(self, image: np.ndarray) -> object:
        found = []
        self.encoding += timed(lambda: found.append(self._predictor.encode(image)))
        return found[0]

    def predict_nearby(self, *asked: object) -> object:
        found = []
        self.decoder += timed(
            lambda: found.append(self._predictor.predict_nearby(*asked))
        )
        return found[0]


class Rods(NamedTuple):
    """Rods through all slices of a volume."""

    volume: np.ndarray
    middles: np.ndarray
    """(slices, objects, 2): row and column."""

    @classmethod
    def made(cls, slices: int, count: int) -> Rods:
        rng = np.random.default_rng(0)
        per_side = int(np.ceil(np.sqrt(count)))
        places = (np.arange(per_side) + 0.5) * SIDE / per_side
        rows, columns = np.meshgrid(places, places, indexing="ij")
        start = np.stack([rows.ravel(), columns.ravel()], axis=-1)[:count]
        turn = rng.uniform(0, 2 * np.pi, count) + TURN * np.arange(slices)[:, None]
        middles = start + DRIFT * np.stack([np.sin(turn), np.cos(turn)], axis=-1)
        volume = rng.integers(20, 60, (slices, SIDE, SIDE), np.uint8)
        for plane, spots in zip(volume, middles, strict=True):
            for spot in spots:
                plane[disk(spot)] += 120
        return cls(volume, middles)


def disk(middle: Sequence[float]) -> np.ndarray:
    rows, columns = np.ogrid[:SIDE, :SIDE]
    return np.hypot(rows - middle[0], columns - middle[1]) < RADIUS


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--objects", type=int, default=50)
    parser.add_argument("--slices", nargs="*", type=int, default=[25, 50, 100])
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    predictor = Watched(load_predictor("tiny"))
    rods = Rods.made(1 + max(chosen.slices), chosen.objects)
    follow_rods(predictor, rods, 1, 2)  # makes what is made once
    head = "| slices | objects | encoding | decoder | all else | a slice and object |"
    print(f"{head}\n|--:|--:|--:|--:|--:|--:|")
    for slices in chosen.slices:
        runs = [
            [follow_rods(predictor, rods, count, slices) for _ in range(chosen.rounds)]
            for count in (1, chosen.objects)
        ]
        for count, seconds in zip((1, chosen.objects), runs, strict=True):
            print_row(slices, count, seconds)
        one, many = (np.median([s.following for s in run]) for run in runs)
        shared = np.median([s.encoding for run in runs for s in run])
        whole = (many + shared) / (one + shared)
        print(f"{many / one:.1f} times one object, {whole:.2f} with encoding")
    print(f"\n{machine()}")


def print_row(slices: int, count: int, rounds: Sequence[Seconds]) -> None:
    encoding, decoder, rest = np.median(np.array(rounds), axis=0)
    each = 1000 * (decoder + rest) / slices / count
    times = f"{encoding:.2f} s | {decoder:.2f} s | {rest:.2f} s | {each:.1f} ms"
    print(f"| {slices} | {count} | {times} |", flush=True)


def follow_rods(predictor: Watched, rods: Rods, count: int, slices: int) -> Seconds:
    session = Session(rods.volume[: 1 + slices], predictor, axes="zyx")
    objects = list(range(1, count + 1))
    for number, middle in zip(objects, rods.middles[0][:count], strict=True):
        pixels = np.argwhere(disk(middle))
        session.apply(Paint(SEED, pixels, np.full(len(pixels), number)))
    predictor.encoding = predictor.decoder = 0.0
    request = session.propagation(objects, seed=SEED)
    followed = 0

    def run() -> None:
        nonlocal followed
        for result in follow(request):
            if result is not None:
                followed += result.is_usable
                session.commit(result)

    whole = timed(run)
    if followed != count * slices:
        raise RuntimeError(f"Followed {followed} of {count * slices} masks.")
    encoding, decoder = predictor.encoding, predictor.decoder
    return Seconds(encoding, decoder, whole - encoding - decoder)


if __name__ == "__main__":
    main()
