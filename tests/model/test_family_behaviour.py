"""What each family says of images and prompts, shown by what its predictor does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from tests.model import family_files as files
from tests.model.test_adapter_parity import published_state
from tests.model.test_families import LAYOUTS

from napari_sam_adapter import Prompts, SamPredictor, load_predictor
from napari_sam_adapter.errors import PromptError
from napari_sam_adapter.inference.masks.stability import stability
from napari_sam_adapter.model.families.preparation import PREPROCESSINGS
from napari_sam_adapter.model.shape import small_shape

if TYPE_CHECKING:
    from pathlib import Path

SAM_MEAN = torch.tensor([123.675, 116.28, 103.53])
SAM_STD = torch.tensor([58.395, 57.12, 57.375])
LOW, HIGH = (20, 50, 80), (120, 150, 240)
"""Darkest and brightest pixel of the test image, red, green and blue."""


def as_sam(values: tuple[int, ...]) -> torch.Tensor:
    return (torch.tensor(values, dtype=torch.float32) - SAM_MEAN) / SAM_STD


SPANS = {
    "as it is": (as_sam(LOW), as_sam(HIGH)),
    "per channel": (as_sam((0, 0, 0)), as_sam((255, 255, 255))),
    "all together": (
        torch.tensor([(low - 20) / 220 for low in LOW]),
        torch.tensor([(high - 20) / 220 for high in HIGH]),
    ),
}
"""What becomes of the darkest and the brightest pixel."""


@dataclass(frozen=True)
class Expected:
    """What a family does."""

    file: str
    fills_square: bool
    span: str | None
    background: bool
    mask: bool
    earlier: bool
    trusted: bool
    preprocessing: str | None = None


FAMILIES = {
    "sam": Expected("sam", False, "as it is", True, True, True, True),
    "small": Expected("small", False, None, True, True, True, True),
    "micro-sam": Expected("micro-sam", False, "per channel", True, True, True, True),
    "medsam": Expected("sam", True, "all together", True, True, True, False, "medsam"),
    "lite-medsam": Expected(
        "lite-medsam", False, "all together", True, True, True, True
    ),
    "mobile-sam": Expected("mobile-sam", False, "as it is", True, True, True, True),
    "mobile micro-sam": Expected(
        "mobile-sam", False, "per channel", True, True, True, True, "micro-sam"
    ),
    "efficient-sam": Expected(
        "efficient-sam", True, "as it is", False, False, False, True
    ),
    "sam-med2d": Expected("sam-med2d", True, "as it is", True, True, True, True),
    "sam-adapter": Expected(
        "sam-adapter", True, "as it is", False, False, False, False
    ),
}
FILES = {name: make for name, (make, _) in LAYOUTS.items()} | {
    "small": lambda: files.sam(small_shape(64, 3, 64, 64)),
    "sam-adapter": published_state,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("families")
    for name in {expected.file for expected in FAMILIES.values()}:
        torch.save(FILES[name](), folder / f"{name}.pth")
    return folder


@pytest.fixture(scope="module", params=FAMILIES)
def case(request: pytest.FixtureRequest, folder: Path) -> tuple[Expected, SamPredictor]:
    expected = FAMILIES[request.param]
    path = folder / f"{expected.file}.pth"
    how = expected.preprocessing
    predictor = load_predictor(path, device="cpu", dtype="float32", preprocessing=how)
    return expected, predictor


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """Dark left, bright right, twice as wide as high, flat but for one edge."""
    image = np.empty((40, 80, 3), np.uint8)
    image[:, :40], image[:, 40:] = LOW, HIGH
    return image


def seen(predictor: SamPredictor, image: np.ndarray) -> torch.Tensor:
    """What reaches the network: (3, S, S)."""
    inputs = []
    first = predictor.network.sam.image_encoder.patch_embed
    hook = first.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    predictor.encode(image)
    hook.remove()
    return inputs[0][0]


def test_every_family_is_looked_at(folder: Path) -> None:
    known = {
        load_predictor(
            folder / f"{e.file}.pth", device="cpu", preprocessing=e.preprocessing
        ).description["preprocessing"]
        for e in FAMILIES.values()
    }
    assert known == set(PREPROCESSINGS)


def test_resize_rule(case: tuple[Expected, SamPredictor], image: np.ndarray) -> None:
    expected, predictor = case
    given = seen(predictor, image)
    size = predictor.image_size
    assert given.shape == (3, size, size)
    assert bool(given[:, size // 2 + 1 :].any()) is expected.fills_square


def test_intensity_rule_mean_and_std(
    case: tuple[Expected, SamPredictor], image: np.ndarray
) -> None:
    expected, predictor = case
    given = seen(predictor, image)
    row, size = predictor.image_size // 4, predictor.image_size
    dark, bright = given[:, row, size // 8], given[:, row, -size // 8]
    if expected.span is None:  # mean 0 and deviation 1 of the image itself
        inside = given[:, : size // 2]
        assert inside.mean().abs() < 1e-2
        assert inside.std() == pytest.approx(1, abs=0.05)  # nearly flat ones less
        return
    low, high = SPANS[expected.span]
    assert torch.allclose(dark, low, atol=1e-2)
    assert torch.allclose(bright, high, atol=1e-2)


def answers(predictor: SamPredictor, embedding: object, prompts: Prompts) -> bool:
    try:
        mask = predictor.predict(embedding, prompts).mask
    except PromptError:
        return False
    return mask.shape == (40, 80)


def test_prompts_supported(
    case: tuple[Expected, SamPredictor], image: np.ndarray
) -> None:
    expected, predictor = case
    embedding = predictor.encode(image)
    background = Prompts([(20, 60), (20, 10)], [True, False])
    rough = Prompts([(20, 60)], mask=image[..., 0] > 100)
    assert answers(predictor, embedding, Prompts([(20, 60)]))
    assert answers(predictor, embedding, Prompts(box=(5, 45, 30, 70)))
    assert answers(predictor, embedding, background) is expected.background
    assert answers(predictor, embedding, rough) is expected.mask


def test_earlier_answers(
    case: tuple[Expected, SamPredictor], image: np.ndarray
) -> None:
    expected, predictor = case
    embedding = predictor.encode(image)
    asked = Prompts([(20, 60), (25, 62)])
    first = predictor.predict(embedding, asked)
    again = predictor.predict(embedding, asked, first)
    assert (not np.array_equal(first.logits, again.logits)) is expected.earlier


def test_trustworthy_score(
    case: tuple[Expected, SamPredictor], image: np.ndarray
) -> None:
    expected, predictor = case
    prediction = predictor.predict(predictor.encode(image), Prompts([(20, 60)]))
    assert prediction.score_is_trusted is expected.trusted
    steady = stability(torch.from_numpy(prediction.logits)).item()
    assert (prediction.score == pytest.approx(steady)) is not expected.trusted
