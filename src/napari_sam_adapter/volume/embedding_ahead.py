"""Embed a whole stack ahead of its use, in batches; can be stopped and gone on with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.volume.embedding_store import embedding_key
from napari_sam_adapter.volume.window_search import FIRST
from napari_sam_adapter.volume.windows import all_windows, is_large

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    import numpy.typing as npt

    from napari_sam_adapter.predictions import PackingPredictor
    from napari_sam_adapter.volume.embedding_store import EmbeddingStore
    from napari_sam_adapter.volume.plane import Plane
    from napari_sam_adapter.volume.planes import Volume

BATCH = 4


@dataclass(frozen=True)
class EmbeddedPlane:
    """What became of one plane.

    Parameters
    ----------
    plane : Plane
        Where.
    was_there : bool
        Whether the store had it already.
    problem : str
        Why it cannot be embedded, or empty.
    keys : tuple of str
        Its entries in the store: one, or one per window of a large plane.
    """

    plane: Plane
    was_there: bool = False
    problem: str = ""
    keys: tuple[str, ...] = ()


def embed_ahead(
    volume: Volume,
    predictor: PackingPredictor,
    store: EmbeddingStore,
    planes: Iterable[Plane],
    batch: int = BATCH,
) -> Iterator[EmbeddedPlane]:
    """Embed planes and keep them; those that are kept already are skipped.

    Of large planes all windows of a first look are embedded, see `WindowSearch`.

    Parameters
    ----------
    volume : Volume
        The image.
    predictor : PackingPredictor
        The network.
    store : EmbeddingStore
        Where to keep them.
    planes : iterable of Plane
        Of one shape.
    batch : int
        Planes, or windows of large planes, in one pass.

    Yields
    ------
    EmbeddedPlane
        One per plane, in order. What was yielded is on disk, unless `store.problem`
        says otherwise.
    """
    for step in embedding_steps(volume, predictor, store, planes, batch):
        if step is not None:
            yield step


def embedding_steps(
    volume: Volume,
    predictor: PackingPredictor,
    store: EmbeddingStore,
    planes: Iterable[Plane],
    batch: int = BATCH,
) -> Iterator[EmbeddedPlane | None]:
    """Do what `embed_ahead` does, and let others have the device in between.

    Parameters
    ----------
    volume, predictor, store, planes, batch
        As in `embed_ahead`.

    Yields
    ------
    EmbeddedPlane or None
        None after every pass through the network.
    """
    steps: list[EmbeddedPlane] = []
    waiting: list[tuple[str, npt.NDArray[np.uint8]]] = []
    description = predictor.description
    for plane in planes:
        try:
            image = volume.read_uint8(plane)
        except ImageError as error:
            steps.append(EmbeddedPlane(plane, problem=str(error)))
            continue
        keys = {
            embedding_key(part, description): part
            for part in _parts(image, predictor.image_size)
        }
        missing = [(key, part) for key, part in keys.items() if not _has(store, key)]
        steps.append(EmbeddedPlane(plane, not missing, keys=tuple(keys)))
        waiting += missing
        if len(waiting) >= batch or not waiting:
            yield from _embed(predictor, store, waiting, batch)
            yield from steps
            steps, waiting = [], []
    yield from _embed(predictor, store, waiting, batch)
    yield from steps


def _has(store: EmbeddingStore, key: str) -> bool:
    """Return whether an embedding is kept, and let it not be the next to go."""
    is_there = key in store
    if is_there:
        store.mark_used(key)
    return is_there


def _parts(image: npt.NDArray[np.uint8], side: int) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield what the network sees: all of a plane, or the windows of a first look."""
    shape = image.shape[0], image.shape[1]
    if not is_large(shape, side):
        yield image
        return
    for window in all_windows(shape, side // FIRST):
        part = image[window.slices]
        if part.min() < part.max():  # else no prompt is answered there
            yield part


def _embed(
    predictor: PackingPredictor,
    store: EmbeddingStore,
    waiting: list[tuple[str, npt.NDArray[np.uint8]]],
    batch: int,
) -> Iterator[None]:
    for start in range(0, len(waiting), batch):
        part = waiting[start : start + batch]
        embeddings = predictor.encode_batch([image for _, image in part])
        for (key, _), embedding in zip(part, embeddings, strict=True):
            store.save(key, predictor.pack(embedding))
        yield None
