"""Settings of the whole process are put back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from napari_sam_adapter.inference.network.full_precision import full_precision

if TYPE_CHECKING:
    from collections.abc import Iterator

GPU, CPU = torch.device("cuda"), torch.device("cpu")


@pytest.fixture
def allowed() -> Iterator[None]:
    """TF32 in convolutions, as PyTorch has it; not in products."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = True
    yield
    torch.backends.cudnn.allow_tf32 = before


def settings() -> tuple[bool, bool]:
    return torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32


def test_tf32_is_off_for_a_while(allowed: None) -> None:
    with full_precision(GPU):
        assert settings() == (False, False)
    assert settings() == (True, False)


def test_tf32_is_put_back_after_an_error(allowed: None) -> None:
    with pytest.raises(ValueError, match="anything"), full_precision(GPU):
        raise ValueError("anything")
    assert settings() == (True, False)


def test_the_last_user_puts_it_back(allowed: None) -> None:
    first, second = full_precision(GPU), full_precision(GPU)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert settings() == (False, False)
    second.__exit__(None, None, None)
    assert settings() == (True, False)


def test_other_devices_change_nothing(allowed: None) -> None:
    with full_precision(CPU):
        assert settings() == (True, False)
