"""Adapters that read images as the published code does, and can be given to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_sam_adapter.errors import TrainingError
from napari_sam_adapter.inference.predictor.loading import load_predictor
from napari_sam_adapter.model.families.preparation import SAM_ADAPTER
from napari_sam_adapter.model.files.adapter_files import load_adapter
from napari_sam_adapter.model.files.checkpoints import load_checkpoint
from napari_sam_adapter.model.files.exports import export_published, import_published
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import SamShape
from napari_sam_adapter.training.examples.adapter_data import AdapterExamples
from napari_sam_adapter.training.examples.augmentation import fit_view, random_view
from napari_sam_adapter.training.runs.adapter_training import train_adapter
from napari_sam_adapter.training.samples.samples import Sample

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_sam_adapter.training.recipes.config import TrainingConfig

    Configure = Callable[..., TrainingConfig]

SHAPE = SamShape(64, 32, 2, (2, 0), 64)


@pytest.fixture
def vit(tmp_path: Path) -> Path:
    """A SAM of the published kind; its adapter is as wide as a published one."""
    torch.manual_seed(0)
    path = tmp_path / "vit_b_small.pth"
    torch.save(build_sam(SHAPE).state_dict(), path)
    return path


def wide_samples() -> list[Sample]:
    samples = []
    for number in range(4):
        labels = np.zeros((40, 90), np.int32)
        labels[8 : 20 + number, 20:60] = 1
        ground = np.random.default_rng(number).integers(60, 90, labels.shape)
        image = (ground + 100 * labels).astype(np.uint8)
        samples.append(Sample(image, (labels,), name=f"{number}"))
    return samples


def test_a_stretched_view_fills_the_square() -> None:
    sample = wide_samples()[0]
    view = fit_view(sample, 64, stretch=True)
    assert view.valid == (64, 64)
    inside = np.argwhere(view.layers[0] > 0)
    np.testing.assert_allclose(inside.min(0), (8 * 64 / 40, 20 * 64 / 90), atol=1)
    np.testing.assert_allclose(inside.max(0) + 1, (20 * 64 / 40, 60 * 64 / 90), atol=1)


def test_views_are_stretched_as_at_use() -> None:
    rng = np.random.default_rng(0)
    parts = [
        random_view(wide_samples()[0], 64, rng, 64, stretch=True).part.image.shape
        for _ in range(60)
    ]
    proportions = [columns / rows for rows, columns in parts]
    assert np.median(proportions) == pytest.approx(90 / 40, rel=0.15)


def test_training_and_validation_see_stretched_images(
    config: Configure, vit: Path
) -> None:
    asked = config(base=str(vit), published_order=True, steps=1)
    example = AdapterExamples(wide_samples(), asked, 64, SAM_ADAPTER)[0]
    assert example.valid.tolist() == [64, 64]
    *_, last = train_adapter(asked, wide_samples())
    assert last.examples[0].image[-1].any()  # it would be padding below


def test_a_trained_adapter_goes_into_the_published_layout_and_back(
    config: Configure, vit: Path, tmp_path: Path
) -> None:
    options = {"steps": 3, "learning_rate": 1e-2, "validation_share": 0.0}
    asked = config(base=str(vit), published_order=True, **options)
    *_, last = train_adapter(asked, wide_samples())
    assert last.ending == "all steps"
    image = wide_samples()[1].image
    plain = load_predictor(vit, device="cpu", dtype="float32")
    adapted = plain.with_adapter(asked.output)
    found = adapted.foreground(adapted.encode(image))
    assert np.abs(found - plain.foreground(plain.encode(image))).max() > 1e-3

    base = load_checkpoint(vit)
    whole = tmp_path / "sam_adapter.pth"
    export_published(load_adapter(asked.output, base, "vit"), whole)
    published = load_predictor(whole, device="cpu", dtype="float32")
    exported = published.foreground(published.encode(image))
    np.testing.assert_allclose(found, exported, atol=1e-6)

    back = tmp_path / "back.safetensors"
    import_published(whole, base, str(vit), back)
    again = plain.with_adapter(back)
    np.testing.assert_array_equal(again.foreground(again.encode(image)), found)
    further = config(base=str(vit), start=str(back), published_order=True, **options)
    *_, last = train_adapter(further, wide_samples())
    assert last.step == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"trains": "lora"},
        {"sources": "patch_embedding"},
        {"learned_weights": "per_block"},
    ],
    ids=str,
)
def test_what_the_layout_cannot_express_is_refused_at_once(
    config: Configure, changes: dict[str, str]
) -> None:
    with pytest.raises(TrainingError, match="published layout"):
        config(published_order=True, **changes)


def test_a_start_in_another_order_is_refused(config: Configure, vit: Path) -> None:
    ours = config(base=str(vit), steps=1)
    list(train_adapter(ours, wide_samples()))
    other = ours.output.with_name("other.safetensors")
    asked = config(
        base=str(vit), start=str(ours.output), published_order=True, output=other
    )
    with pytest.raises(TrainingError, match="start from an adapter"):
        next(train_adapter(asked, wide_samples()))


def test_a_base_that_the_published_code_does_not_know_is_refused(
    config: Configure,
) -> None:
    with pytest.raises(TrainingError, match="vit_b, vit_l or vit_h"):
        next(train_adapter(config(published_order=True), wide_samples()))
