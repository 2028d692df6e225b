import numpy as np

from napari_sam_adapter.boxed_mask import BoxedMask, nothing
from napari_sam_adapter.inference.masks.specks import drop_specks

NOWHERE = np.zeros((0, 2))


def pieces():
    mask = np.zeros((30, 40), bool)
    mask[5:15, 5:15] = True  # 100 pixels
    mask[20:25, 20:25] = True  # 25
    mask[2:4, 30:34] = True  # 8
    return BoxedMask.of(mask)


def test_small_pieces_are_dropped():
    assert drop_specks(pieces(), NOWHERE, 0.2).area == 125
    left = drop_specks(pieces(), NOWHERE, 0.3)
    assert left.area == 100
    assert left.box == (5, 5, 15, 15)


def test_what_was_clicked_is_kept():
    points = np.array([[2.6, 31.2], [28.0, 1.0]])
    assert drop_specks(pieces(), points, 0.9).area == 108


def test_one_piece_and_none_stay_as_they_are():
    empty = nothing((5, 5))
    assert drop_specks(empty, NOWHERE, 0.2) is empty
    mask = np.zeros((5, 5), bool)
    mask[1:3, 1:4] = True
    one = BoxedMask.of(mask)
    assert drop_specks(one, np.array([[4.0, 4.0]]), 0.2) is one
