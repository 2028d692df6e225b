from __future__ import annotations

import numpy as np
import pytest

from napari_sam_adapter.datasets.fingerprints import fingerprint, fingerprints

HALVES = np.repeat([[1, 2]], 8, axis=0).repeat(4, axis=1)


def test_numbers_of_objects_make_no_difference():
    turned = np.asfortranarray(HALVES).astype(np.uint64) * 7
    assert fingerprint(HALVES) == fingerprint(turned)
    assert fingerprint(HALVES == 1) == fingerprint(HALVES * (HALVES == 1))


@pytest.mark.parametrize(
    "other", [HALVES.T, HALVES[:4], HALVES % 2, np.roll(HALVES, 1, axis=1)], ids=str
)
def test_other_borders_are_others(other):
    assert fingerprint(HALVES) != fingerprint(other)


def test_what_has_no_border_has_no_fingerprint():
    assert not list(fingerprints(np.zeros((4, 5), int)))
    assert not list(fingerprints(np.ones((2, 4, 5), bool)))
    assert not list(fingerprints(np.zeros((0, 5), int)))
    volume = np.zeros((3, 4, 5), int)
    volume[1, 1:3, 1:3] = 1
    assert len(list(fingerprints(volume))) == 1 + 2 + 2
