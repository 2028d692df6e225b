"""Planes to embeddings: exact, or as they come back from disk."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_sam_adapter.image_io.image.opened_image import pixels_of
from napari_sam_adapter.inference.frame.preprocessing import (
    Pictures,
    frame_of,
    resize,
    to_rgb,
)
from napari_sam_adapter.inference.network.embedding import ImageEmbedding
from napari_sam_adapter.inference.network.network import one_by_one
from napari_sam_adapter.intensity import check_pixels
from napari_sam_adapter.model.decoder.dense_prompts import PER_TOKEN
from napari_sam_adapter.model.steady import steady_call

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from torch import Tensor

    from napari_sam_adapter.image_io import OpenedImage
    from napari_sam_adapter.inference.frame.preprocessing import Frame
    from napari_sam_adapter.inference.network.network import Network
    from napari_sam_adapter.intensity import IntensityMapping
    from napari_sam_adapter.model.families.preparation import Family

_AT_ONCE = 8
"""Planes that are encoded together: more take more memory, and no less time each."""


@dataclass(frozen=True)
class Encoding:
    """How a network encodes planes.

    Parameters
    ----------
    network : Network
        Encodes.
    family : Family
        How its authors prepare images.
    intensity : IntensityMapping or None
        The window through which pixels of more than 8 bits are seen; None for
        percentiles of each plane.
    """

    network: Network
    family: Family
    intensity: IntensityMapping | None

    def frame_of(self, shape: tuple[int, int]) -> Frame:
        """Return how a plane of some rows and columns lies in the square."""
        sam, family = self.network.sam, self.family
        stride = sam.image_size // (PER_TOKEN * sam.prompt_encoder.grid)
        return frame_of(
            shape, sam.image_size, family.stretch, family.is_centred, stride
        )

    @torch.inference_mode()
    def encode(
        self, images: Sequence[npt.NDArray[Any] | OpenedImage]
    ) -> list[ImageEmbedding]:
        """Encode planes; see `SamPredictor.encode_batch`."""
        pixels = map(pixels_of, images)
        runs = itertools.groupby(pixels, lambda image: image.shape[:2])
        return [
            embedding
            for run in (list(alike) for _, alike in runs)
            for first in range(0, len(run), _AT_ONCE)
            for embedding in self._encoded(run[first : first + _AT_ONCE])
        ]

    def _encoded(self, images: Sequence[npt.NDArray[Any]]) -> list[ImageEmbedding]:
        """Encode planes of one size in one pass."""
        with steady_call(self.network.device):
            pictures = self._prepared(images)
            parts = self.network.encode(pictures, pictures.frames[0].resized)
        encoded = [one for part in parts for one in one_by_one(part)]
        return [
            ImageEmbedding(features, skips, frame)
            for (features, skips), frame in zip(encoded, pictures.frames, strict=True)
        ]

    @torch.inference_mode()
    def encode_rounded(
        self, image: npt.NDArray[Any], shape: tuple[int, int]
    ) -> ImageEmbedding:
        """Encode a plane as it will come back from `unpack`.

        Parameters
        ----------
        image : (H, W) or (H, W, 3) array
            What the network looks at.
        shape : (rows, columns)
            Of the plane that it shows.

        Returns
        -------
        ImageEmbedding
            Finer maps are made of the rounded features, as they will be then.
        """
        with steady_call(self.network.device):
            pictures = self._prepared([image])
            (encoded,) = self.network.encode(pictures, pictures.frames[0].resized)
            return self._finished(encoded.embedding.half(), encoded.sides, shape)

    @torch.inference_mode()
    def unpack(
        self,
        features: npt.NDArray[np.float16],
        image: npt.NDArray[Any],
        shape: tuple[int, int],
    ) -> ImageEmbedding:
        """Make an embedding of what was kept, (1, 256, h, w), and the pixels."""
        sides: tuple[Tensor, ...] = ()
        with steady_call(self.network.device):
            if self.network.has_finer_maps:
                sides = self.network.sides_of(self._prepared([image]))
            kept = torch.from_numpy(np.array(features)).to(self.network.device)
            return self._finished(kept, sides, shape)

    def _finished(
        self, half: Tensor, sides: tuple[Tensor, ...], shape: tuple[int, int]
    ) -> ImageEmbedding:
        # the order in memory can change the last bit of what is made of it
        features = half.float().contiguous(memory_format=torch.channels_last)
        skips = self.network.finer_maps(features, sides)
        return ImageEmbedding(features, skips, self.frame_of(shape))

    def _prepared(self, images: Sequence[npt.NDArray[Any]]) -> Pictures:
        """Return images as they lie in the network's input."""
        if len(images) > 1 and self.network.device.type == "cuda":
            # or the GPU would wait for the processor
            with ThreadPoolExecutor(len(images)) as pool:
                prepared = list(pool.map(self._prepared_one, images))
        else:
            prepared = [self._prepared_one(image) for image in images]
        resized, frames = zip(*prepared, strict=True)
        return Pictures(resized, frames, self.family)

    def _prepared_one(self, image: npt.NDArray[Any]) -> tuple[Tensor, Frame]:
        picture = to_rgb(self._seen(image), self.family.intensity)
        frame = self.frame_of((picture.shape[0], picture.shape[1]))
        return resize(picture, frame.resized, self.family.resampling), frame

    def _seen(self, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return pixels through the window of the adapter, if they are not 8 bits."""
        if self.intensity is None or image.dtype == np.uint8:
            return image
        check_pixels(image)
        return self.intensity.apply(image)
