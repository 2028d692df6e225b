import numpy as np

from napari_sam_adapter.inference.specks import drop_specks

NOWHERE = np.zeros((0, 2))


def pieces():
    mask = np.zeros((30, 40), bool)
    mask[5:15, 5:15] = True  # 100 pixels
    mask[20:25, 20:25] = True  # 25
    mask[2:4, 30:34] = True  # 8
    return mask, (2, 5, 25, 34)


def test_small_pieces_are_dropped():
    mask, box = pieces()
    drop_specks(mask, box, NOWHERE, 0.2)
    assert np.count_nonzero(mask) == 125
    drop_specks(mask, box, NOWHERE, 0.3)
    assert np.count_nonzero(mask) == 100


def test_what_was_clicked_is_kept():
    mask, box = pieces()
    drop_specks(mask, box, np.array([[2.6, 31.2], [28.0, 1.0]]), 0.9)
    assert np.count_nonzero(mask) == 108


def test_one_piece_and_none_stay_as_they_are():
    mask = np.zeros((5, 5), bool)
    drop_specks(mask, (0, 0, 0, 0), NOWHERE, 0.2)
    assert not mask.any()
    mask[1:3, 1:4] = True
    drop_specks(mask, (1, 1, 3, 4), np.array([[4.0, 4.0]]), 0.2)
    assert np.count_nonzero(mask) == 6
