"""What is kept of an embedding of the small model, and what is made anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_sam_adapter import EmbeddingStore, Plane, Prompts, Session, load_predictor
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import small_shape

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam_adapter import SamPredictor
    from napari_sam_adapter.inference.network.embedding import ImageEmbedding

PLANE = Plane((1, 2), (1,))
ROUNDED = 2e-2


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def predictor(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> SamPredictor:
    path: Path = tmp_path_factory.mktemp("weights") / "small.pth"
    torch.manual_seed(0)
    torch.save(build_sam(small_shape(64, 2, 64, 64)).state_dict(), path)
    return load_predictor(path, device="cpu", dtype=request.param)


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (45, 61), dtype=np.uint8)


def tensors(embedding: ImageEmbedding) -> list[torch.Tensor]:
    return [embedding.features, *embedding.skips]


def test_finer_maps_are_made_of_the_pixels_and_not_kept(
    predictor: SamPredictor, image: np.ndarray
) -> None:
    exact = predictor.encode(image)
    arrays = predictor.pack(exact)
    back = predictor.unpack(arrays, image, image.shape)
    assert sum(array.nbytes for array in arrays.values()) == 2 * exact.features.numel()
    assert torch.equal(back.features, exact.features.half().float())
    assert len(back.skips) == 2
    for one, other in zip(tensors(exact), tensors(back), strict=True):
        assert torch.allclose(one, other, atol=ROUNDED)
    prompts = Prompts([(20, 30)])
    before, after = (predictor.predict(e, prompts).logits for e in (exact, back))
    assert np.abs(before - after).max() < ROUNDED


def test_what_is_made_anew_is_the_same_bit_for_bit(
    predictor: SamPredictor, image: np.ndarray
) -> None:
    arrays = predictor.pack(predictor.encode(image))
    once = predictor.unpack(arrays, image, image.shape)
    again = predictor.unpack(predictor.pack(once), image, image.shape)
    for one, other in zip(tensors(once), tensors(again), strict=True):
        assert torch.equal(one, other)


def test_a_smaller_picture_stands_for_the_plane(
    predictor: SamPredictor, image: np.ndarray
) -> None:
    large = 450, 610
    exact = predictor.encode_reduced(image, large)
    back = predictor.unpack(predictor.pack(exact), image, large)
    assert back.frame == exact.frame
    for one, other in zip(tensors(exact), tensors(back), strict=True):
        assert torch.allclose(one, other, atol=ROUNDED)


def test_a_session_gives_the_same_labels_from_disk(
    predictor: SamPredictor, tmp_path: Path
) -> None:
    volume = np.random.default_rng(1).integers(0, 256, (3, 45, 61), dtype=np.uint8)
    stored = []
    for _ in range(2):
        session = Session(volume, predictor, store=EmbeddingStore(tmp_path))
        session.new_object()
        session.add_point(1, PLANE, (20, 30))
        session.mask(1, PLANE)
        stored.append((session.labels.copy(), session._plane_predictor.embed(PLANE)))
    (labels, fresh), (again, loaded) = stored
    np.testing.assert_array_equal(labels, again)
    for one, other in zip(tensors(fresh), tensors(loaded), strict=True):
        assert torch.equal(one, other)
