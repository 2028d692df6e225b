"""A predictor for the planes of one volume, for any thread."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_sam_adapter.predictions import PackingPredictor
from napari_sam_adapter.volume.embedding_store import embedding_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from napari_sam_adapter.predictions import MaskPrediction, Predictor
    from napari_sam_adapter.prompts import Prompts
    from napari_sam_adapter.volume.embedding_cache import EmbeddingCache
    from napari_sam_adapter.volume.embedding_store import EmbeddingStore
    from napari_sam_adapter.volume.plane import Plane
    from napari_sam_adapter.volume.planes import Volume


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

    def embed(self, plane: Plane, image: npt.NDArray[np.uint8] | None = None) -> Any:
        """Return the embedding of a plane; read and encode it only once.

        Parameters
        ----------
        plane : Plane
            Cut of the volume.
        image : (H, W) or (H, W, 3) uint8 array or None
            Its pixels, if they were read already.

        Returns
        -------
        object
            For the predictor only.

        Raises
        ------
        ImageError
            If the plane cannot be read or segmented.
        """
        key = plane, self.number
        embedding = self.cache.get(key)
        if embedding is not None:
            return embedding
        if image is None:
            image = self.volume.read_uint8(plane)
        key_on_disk, embedding = self._from_disk(image)
        with self.device:
            if embedding is None:
                embedding = self.cache.get(key)
            if embedding is None:
                embedding = self.predictor.encode(image)
                embedding = self._to_disk(key_on_disk, embedding, image)
            self.cache.put(key, embedding)
        return embedding

    def is_here(self, plane: Plane) -> bool:
        """Return whether the embedding of a plane is in memory.

        Parameters
        ----------
        plane : Plane
            Cut of the volume.

        Returns
        -------
        bool
            True after `embed`, until the cache needs its room.
        """
        return self.cache.get((plane, self.number)) is not None

    def _from_disk(self, image: npt.NDArray[np.uint8]) -> tuple[str, Any]:
        """Return the key of a plane, and its embedding or None."""
        if self.store is None or not isinstance(self.predictor, PackingPredictor):
            return "", None
        key = embedding_key(image, self.predictor.description)
        arrays = self.store.load(key)
        if arrays is None:
            return key, None
        return key, self.predictor.unpack(arrays, (image.shape[0], image.shape[1]))

    def _to_disk(self, key: str, embedding: Any, image: npt.NDArray[np.uint8]) -> Any:
        """Keep an embedding; return it rounded, as it will come back from disk."""
        if self.store is None or not isinstance(self.predictor, PackingPredictor):
            return embedding
        arrays = self.predictor.pack(embedding)
        self.store.save(key, arrays)
        return self.predictor.unpack(arrays, (image.shape[0], image.shape[1]))

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
        embedding = self.embed(plane)
        with self.device:
            return self.predictor.predict(embedding, prompts, previous)

    def predict_many(
        self,
        plane: Plane,
        prompts_list: Sequence[Prompts],
        image: npt.NDArray[np.uint8] | None = None,
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

        Returns
        -------
        list of MaskPrediction
            In the same order.

        Raises
        ------
        ImageError
            If the plane cannot be read or segmented.
        """
        embedding = self.embed(plane, image)
        understood = self.predictor.capabilities.understood
        with self.device:
            return self.predictor.predict_many(
                embedding, [understood(prompts) for prompts in prompts_list]
            )
