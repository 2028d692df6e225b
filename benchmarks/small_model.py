"""What a plane of 512 x 512 costs with `tiny`: encoding, clicks, the way to the disk.

    python benchmarks/small_model.py [--rounds 15] [--threads 2] [--busy]

A generated plane of bright disks, pixels in memory, and a photograph. "Cold" is the
first click on a plane: encoding and the mask. "Kept" is a plane of a session with a
store: encoding, rounding, writing. "Loaded" is one that was kept, ready for the
decoder; what is read is told apart from what is made anew of the pixels. Median of the
rounds.
"""

from __future__ import annotations

import tempfile
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import torch
from many_objects import Rods, disk
from rounds import beside, machine, options, timed
from skimage.data import camera

from napari_sam_adapter import EmbeddingStore, Plane, Prompts, load_predictor
from napari_sam_adapter.volume.asking.plane_predictor import PlanePredictor
from napari_sam_adapter.volume.embeddings.embedding_cache import EmbeddingCache
from napari_sam_adapter.volume.embeddings.embedding_store import embedding_key
from napari_sam_adapter.volume.planes.planes import Volume

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_sam_adapter import SamPredictor

OBJECTS = 50
PLANE = Plane((1, 2), (0,))


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--busy", action="store_true", help="beside a foreign loop")
    parser.set_defaults(rounds=15)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    predictor = load_predictor("tiny", device="cpu", dtype="float32")
    rods = Rods.made(1, OBJECTS)
    print("| what | time |\n|---|--:|")
    with tempfile.TemporaryDirectory() as folder, beside(chosen.busy):
        for what, action in actions(predictor, rods, folder):
            action()
            seconds = median(timed(action) for _ in range(chosen.rounds))
            print(f"| {what} | {1000 * seconds:.1f} ms |", flush=True)
    print(f"\n{machine()}")


def actions(
    predictor: SamPredictor, rods: Rods, folder: str
) -> Iterator[tuple[str, Callable[[], object]]]:
    image, spots = rods.volume[0], [tuple(spot) for spot in rods.middles[0]]
    embedding = predictor.encode(image)
    clicks = [Prompts([spot]) for spot in spots]
    followed = [followed_from(spot) for spot in spots]

    def cold() -> object:
        return predictor.predict(predictor.encode(image), clicks[0])

    photograph = camera()
    seen = predictor.encode(photograph)
    yield "encode", lambda: predictor.encode(image)
    yield "encode a photograph", lambda: predictor.encode(photograph)
    yield "one point to its mask", lambda: predictor.predict(embedding, clicks[0])
    yield "the same, photograph", lambda: predictor.predict(seen, clicks[0])
    yield "a cold click", cold
    yield "50 points at once", lambda: predictor.predict_many(embedding, clicks)
    one = followed[:1]
    yield "1 followed object", lambda: predictor.predict_nearby(embedding, one)
    yield "50 followed objects", lambda: predictor.predict_nearby(embedding, followed)

    def embed(store: EmbeddingStore) -> object:
        volume = Volume(rods.volume, axes="zyx")
        cache = EmbeddingCache(2**30)
        return PlanePredictor(volume, predictor, 1, cache, store=store).embed(PLANE)

    yield "kept: encode, round, write", lambda: embed(EmbeddingStore(fresh(folder)))
    store = EmbeddingStore(folder)
    key = embedding_key(image, predictor.description)
    store.save(key, predictor.pack(embedding))
    arrays = store.load(key)
    yield "loaded: read", lambda: store.load(key)
    yield (
        "loaded: made anew",
        lambda: predictor.unpack(arrays, image, embedding.frame.original),
    )


def followed_from(spot: tuple[float, float]) -> Prompts:
    mask = disk(spot)
    rows, columns = np.nonzero(mask)
    box = rows.min(), columns.min(), rows.max(), columns.max()
    return Prompts([spot], box=box, mask=mask)


def fresh(folder: str) -> str:
    return tempfile.mkdtemp(dir=folder)


if __name__ == "__main__":
    main()
