from __future__ import annotations

import pytest

from napari_sam_adapter.training.progress.progress import (
    TrainingEstimate,
    TrainingProgress,
    Validation,
)


def progress(kinds: tuple[str, ...], followed: float = 0.7) -> TrainingProgress:
    """A training with a gain by point and box, and a loss without a prompt."""
    history = (
        Validation(0, 0.0, 0.723, 0.079, 0.361, 0.5),
        Validation(20, 1.0, 0.755, 0.017, 0.363, followed),
    )
    estimate = TrainingEstimate(1, 1, 1.0)
    return TrainingProgress(
        20, 20, 1.0, 0.5, 1.0, 0.0, 1, estimate, history, kinds=kinds
    )


def test_a_loss_in_one_kind_of_prompt_is_not_hidden_by_a_gain_in_another() -> None:
    told = progress(("prompted", "prompt_free", "followed")).gain_told(3)
    assert told == (
        "IoU 0.361 before, 0.363 now (point and box 0.723 before, 0.755 now; no prompt "
        "0.079 before, 0.017 now; followed 0.500 before, 0.700 now)"
    )


@pytest.mark.parametrize("kinds", [("prompted",), ()])
def test_one_kind_of_prompt_is_told_once(kinds: tuple[str, ...]) -> None:
    assert progress(kinds).gain_told(2) == "IoU 0.36 before, 0.36 now"
