"""What tests of networks share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from napari_sam_adapter.model import products

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=[True, False], ids=["oneDNN", "MKL"])
def is_onednn(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[bool]:
    """Have oneDNN multiply, or never, whichever is faster on this machine."""
    measured = products.onednn_pays, products._multiplies_bfloat16
    for function in measured:
        function.cache_clear()
    if request.param:
        monkeypatch.setattr(products, "_WORTH_IT", 0)
    else:
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    yield request.param
    for function in measured:
        function.cache_clear()
