from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_sam_adapter import (
    Polygon,
    Prompts,
    SamPredictor,
    Scribble,
    load_predictor,
)
from napari_sam_adapter.errors import (
    CheckpointError,
    DeviceError,
    ImageError,
    PromptError,
)
from napari_sam_adapter.inference.frame.preprocessing import frame_of
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import SamShape

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> SamPredictor:
    path: Path = tmp_path_factory.mktemp("weights") / "small.pth"
    torch.manual_seed(0)
    torch.save(build_sam(SamShape(64, 32, 2, (2, 0), 64)).state_dict(), path)
    return load_predictor(path, device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (45, 61), dtype=np.uint8)


def test_embedding_has_the_promised_shape(
    predictor: SamPredictor, image: np.ndarray
) -> None:
    embedding = predictor.encode(image)
    assert embedding.features.shape == (1, 256, 4, 4)
    assert embedding.nbytes == 256 * 16 * 4


def test_an_image_in_place_of_an_embedding_is_told(
    predictor: SamPredictor, image: np.ndarray
) -> None:
    with pytest.raises(ImageError, match="encode"):
        predictor.predict(image, Prompts(points=[(3, 4)]))
    with pytest.raises(ImageError, match="encode"):
        predictor.predict_many(image, [Prompts(points=[(3, 4)])])


@pytest.mark.parametrize(
    ("image", "advice"),
    [
        (np.zeros((9, 9, 4), np.uint8), "fourth channel"),
        (np.zeros((9, 9, 9), np.uint8), "one plane"),
        ("cells.png", "open_image"),
        (None, "open_image"),
    ],
)
def test_what_is_no_plane_is_told_with_advice(
    predictor: SamPredictor, image: object, advice: str
) -> None:
    with pytest.raises(ImageError, match=advice):
        predictor.encode(image)


def test_many_planes_keep_their_order(predictor: SamPredictor) -> None:
    planes = np.random.default_rng(0).integers(0, 4096, (10, 30, 40), dtype=np.uint16)
    together = predictor.encode_batch(planes)
    for plane, embedding in zip(planes, together, strict=True):
        alone = predictor.encode(plane)
        assert torch.allclose(embedding.features, alone.features, atol=1e-5)


def test_a_packed_embedding_gives_the_same_masks(
    predictor: SamPredictor, image: np.ndarray
) -> None:
    embedding = predictor.encode(image)
    arrays = predictor.pack(embedding)
    back = predictor.unpack(arrays, image, (45, 61))
    assert arrays["features"].dtype == np.float16
    assert back.frame == embedding.frame
    assert torch.allclose(back.features, embedding.features, atol=1e-2)
    again = predictor.pack(back)
    assert all(np.array_equal(again[name], arrays[name]) for name in arrays)
    assert predictor.predict(back, Prompts([(20, 30)])).mask.shape == image.shape


def test_a_smaller_picture_is_asked_in_pixels_of_the_plane(
    predictor: SamPredictor,
) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (48, 64), dtype=np.uint8)
    large = predictor.encode_reduced(picture, (480, 640))
    small = predictor.predict(predictor.encode(picture), Prompts(box=(5, 8, 30, 40)))
    answer = predictor.predict(large, Prompts(box=(50, 80, 300, 400)))
    assert answer.mask.shape == (480, 640)
    # half a pixel apart: the centres of large and small pixels do not coincide
    inside = answer.mask[5::10, 5::10]
    assert (inside == small.mask).mean() > 0.9


def test_one_point_gives_three_candidates_best_first(
    predictor: SamPredictor, image: np.ndarray
) -> None:
    prediction = predictor.predict(predictor.encode(image), Prompts([(20, 30)]))
    scores = [candidate.score for candidate in prediction.candidates]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)
    assert prediction.mask.shape == image.shape
    assert np.array_equal(prediction.mask, prediction.candidates[0].mask)


@pytest.mark.parametrize(
    "prompts",
    [
        Prompts([(20, 30), (5, 5)], [True, False]),
        Prompts(box=(3, 4, 30, 50)),
        Prompts(mask=np.eye(45, 61) > 0),
        Prompts(scribbles=(Scribble([(3, 3), (30, 40)]),)),
    ],
    ids=["two points", "box", "mask", "scribble"],
)
def test_clear_prompts_give_one_mask(
    predictor: SamPredictor, image: np.ndarray, prompts: Prompts
) -> None:
    prediction = predictor.predict(predictor.encode(image), prompts)
    assert len(prediction.candidates) == 1
    assert prediction.logits.shape == (16, 16)


def test_an_outline_is_asked_as_a_mask_and_its_box(
    predictor: SamPredictor, image: np.ndarray
) -> None:
    corners = [(9.5, 19.5), (9.5, 40.5), (30.5, 40.5), (30.5, 19.5)]
    inside = np.zeros((45, 61), bool)
    inside[10:31, 20:41] = True
    same = Prompts(mask=inside, box=(9.5, 19.5, 30.5, 40.5))
    outline = Prompts(polygons=(Polygon(corners),))
    embedding = predictor.encode(image)
    expected = predictor.predict(embedding, same)
    (many,) = predictor.predict_many(embedding, [outline])
    for answer in (predictor.predict(embedding, outline), many):
        assert np.array_equal(answer.logits, expected.logits)


def test_previous_answer_changes_the_next(
    predictor: SamPredictor, image: np.ndarray
) -> None:
    embedding = predictor.encode(image)
    prompts = Prompts([(20, 30), (40, 10)])
    first = predictor.predict(embedding, prompts)
    again = predictor.predict(embedding, prompts, first)
    assert not np.array_equal(first.logits, again.logits)


