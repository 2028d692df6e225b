"""Stand-ins that need no network and no disk."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_sam_adapter.predictions import (
    ALL_PROMPTS,
    Capabilities,
    MaskCandidate,
    MaskPrediction,
)

if TYPE_CHECKING:
    from napari_sam_adapter.prompts import Prompts

NEGATIVE_RADIUS = 3
BRIGHT = 127


@dataclass(frozen=True)
class DiskEmbedding:
    """What a real encoder would make of a plane; here the grey plane itself."""

    features: npt.NDArray[np.float32]


@dataclass
class DiskPredictor:
    """Segments bright disks: the connected regions that the prompts point at.

    A negative point takes a disk of radius 3 away. A previous answer is kept and
    refined. An ambiguous prompt gives the region, its core and its surroundings.
    """

    score: float = 0.9
    model: str = "disk"
    encoded: list[npt.NDArray[np.uint8]] = field(default_factory=list)
    predicted: list[tuple[Prompts, MaskPrediction | None]] = field(default_factory=list)
    thread_ids: list[int] = field(default_factory=list)
    capabilities: Capabilities = ALL_PROMPTS
    image_size: int = 1024

    @property
    def description(self) -> dict[str, str]:
        return {"model": self.model, "adapter": "none", "device": "cpu"}

    def encode(self, image: npt.NDArray[np.uint8]) -> DiskEmbedding:
        self.encoded.append(image)
        self.thread_ids.append(threading.get_ident())
        grey = image.mean(axis=-1) if image.ndim == 3 else image
        return DiskEmbedding(grey.astype(np.float32))

    def predict(
        self,
        embedding: DiskEmbedding,
        prompts: Prompts,
        previous: MaskPrediction | None = None,
    ) -> MaskPrediction:
        self.capabilities.check(prompts)
        self.predicted.append((prompts, previous))
        self.thread_ids.append(threading.get_ident())
        mask = _regions_asked_for(embedding.features, prompts)
        if previous is not None:
            mask |= previous.logits > 0
        points, polarities = prompts.all_points()
        for point in points[~polarities]:
            mask &= ~_disk(mask.shape, point)
        return self._answer(mask, prompts)

    def predict_many(
        self, embedding: DiskEmbedding, prompts_list: list[Prompts]
    ) -> list[MaskPrediction]:
        return [self.predict(embedding, prompts) for prompts in prompts_list]

    def _answer(self, mask: npt.NDArray[np.bool_], prompts: Prompts) -> MaskPrediction:
        masks = [mask]
        if prompts.is_ambiguous:
            masks += [ndimage.binary_erosion(mask), ndimage.binary_dilation(mask)]
        candidates = [
            MaskCandidate(m, self.score - 0.1 * number, _logits(m))
            for number, m in enumerate(masks)
        ]
        return MaskPrediction(
            mask,
            self.score,
            _logits(mask),
            tuple(candidates),
            self.capabilities.score_is_trusted,
        )


class MarkingDiskPredictor(DiskPredictor):
    """A disk predictor that marks all disks when it is not asked for one."""

    marks_objects = True

    def foreground(self, embedding: DiskEmbedding) -> npt.NDArray[np.float32]:
        return (embedding.features > BRIGHT).astype(np.float32)


class CallableDiskPredictor(DiskPredictor):
    """A disk predictor that can be called, as a network of torch can."""

    def __call__(self, image: object) -> None:
        raise AssertionError("nobody is to call it")


class PackingDiskPredictor(DiskPredictor):
    """A disk predictor whose embeddings can be kept on disk."""

    def encode_batch(self, images: list[npt.NDArray[np.uint8]]) -> list[DiskEmbedding]:
        return [self.encode(image) for image in images]

    def encode_rounded(
        self, image: npt.NDArray[np.uint8], shape: tuple[int, int]
    ) -> DiskEmbedding:
        return self.unpack(self.pack(self.encode(image)), image, shape)

    def pack(self, embedding: DiskEmbedding) -> dict[str, npt.NDArray[np.float16]]:
        return {"features": embedding.features.astype(np.float16)}

    def unpack(
        self,
        arrays: dict[str, npt.NDArray[np.float16]],
        image: npt.NDArray[np.uint8],
        shape: tuple[int, int],
    ) -> DiskEmbedding:
        assert arrays["features"].shape == image.shape[:2] == shape
        return DiskEmbedding(arrays["features"].astype(np.float32))


class ReducingDiskPredictor(PackingDiskPredictor):
    """A disk predictor that can be shown a plane with fewer pixels than it has."""

    def encode_reduced(
        self, image: npt.NDArray[np.uint8], shape: tuple[int, int]
    ) -> DiskEmbedding:
        return _enlarged(self.encode(image), shape)

    def unpack(
        self,
        arrays: dict[str, npt.NDArray[np.float16]],
        image: npt.NDArray[np.uint8],
        shape: tuple[int, int],
    ) -> DiskEmbedding:
        features = arrays["features"].astype(np.float32)
        assert features.shape in (image.shape[:2], shape)  # as it was or enlarged
        return _enlarged(DiskEmbedding(features), shape)


def _enlarged(embedding: DiskEmbedding, shape: tuple[int, int]) -> DiskEmbedding:
    small = embedding.features
    rows, columns = (
        np.arange(length) * short // length
        for length, short in zip(shape, small.shape, strict=True)
    )
    return DiskEmbedding(small[np.ix_(rows, columns)])


def _regions_asked_for(
    grey: npt.NDArray[np.float32], prompts: Prompts
) -> npt.NDArray[np.bool_]:
    regions, _ = ndimage.label(grey > BRIGHT)
    points, polarities = prompts.all_points()
    inside = np.clip(np.rint(points[polarities]), 0, np.subtract(grey.shape, 1))
    rows, columns = inside.astype(int).T
    wanted = set(regions[rows, columns])
    if prompts.mask is not None:
        wanted |= set(regions[prompts.mask])
    elif prompts.box is not None:
        row_min, column_min, row_max, column_max = np.rint(prompts.box).astype(int)
        box = (
            slice(max(row_min, 0), row_max + 1),
            slice(max(column_min, 0), column_max + 1),
        )
        wanted |= set(regions[box].ravel())
    return np.isin(regions, list(wanted - {0}))


def _disk(
    shape: tuple[int, ...], centre: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    rows, columns = np.indices(shape)
    distance = np.hypot(rows - centre[0], columns - centre[1])
    return distance <= NEGATIVE_RADIUS


def _logits(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    return np.where(mask, 8.0, -8.0).astype(np.float32)
