"""The network equals the published one: stored values, not a stored implementation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.model import reference_numbers as ref

from napari_sam_adapter.inference.frame.preprocessing import frame_of, to_input
from napari_sam_adapter.model.sam import Sam, build_sam
from napari_sam_adapter.model.shape import VIT_B, SamShape

TINY = SamShape(160, 128, 4, (4, 0, 4, 0), 512)
POINTS = np.array([[40.0, 30.0], [77.25, 100.5]])  # row, column
BOX = np.array([[10.0, 20.0], [100.0, 140.0]])
LABELS = torch.tensor([[1, 0]])


def filled(shape: SamShape) -> Sam:
    sam = build_sam(shape)
    state = {key: tuple(value.shape) for key, value in sam.state_dict().items()}
    sam.load_state_dict(ref.fill(state), strict=True)
    return sam.eval()


@pytest.fixture(scope="module")
def tiny() -> Sam:
    return filled(TINY)


@pytest.fixture(scope="module")
def tiny_input() -> torch.Tensor:
    pixels = ref.image(120, 160)
    return to_input(pixels, frame_of((120, 160), 160))[None]


@pytest.fixture(scope="module")
def tiny_embedding(tiny: Sam, tiny_input: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return tiny.image_encoder(tiny_input).embedding


def decode(sam: Sam, embedding: torch.Tensor, **prompts: torch.Tensor | tuple):
    with torch.inference_mode():
        sparse, dense, _ = sam.prompt_encoder(**prompts)
        positions = sam.prompt_encoder.dense_positions()
        return sam.mask_decoder(embedding, positions, sparse, dense)


def test_reference_numbers_are_made_as_specified() -> None:
    first = ref.uniform("image", (4,))
    assert first == pytest.approx(
        [0.348708309, 0.2849249113, 0.2369505276, 0.005024257349]
    )
    assert int(ref.image(120, 160).sum()) == 7_352_408


def test_tiny_network_has_the_published_tensors(tiny: Sam) -> None:
    assert len(tiny.state_dict()) == 202
    assert sum(p.numel() for p in tiny.parameters()) == 5_595_824


def test_preprocessing_matches(tiny_input: torch.Tensor) -> None:
    expected = [0.171822, 1.12535, 1.59817, 1.46569, 1.47224, 0]
    assert ref.summary(tiny_input) == pytest.approx(expected, abs=2e-5)


def test_image_embedding_matches(tiny_embedding: torch.Tensor) -> None:
    expected = [0.00149133, 0.996578, 0.298369, -0.13423, 1.81458, -1.14467]
    assert ref.summary(tiny_embedding) == pytest.approx(expected, abs=2e-5)


def test_dense_positions_match(tiny: Sam) -> None:
    expected = [0.00360585, 0.707098, -0.52218, 0.993099, -0.61693, 0.794782]
    positions = tiny.prompt_encoder.dense_positions()
    assert ref.summary(positions) == pytest.approx(expected, abs=2e-5)


CASES = {
    "points": (
        [-0.382572, 1.50105, -0.251961, 0.165262],
        [0.249503, 0.629938, -0.519876, 1.29829, 0.896467, -0.348777],
        [14618, 15695, 12582, 14866],
    ),
    "box": (
        [0.105007, 1.29161, -0.350647, 0.265827],
        [0.110453, 0.576291, -0.387706, -0.502573, 0.609994, 0.442418],
        [14155, 9242, 6237, 16963],
    ),
    "points and box": (
        [-0.194656, 1.47227, -0.482374, 0.304931],
        [0.175536, 0.581922, -0.735629, 0.115898, 0.948801, 0.64399],
        [12339, 12668, 11003, 17575],
    ),
    "point and mask": (
        [-0.713569, 1.16682, -0.0423982, -0.0527379],
        [0.284133, 0.923337, -0.507722, 0.342609, 0.682802, 0.299704],
        [14751, 6207, 10439, 17257],
    ),
    "nothing": (
        [-0.393155, 1.32562, -0.271731, 0.203216],
        [0.317015, 0.776343, -0.786351, 0.295626, 0.816386, 0.0624938],
        [15254, 14572, 8615, 17916],
    ),
}


def prompts_of(case: str) -> dict[str, torch.Tensor | tuple]:
    frame = frame_of((120, 160), 160)
    points = frame.to_xy(POINTS)[None]
    mask = torch.from_numpy(16 * ref.uniform("mask", (1, 1, 40, 40))).float()
    box = frame.to_xy(BOX).reshape(1, 4)
    return {
        "points": {"points": (points, LABELS)},
        "box": {"boxes": box},
        "points and box": {"points": (points, LABELS), "boxes": box},
        "point and mask": {"points": (points[:, :1], LABELS[:, :1]), "masks": mask},
        "nothing": {},
    }[case]


@pytest.mark.parametrize("case", CASES)
def test_masks_and_scores_match(
    case: str, tiny: Sam, tiny_embedding: torch.Tensor
) -> None:
    scores, low_res, pixels = CASES[case]
    logits, predicted = decode(tiny, tiny_embedding, **prompts_of(case))
    assert predicted[0].tolist() == pytest.approx(scores, abs=2e-5)
    assert ref.summary(logits[0]) == pytest.approx(low_res, abs=2e-5)
    full = frame_of((120, 160), 160).to_masks(logits[0])
    # one pixel of some 15,000 lies within rounding of the threshold
    assert (full > 0).sum(dim=(1, 2)).tolist() == pytest.approx(pixels, abs=1)


def test_resize_matches_the_published_one() -> None:
    frame = frame_of((90, 200), 160)
    assert frame.resized == (72, 160)
    tensor = to_input(ref.image(90, 200), frame)
    mean = torch.tensor([123.675, 116.28, 103.53])[:, None, None]
    std = torch.tensor([58.395, 57.12, 57.375])[:, None, None]
    pixels = (tensor * std + mean)[:, :72].round()
    assert int(pixels.sum()) == 4_409_439
    assert pixels[:, 36, 80].tolist() == [120, 180, 43]
    xy = frame.to_xy(np.array([[45.0, 100.0], [89.0, 199.0]]))
    assert xy.flatten().tolist() == pytest.approx([80, 36, 159.2, 71.2])


def test_vit_b_matches_at_full_size() -> None:
    sam = filled(VIT_B)
    frame = frame_of((768, 1024), 1024)
    with torch.inference_mode():
        embedding = sam.image_encoder(
            to_input(ref.image(768, 1024), frame)[None]
        ).embedding
    expected = [0.00643983, 1.00024, -0.928167, -0.251115, -0.716797, 0.13041]
    assert ref.summary(embedding) == pytest.approx(expected, abs=1e-4)
    points = frame.to_xy(np.array([[400.0, 300.0], [177.25, 700.5]]))[None]
    logits, scores = decode(sam, embedding, points=(points, LABELS))
    assert scores[0].tolist() == pytest.approx(
        [-0.6841, 0.828599, -0.222224, 0.605073], abs=1e-4
    )
    expected = [0.115839, 0.64689, -0.487204, 0.210945, 1.32397, -0.192792]
    assert ref.summary(logits) == pytest.approx(expected, abs=1e-4)