def test_many_objects_equal_one_by_one(
    predictor: SamPredictor, image: np.ndarray
) -> None:
    embedding = predictor.encode(image)
    asked = [
        Prompts([(20, 30)]),
        Prompts(box=(1, 2, 30, 40)),
        Prompts([(10, 10)]),
        Prompts(box=(5, 5, 20, 20)),
    ]
    together = predictor.predict_many(embedding, asked)
    for prompts, prediction in zip(asked, together, strict=True):
        alone = predictor.predict(embedding, prompts)
        assert prediction.score == pytest.approx(alone.score, abs=1e-5)
        assert np.allclose(prediction.logits, alone.logits, atol=1e-4)


def test_planes_encoded_together_equal_those_encoded_alone(
    predictor: SamPredictor, image: np.ndarray
) -> None:
    both = predictor.encode_batch([image, image[::-1]])
    alone = predictor.encode(image[::-1])
    assert torch.allclose(both[1].features, alone.features, atol=1e-5)


def test_encoding_remembers_nothing(predictor: SamPredictor, image: np.ndarray) -> None:
    first = predictor.encode(image)
    predictor.encode(255 - image)
    assert torch.equal(predictor.encode(image).features, first.features)


def test_wide_range_images_are_stretched(predictor: SamPredictor) -> None:
    ramp = np.linspace(-5000, 30000, 40 * 50).reshape(40, 50).astype(np.int16)
    with_nan = ramp.astype(float)
    with_nan[0, 0] = np.nan
    plain = predictor.encode(ramp).features
    assert torch.allclose(predictor.encode(with_nan).features, plain, atol=0.2)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((0, 5)),
        np.arange(9.0).reshape(1, 9),
        np.full((8, 8), np.nan),
        np.full((8, 8), 7),
        np.ones((8, 8), complex),
        np.arange(24.0).reshape(2, 3, 4),
    ],
    ids=["empty", "one pixel", "only NaN", "constant", "complex", "not a plane"],
)
def test_bad_pixels_are_refused(predictor: SamPredictor, pixels: np.ndarray) -> None:
    with pytest.raises(ImageError, match="Expected an image"):
        predictor.encode(pixels)


@pytest.mark.parametrize(
    "prompts",
    [Prompts(), Prompts([(45, 3)]), Prompts(mask=np.ones((3, 3)))],
    ids=["none", "outside", "mask of another shape"],
)
def test_bad_prompts_are_refused(
    predictor: SamPredictor, image: np.ndarray, prompts: Prompts
) -> None:
    with pytest.raises(PromptError, match="Expected"):
        predictor.predict(predictor.encode(image), prompts)


def test_rows_and_columns_become_x_and_y() -> None:
    frame = frame_of((50, 100), 64)
    assert frame.resized == (32, 64)
    xy = frame.to_xy(np.array([[25.0, 10.0]]))
    assert xy.tolist() == [[pytest.approx(6.4), 16.0]]


def test_extreme_aspect_ratio_keeps_one_pixel() -> None:
    assert frame_of((2, 3000), 64).resized == (1, 64)


def test_unknown_model_lists_the_known_ones() -> None:
    with pytest.raises(CheckpointError, match="tiny"):
        load_predictor("tinny")


def test_absent_device_and_number_format_are_refused() -> None:
    with pytest.raises(DeviceError, match="cuda:99"):
        load_predictor("tiny", device="cuda:99")
    with pytest.raises(DeviceError, match="float32"):
        load_predictor("tiny", dtype="float8")


def test_shipped_model_segments_a_bright_disk() -> None:
    predictor = load_predictor("tiny", device="cpu")
    rows, columns = np.ogrid[:128, :160]
    disk = np.hypot(rows - 60, columns - 90) < 25
    noise = np.random.default_rng(0).normal(0, 8, disk.shape)
    picture = (40 + 140 * disk + noise).clip(0, 255).astype(np.uint8)
    mask = predictor.predict(predictor.encode(picture), Prompts([(60, 90)])).mask
    assert (mask & disk).sum() / (mask | disk).sum() > 0.7


def test_small_model_maps_pixel_centres_and_whole_pixels() -> None:
    frame = frame_of((32, 16), 64, is_centred=True)
    assert frame.to_xy(np.array([[0.0, 3.0]])).tolist() == [[6.5, 0.5]]
    assert frame.to_box_xy((1, 2, 3, 5)).tolist() == [4, 2, 11, 7]
    published = frame_of((32, 16), 64)
    assert published.to_box_xy((1, 2, 3, 5)).tolist() == [4, 2, 10, 6]


def test_unequal_scales_belong_to_their_axes() -> None:
    frame = frame_of((10, 100), 64, stretch=True)
    assert frame.to_xy(np.array([[5.0, 50.0]])).tolist() == [[32.0, 32.0]]


def test_device_without_numbers_is_refused() -> None:
    with pytest.raises(DeviceError, match="meta"):
        load_predictor("tiny", device="meta")


def test_every_candidate_comes_with_its_box(
    predictor: SamPredictor, image: np.ndarray
) -> None:
    found = predictor.predict(predictor.encode(image), Prompts([(20, 30)]))
    assert len(found.candidates) == 3
    for candidate in found.candidates:
        assert candidate.box is not None
        top, left, bottom, right = candidate.box
        inside = candidate.mask[top:bottom, left:right]
        assert inside.sum() == candidate.mask.sum()


def test_masked_pixels_are_not_encoded(predictor: SamPredictor) -> None:
    image = np.ma.masked_array(np.eye(9), np.eye(9) > 0)
    with pytest.raises(ImageError, match="masked array"):
        predictor.encode(image)
