"""Planes much larger than the network's input: no seams, nothing twice."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_sam_adapter import segment_everything, segment_semantic
from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.inference.asking.proposals import Proposal
from napari_sam_adapter.inference.frame.preprocessing import frame_of
from napari_sam_adapter.inference.masks.mask_pixels import MaskInBox
from napari_sam_adapter.inference.whole_planes.everything import (
    EverythingSettings,
    everything_steps,
)
from napari_sam_adapter.inference.whole_planes.views import views_of, views_of_side
from napari_sam_adapter.intensity import check_pixels

SHAPE, INPUT = (300, 410), 64
SETTINGS = EverythingSettings(points_per_side=16)


class Islands:
    """Answers a point with the bright island it lies on, as far as it can see it."""

    image_size, intensity = INPUT, None
    thresholds = 0.88, 0.95

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def encode(self, image):
        check_pixels(image)
        self.seen.append(image.shape)
        pieces, _ = ndimage.label(image > 100)
        frame = frame_of(image.shape, INPUT)
        return type("Embedding", (), {"frame": frame, "pieces": pieces, "image": image})

    def propose(self, embedding, points, min_score):
        numbers = {embedding.pieces[tuple(np.rint(p).astype(int))] for p in points}
        for number in sorted(numbers - {0}):
            place = ndimage.find_objects(embedding.pieces)[number - 1]
            pixels = embedding.pieces[place] == number
            yield Proposal(MaskInBox(place[0].start, place[1].start, pixels, 1.0), 0.95)

    def foreground(self, embedding):
        return embedding.image.astype(np.float32) / 255


def islands(scale: int = 1) -> np.ndarray:
    """Return small ones everywhere, so also on seams, and a large one."""
    image = np.zeros(SHAPE, np.uint16)
    for row in range(8, 150, 23):
        for column in range(8, 400, 29):
            image[row : row + 13, column : column + 17] = 200
    image[170:290, 30:380] = 220
    return (image + np.indices(SHAPE).sum(axis=0).astype(np.uint16) % 3) * scale


@pytest.mark.parametrize("scale", [1, 200], ids=["8 bit", "16 bit"])
def test_every_object_is_found_once_wherever_seams_are(scale: int) -> None:
    image = islands(scale) if scale > 1 else islands().astype(np.uint8)
    truth, count = ndimage.label(image > 100 * scale)
    labels = segment_everything(image, Islands(), SETTINGS)
    assert labels.max() == count
    pairs = np.unique(np.stack([truth.ravel(), labels.ravel()]), axis=1)
    assert pairs.shape[1] == count + 1  # each of one is one of the other


def test_the_map_of_a_large_plane_has_no_seams() -> None:
    image = islands().astype(np.uint8)
    predictor = Islands()
    found = segment_semantic(image, predictor)
    np.testing.assert_allclose(found, image / 255, atol=1e-5)
    assert max(max(shape) for shape in predictor.seen) == INPUT


def test_planes_that_fit_are_seen_as_a_whole_only() -> None:
    predictor = Islands()
    segment_everything(islands().astype(np.uint8)[:128, :128], predictor, SETTINGS)
    assert predictor.seen == [(128, 128)]


def test_views_show_small_objects_whole() -> None:
    views = views_of_side(SHAPE, INPUT)
    half = INPUT // 2
    for top in range(0, SHAPE[0] - half, 7):
        for left in range(0, SHAPE[1] - half, 7):
            assert any(
                view.rows.start <= top
                and top + half <= view.rows.stop
                and view.columns.start <= left
                and left + half <= view.columns.stop
                for view in views
            )
    assert views_of(SHAPE, INPUT)[-1].is_whole


def test_points_are_counted_to_the_end_and_empty_parts_are_passed() -> None:
    image = islands().astype(np.uint8)
    image[:, 200:] = 0
    steps = list(everything_steps(image, Islands(), SETTINGS))
    done = [step.done for step in steps]
    assert done == sorted(done)
    assert done[-1] == steps[0].total
    assert steps[-1].labels is not None


@pytest.mark.parametrize("segment", [segment_everything, segment_semantic])
def test_volumes_are_refused(segment) -> None:
    with pytest.raises(ImageError, match="Choose a slice"):
        segment(np.zeros((3, 4, 5, 6)), Islands())
