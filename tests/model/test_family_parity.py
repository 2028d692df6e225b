"""Networks of other families equal the published ones: stored values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
import torch.nn.functional as F
from tests.model import family_files as files
from tests.model import reference_numbers as ref

from napari_sam_adapter.inference.frame.preprocessing import frame_of, to_input
from napari_sam_adapter.model.families.preparation import EFFICIENT_SAM, SAM
from napari_sam_adapter.model.families.tiny_vit import infer_tiny_vit
from napari_sam_adapter.model.files.checkpoints import load_checkpoint
from napari_sam_adapter.model.shape import SamShape

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam_adapter.model.files.checkpoints import Checkpoint


def loaded(content: object, path: Path) -> Checkpoint:
    torch.save(content, path)
    return load_checkpoint(path)


def test_mobile_sam_matches_stage_by_stage(tmp_path: Path) -> None:
    state = files.tiny_vit(files.MOBILE)
    sizes = {key: tuple(value.shape) for key, value in state.items()}
    assert infer_tiny_vit(sizes) == files.MOBILE
    encoder = loaded(state, tmp_path / "mobile_sam.pt").sam.image_encoder
    x = to_input(ref.image(768, 1024), frame_of((768, 1024), 1024))[None]
    with torch.inference_mode():
        x = encoder.patch_embed(x)
        assert ref.summary(x)[:2] == pytest.approx([0.0201342, 0.800084], abs=1e-4)
        for stage, expected in zip(encoder.layers, MOBILE_STAGES, strict=True):
            x = stage(x)
            assert ref.summary(x)[:2] == pytest.approx(expected, abs=1e-4)
        embedding = encoder.neck(x)
    expected = [0.00592277, 0.997908, -0.786066, 1.25593, -0.913325, 1.17004]
    assert ref.summary(embedding) == pytest.approx(expected, abs=1e-4)


MOBILE_STAGES = (
    (-0.0179522, 0.206145),
    (-0.0363378, 0.582654),
    (-0.0707658, 0.942126),
    (0.020779, 1.65579),
)


def test_mobile_sam_has_the_published_tensors() -> None:
    state = files.tiny_vit(files.MOBILE)
    assert len(state) == 439
    assert len([key for key in state if key.startswith("image_encoder.")]) == 302
    counted = [v for k, v in state.items() if "running" not in k and "num_" not in k]
    assert sum(value.numel() for value in counted) - 256 == 10_130_092


@pytest.fixture(scope="module")
def efficient(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    state = files.efficient_sam(width=192, depth=12, mlp=2048)
    assert len(state) == 278
    assert sum(value.numel() for value in state.values()) - 256 == 10_223_204
    path = tmp_path_factory.mktemp("efficient") / "efficient_sam_vitt.pt"
    return loaded({"model": state}, path)


@pytest.fixture(scope="module")
def efficient_embedding(efficient: Checkpoint) -> torch.Tensor:
    frame = frame_of((300, 400), 1024, stretch=True)
    pixels = to_input(ref.image(300, 400), frame, EFFICIENT_SAM)[None]
    with torch.inference_mode():
        return efficient.image_encoder(pixels).embedding


def test_efficient_sam_embedding_matches(efficient_embedding: torch.Tensor) -> None:
    expected = [0.00246589, 0.997188, 0.197393, -0.601501, 0.0378934, -1.81316]
    assert ref.summary(efficient_embedding) == pytest.approx(expected, abs=1e-4)


POINTS = torch.tensor([[[100.0, 50.0], [300.0, 220.0]]]) * torch.tensor(
    [1024 / 400, 1024 / 300]
)
EFFICIENT_CASES = {
    "points": (
        {"points": (POINTS, torch.ones(1, 2, dtype=torch.long))},
        [-0.364482, -0.736587, -0.497203],
        [0.100875, 0.420427, -0.0905285, 0.42878, 0.248622, 0.284147],
    ),
    "box": (
        {"boxes": POINTS.reshape(1, 4)},
        [-0.469858, -0.662186, -0.611468],
        [0.0811578, 0.453049, -0.00377287, 0.244935, 0.196303, 0.167405],
    ),
}


@pytest.mark.parametrize("case", EFFICIENT_CASES)
def test_efficient_sam_masks_match(
    case: str, efficient: Checkpoint, efficient_embedding: torch.Tensor
) -> None:
    prompts, expected_scores, expected_logits = EFFICIENT_CASES[case]
    sam = efficient.sam
    with torch.inference_mode():
        sparse, dense, _ = sam.prompt_encoder(**prompts)
        positions = sam.prompt_encoder.dense_positions()
        logits, scores = sam.mask_decoder(efficient_embedding, positions, sparse, dense)
        full = F.interpolate(logits[:, 1:], (300, 400), mode="bicubic")
    assert scores[0, 1:].tolist() == pytest.approx(expected_scores, abs=1e-4)
    assert ref.summary(full) == pytest.approx(expected_logits, abs=1e-4)


def test_sam_med2d_embedding_matches(tmp_path: Path) -> None:
    state = files.sam_med2d(SamShape(160, 128, 4, (4, 0, 4, 0), 512))
    checkpoint = loaded({"model": state}, tmp_path / "sam-med2d.pth")
    pixels = to_input(ref.image(160, 160), frame_of((160, 160), 160), SAM)[None]
    with torch.inference_mode():
        embedding = checkpoint.image_encoder(pixels).embedding
    expected = [0.00185331, 0.996465, -0.0056301, 0.242002, 2.18268, -0.119137]
    assert ref.summary(embedding) == pytest.approx(expected, abs=2e-5)
