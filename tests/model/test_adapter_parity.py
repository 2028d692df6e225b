"""SAM-Adapter equals the published one, from the file on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from tests.model import reference_numbers as ref
from tests.model.test_sam_parity import TINY

from napari_sam_adapter.inference.frame.preprocessing import frame_of, to_input
from napari_sam_adapter.model.adapters.adapter import SamAdapter
from napari_sam_adapter.model.adapters.task_information import high_frequencies
from napari_sam_adapter.model.files.checkpoints import Checkpoint, load_checkpoint
from napari_sam_adapter.model.sam import build_sam

if TYPE_CHECKING:
    from pathlib import Path


def published_state() -> dict[str, torch.Tensor]:
    """The tensors of a published SAM-Adapter file, under its own names."""
    sam = build_sam(TINY).state_dict()
    shapes = {k: v.shape for k, v in sam.items() if not k.startswith("prompt_encoder.")}
    adapter = SamAdapter(128, 4, bottleneck=4).state_dict()
    shapes |= {
        f"image_encoder.prompt_generator.{k}": v.shape for k, v in adapter.items()
    }
    shapes |= {
        "pe_layer.positional_encoding_gaussian_matrix": (2, 128),
        "no_mask_embed.weight": (1, 256),
    }
    return ref.fill(shapes)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    path: Path = tmp_path_factory.mktemp("weights") / "model_epoch_best.pth"
    state = published_state()
    assert len(state) == 201
    torch.save(state, path)
    return load_checkpoint(path)


@pytest.fixture(scope="module")
def picture() -> torch.Tensor:
    return to_input(ref.image(160, 160), frame_of((160, 160), 160, stretch=True))[None]


def test_input_matches(picture: torch.Tensor) -> None:
    expected = [0.225292, 1.29387, 1.59817, 1.46569, 1.47224, -0.39268]
    assert ref.summary(picture) == pytest.approx(expected, abs=2e-5)


def test_high_frequency_image_matches(picture: torch.Tensor) -> None:
    expected = [0.925918, 0.614558, 1.42141, 1.02087, 1.14709, 0.327156]
    assert ref.summary(high_frequencies(picture)) == pytest.approx(expected, abs=2e-5)


def test_high_frequencies_of_an_oblong_image_match() -> None:
    values = torch.from_numpy(ref.uniform("fft", (1, 3, 48, 80))).float()
    expected = [0.207697, 0.137102, 0.305961, 0.0268061, 0.0476089, 0.0221648]
    assert ref.summary(high_frequencies(values)) == pytest.approx(expected, abs=2e-5)


def test_prompts_of_every_block_match(
    published: Checkpoint, picture: torch.Tensor
) -> None:
    expected = [
        [0.16559, 1.17135, 5.21846, 0.0535555, -2.05183, -0.125693],
        [-0.0194379, 1.34348, 1.215, 0.378851, -1.26488, 0.809864],
        [0.0438775, 0.841421, 0.220437, 0.0993157, -0.347956, 0.519332],
        [0.0904984, 1.19335, 4.81311, 0.370171, -4.02427, -0.0468927],
    ]
    assert published.adapter is not None
    with torch.inference_mode():
        tokens, _ = published.sam.image_encoder.patch_embed(picture)
        prompts = [ref.summary(p) for p in published.adapter(picture, tokens)]
    assert prompts == [pytest.approx(row, abs=2e-5) for row in expected]


def test_prompt_free_mask_matches(published: Checkpoint, picture: torch.Tensor) -> None:
    sam = published.sam
    with torch.inference_mode():
        embedding = published.image_encoder(picture).embedding
        sparse, dense, _ = sam.prompt_encoder()
        positions = sam.prompt_encoder.dense_positions()
        logits, _ = sam.mask_decoder(embedding, positions, sparse, dense)
        full = torch.nn.functional.interpolate(
            logits[:, :1], (160, 160), mode="bilinear"
        )
    expected = [-0.000492681, 0.992487, -1.04007, 0.907845, 1.22555, 0.617577]
    assert ref.summary(embedding) == pytest.approx(expected, abs=2e-5)
    expected = [0.457945, 0.562515, 0.138975, -0.925081, 0.217543, 0.425385]
    assert ref.summary(full) == pytest.approx(expected, abs=2e-5)
    assert int((full > 0).sum()) == 19798
