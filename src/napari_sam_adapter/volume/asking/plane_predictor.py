"""A predictor for the planes of one volume, for any thread."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.predictions import (
    NearbyPredictor,
    PackingPredictor,
    ReducingPredictor,
    is_large,
)
from napari_sam_adapter.volume.asking.window_search import (
    WindowSearch,
    as_part,
    first_side,
    look_together,
    looks_through_windows,
)
from napari_sam_adapter.volume.embeddings.embedding_store import embedding_key
from napari_sam_adapter.volume.planes.windows import Focus, window_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import numpy.typing as npt

    from napari_sam_adapter.predictions import MaskPrediction, Predictor
    from napari_sam_adapter.prompts import Prompts
    from napari_sam_adapter.volume.embeddings.embedding_cache import EmbeddingCache, Key
    from napari_sam_adapter.volume.embeddings.embedding_store import (
        Arrays,
        EmbeddingStore,
    )
    from napari_sam_adapter.volume.planes.plane import Plane
    from napari_sam_adapter.volume.planes.planes import Volume
    from napari_sam_adapter.volume.planes.windows import Window

    Near = Focus | tuple[float, float]
    Pixels = npt.NDArray[np.uint8]
    Kept = tuple[str, Arrays | None]


@dataclass(frozen=True, eq=False)
class PlanePredictor:
    """Reads, embeds and segments the planes of one volume.

    Parameters
    ----------
    volume : Volume
        The image.
    predictor : Predictor
        The network.
    number : int
        Tells predictors apart in the cache.
    cache : EmbeddingCache
        Where embeddings are kept.
    device : threading.Lock
        Held while the network runs, so that one job at a time uses the device.
        Nothing on the main thread but `Session.mask` takes it.
    store : EmbeddingStore or None
        Where embeddings are kept beyond the session.
    """

    volume: Volume
    predictor: Predictor
    number: int
    cache: EmbeddingCache
    device: threading.Lock = field(default_factory=threading.Lock)
    store: EmbeddingStore | None = None

    def embed(
        self,
        plane: Plane,
        image: npt.NDArray[np.uint8] | None = None,
        window: Window | None = None,
    ) -> Any:
        """Return the embedding of a plane; read and encode it only once.

        Parameters
        ----------
        plane : Plane
            Cut of the volume.
        image : (H, W) or (H, W, 3) uint8 array or None
            Its pixels, if they were read already.
        window : Window or None
            The part to embed; None for all of it.

        Returns
        -------
        object
            For the predictor only.

        Raises
        ------
        ImageError
            If the plane cannot be read or segmented.
        """
        key = self._key(plane, window)
        if (embedding := self.cache.get(key)) is not None:
            return embedding
        image = self._pixels(plane, image, window)
        shape = plane.shape(self.volume.shape) if window is None else window.shape
        kept = self._from_disk(image)
        with self.device:
            embedding = self.cache.get(key)
            if embedding is None:
                embedding = self._made(image, shape, kept)
            self.cache.put(key, embedding)
        return embedding

    def is_here(self, plane: Plane, near: Near | None = None) -> bool:
        """Return whether a first prompt can be answered without encoding.

        Parameters
        ----------
        plane : Plane
            Cut of the volume.
        near : Focus, (row, column) or None
            As in `embed_ahead`.

        Returns
        -------
        bool
            True after `embed_ahead`, until the cache needs its room.
        """
        return self.is_embedded(plane, self._first_window(plane, near))

    def embed_ahead(self, plane: Plane, near: Near | None = None) -> None:
        """Embed what the first prompt on a plane will probably need.

        Parameters
        ----------
        plane : Plane
            Cut of the volume.
        near : Focus, (row, column) or None
            Where the user looks; counts on large planes only. By default the middle.

        Raises
        ------
        ImageError
            If the plane cannot be read or segmented.
        """
        self.embed(plane, window=self._first_window(plane, near))

    def is_embedded(self, plane: Plane, window: Window | None) -> bool:
        """Return whether a plane, or a part of it, is in the cache."""
        return self._key(plane, window) in self.cache

    def _key(self, plane: Plane, window: Window | None) -> Key:
        shape, side = plane.shape(self.volume.shape), self.predictor.image_size
        return plane, self.number, as_part(window, shape, side)

    def _first_window(self, plane: Plane, near: Near | None) -> Window | None:
        shape, side = plane.shape(self.volume.shape), self.predictor.image_size
        if not is_large(shape, side):
            return None
        focus = Focus(*(near or (shape[0] / 2, shape[1] / 2)))
        look = first_side(side, focus.reduction)
        return window_at((focus.row, focus.column), shape, look)

    def _pixels(
        self, plane: Plane, image: Pixels | None, window: Window | None
    ) -> Pixels:
        if image is None:
            side = self.predictor.image_size
            reduces = isinstance(self.predictor, ReducingPredictor)
            return self.volume.read_uint8(plane, window, side if reduces else None)
        return image if window is None else image[window.slices]

    def _from_disk(self, image: npt.NDArray[np.uint8]) -> Kept:
        """Return the key of a plane, and what is kept of its embedding or None."""
        if self.store is None or not isinstance(self.predictor, PackingPredictor):
            return "", None
        key = embedding_key(image, self.predictor.description)
        return key, self.store.load(key)

    def _made(self, image: Pixels, shape: tuple[int, int], kept: Kept) -> Any:
        """Embed a plane; if there is a store, as it will come back from there."""
        predictor, (key, arrays) = self.predictor, kept
        if self.store is None or not isinstance(predictor, PackingPredictor):
            if image.shape[:2] != shape and isinstance(predictor, ReducingPredictor):
                return predictor.encode_reduced(image, shape)
            return predictor.encode(image)
        if arrays is not None:
            return predictor.unpack(arrays, image, shape)
        embedding = predictor.encode_rounded(image, shape)
        self.store.save(key, predictor.pack(embedding))
        return embedding

    def predict(
        self, plane: Plane, prompts: Prompts, previous: MaskPrediction | None = None
    ) -> MaskPrediction:
        """Segment one object on one plane.

        Parameters
        ----------
        plane : Plane
            Cut of the volume.
        prompts : Prompts
            What is asked, in pixels of the plane.
        previous : MaskPrediction or None
            Answer to be refined.

        Returns
        -------
        MaskPrediction
            With an (H, W) mask.

        Raises
        ------
        ImageError
            If the plane cannot be read or segmented.
        """
        shape, side = plane.shape(self.volume.shape), self.predictor.image_size
        if not looks_through_windows([prompts], shape, side):
            return self._predict(plane, prompts, previous)
        prompts = prompts.without_polygons(shape)
        search = WindowSearch(prompts, shape, side)
        for _ in self.looks(search, plane, prompts, previous):
            pass
        return search.answer

    def looks(
        self,
        search: WindowSearch,
        plane: Plane,
        prompts: Prompts,
        previous: MaskPrediction | None = None,
    ) -> Iterator[None]:
        """Look through one window of a search after the other.

        Parameters
        ----------
        search : WindowSearch
            Takes note of what is seen.
        plane, prompts, previous
            As in `predict`, without polygons.

        Yields
        ------
        None
            After each window.

        Raises
        ------
        ImageError
            If the plane cannot be read or segmented.
        """
        while search.window is not None:
            try:
                found = self._predict(plane, prompts, previous, search.window)
            except ImageError:  # nothing is shown there
                if search.is_whole:
                    raise
                search.take(None)
            else:
                search.take(found)
            yield

    def _predict(
        self,
        plane: Plane,
        prompts: Prompts,
        previous: MaskPrediction | None,
        window: Window | None = None,
    ) -> MaskPrediction:
        """Segment one object; an earlier answer counts if it is about the window."""
        embedding = self.embed(plane, window=window)
        if window is not None:
            prompts = window.crop(prompts)
        if previous is not None and previous.window != window:
            previous = None
        with self.device:
            return self.predictor.predict(embedding, prompts, previous)

    def predict_many(
        self,
        plane: Plane,
        prompts_list: Sequence[Prompts],
        image: npt.NDArray[np.uint8] | None = None,
        is_nearby: bool = False,
    ) -> list[MaskPrediction]:
        """Segment several objects on one plane as far as the network understands.

        Parameters
        ----------
        plane : Plane
            Cut of the volume.
        prompts_list : sequence of Prompts
            One per object, in pixels of the plane.
        image : (H, W) or (H, W, 3) uint8 array or None
            The pixels of the plane, if they were read already.
        is_nearby : bool
            Whether each object lies about where its box is, so that nobody has to look
            for it elsewhere.

        Returns
        -------
        list of MaskPrediction
            In the same order.

        Raises
        ------
        ImageError
            If the plane cannot be read or segmented.
        """
        shape = plane.shape(self.volume.shape)
        if not looks_through_windows(prompts_list, shape, self.predictor.image_size):
            return self._predict_many(plane, prompts_list, image, is_nearby)
        return self._predict_many_large(plane, prompts_list, image, is_nearby)

    def _predict_many(
        self,
        plane: Plane,
        prompts_list: Sequence[Prompts],
        image: npt.NDArray[np.uint8] | None,
        is_nearby: bool,
        window: Window | None = None,
    ) -> list[MaskPrediction]:
        embedding = self.embed(plane, image, window)
        if window is not None:
            prompts_list = [window.crop(prompts) for prompts in prompts_list]
        predictor = self.predictor
        asked = [predictor.capabilities.understood(p) for p in prompts_list]
        with self.device:
            if is_nearby and isinstance(predictor, NearbyPredictor):
                return predictor.predict_nearby(embedding, asked)
            return predictor.predict_many(embedding, asked)

    def _predict_many_large(
        self,
        plane: Plane,
        prompts_list: Sequence[Prompts],
        image: npt.NDArray[np.uint8] | None,
        is_nearby: bool,
    ) -> list[MaskPrediction]:
        """Ask all objects of a window together, until each has its best one."""
        shape = plane.shape(self.volume.shape)
        prompts_list = [prompts.without_polygons(shape) for prompts in prompts_list]

        def look(window: Window, numbers: list[int]) -> list[MaskPrediction]:
            asked = [prompts_list[number] for number in numbers]
            return self._predict_many(plane, asked, image, is_nearby, window)

        return look_together(prompts_list, shape, self.predictor.image_size, look)
