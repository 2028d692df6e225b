"""Memory that is used again has the shape and the format that is asked for."""

from __future__ import annotations

import torch

from napari_sam_adapter.model.spare import Spare

LIKE = torch.zeros(2, 3)


def test_rows_grow_and_are_cut() -> None:
    spare = Spare()
    first = spare.rows("a", LIKE, 4, 5)
    assert first.shape == (4, 5)
    more = spare.rows("a", LIKE, 9, 5)
    assert more.shape == (9, 5)
    fewer = spare.rows("a", LIKE, 2, 5)
    assert fewer.shape == (2, 5)
    assert fewer.data_ptr() == more.data_ptr()
    assert spare.rows("b", LIKE, 2, 5).data_ptr() != more.data_ptr()


def test_rows_of_another_kind_are_new() -> None:
    spare = Spare()
    spare.rows("a", LIKE, 4, 5)
    assert spare.rows("a", LIKE, 4, 6).shape == (4, 6)
    assert spare.rows("a", LIKE.double(), 4, 6).dtype == torch.float64


def test_tensors_are_like_what_is_shown() -> None:
    spare = Spare()
    first = spare.tensor("a", LIKE)
    assert spare.tensor("a", LIKE).data_ptr() == first.data_ptr()
    assert spare.tensor("a", LIKE[:1]).shape == (1, 3)
    assert spare.tensor("a", LIKE[:1].half()).dtype == torch.float16
