"""Embed a whole stack ahead of its use, in batches; can be stopped and gone on with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.predictions import ReducingPredictor, is_large
from napari_sam_adapter.volume.asking.window_search import first_side
from napari_sam_adapter.volume.embeddings.embedding_store import embedding_key
from napari_sam_adapter.volume.planes.windows import all_windows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    import numpy.typing as npt

    from napari_sam_adapter.predictions import PackingPredictor
    from napari_sam_adapter.volume.embeddings.embedding_store import EmbeddingStore
    from napari_sam_adapter.volume.planes.plane import Plane
    from napari_sam_adapter.volume.planes.planes import Volume

BATCH = 4
NOTHING_TO_SEE = "Expected an image with structure, got a plane of one value."


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
    """

    plane: Plane
    was_there: bool = False
    problem: str = ""


@dataclass(frozen=True)
class Pass:
    """The network looked at some planes, or windows of them.

    Parameters
    ----------
    keys : tuple of str
        What is new in the store.
    """

    keys: tuple[str, ...]


def embedding_steps(
    volume: Volume,
    predictor: PackingPredictor,
    store: EmbeddingStore,
    planes: Iterable[Plane],
    batch: int = BATCH,
    reduction: float = 1.0,
) -> Iterator[EmbeddedPlane | Pass]:
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
    reduction : float
        As in `Prompts`: at which resolution large planes will be looked at.

    Yields
    ------
    EmbeddedPlane or Pass
        One `EmbeddedPlane` per plane, in order; what it names is on disk, unless
        `store.problem` says otherwise. A `Pass` after every pass through the network,
        so that others can have the device in between.
    """
    steps: list[EmbeddedPlane] = []
    waiting: dict[str, _Part] = {}
    for plane in planes:
        found, new = 0, 0
        try:
            for part in _parts(volume, plane, predictor, reduction):
                found += 1
                key = embedding_key(part.pixels, predictor.description)
                if not _has(store, key):
                    new += 1
                    waiting[key] = part
                if len(waiting) >= batch:
                    yield _embed(predictor, store, waiting)
        except ImageError as error:
            steps.append(EmbeddedPlane(plane, problem=str(error)))
        else:
            problem = "" if found else NOTHING_TO_SEE
            steps.append(EmbeddedPlane(plane, not new and not problem, problem))
        if not waiting:
            yield from steps
            steps = []
    if waiting:
        yield _embed(predictor, store, waiting)
    yield from steps


def count_windows(shape: tuple[int, int], side: int, reduction: float = 1.0) -> int:
    """Return how many parts of a plane are embedded ahead.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the plane.
    side : int
        Side of the network's input.
    reduction : float
        As in `embedding_steps`.

    Returns
    -------
    int
        At most so many: windows that show nothing are left out.
    """
    if not is_large(shape, side):
        return 1
    return len(all_windows(shape, first_side(side, reduction)))


def _has(store: EmbeddingStore, key: str) -> bool:
    """Return whether an embedding is kept, and let it not be the next to go."""
    is_there = key in store
    if is_there:
        store.mark_used(key)
    return is_there


class _Part(NamedTuple):
    """What the network sees, and rows and columns of the plane that it stands for."""

    pixels: npt.NDArray[np.uint8]
    shape: tuple[int, int]


def _parts(
    volume: Volume, plane: Plane, predictor: PackingPredictor, reduction: float
) -> Iterator[_Part]:
    """Yield what the network sees: all of a plane, or the windows of a first look."""
    shape, side = plane.shape(volume.shape), predictor.image_size
    if not is_large(shape, side):
        yield _Part(volume.read_uint8(plane), shape)
        return
    enough = side if isinstance(predictor, ReducingPredictor) else None
    for window in all_windows(shape, first_side(side, reduction)):
        try:
            pixels = volume.read_uint8(plane, window, enough)
        except ImageError:
            volume.read(plane, window, enough)  # raises again if that is what failed
            continue
        if pixels.min() < pixels.max():  # else no prompt is answered there
            yield _Part(pixels, window.shape)


def _embed(
    predictor: PackingPredictor, store: EmbeddingStore, waiting: dict[str, _Part]
) -> Pass:
    """Embed what is waiting, in one pass if nothing is reduced; nothing waits then."""
    done = Pass(tuple(waiting))
    parts = list(waiting.values())
    if isinstance(predictor, ReducingPredictor) and any(map(_is_reduced, parts)):
        embeddings = [predictor.encode_reduced(*part) for part in parts]
    else:
        embeddings = predictor.encode_batch([part.pixels for part in parts])
    for key, embedding in zip(waiting, embeddings, strict=True):
        store.save(key, predictor.pack(embedding))
    waiting.clear()
    return done


def _is_reduced(part: _Part) -> bool:
    return part.pixels.shape[:2] != part.shape
