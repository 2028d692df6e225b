"""Of a followed mask only the object is kept, not its blur."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from tests.fakes import DiskPredictor

from napari_sam_adapter.boxed_mask import BoxedMask
from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.intensity import IntensityMapping
from napari_sam_adapter.predictions import MaskPrediction
from napari_sam_adapter.prompts import Prompts
from napari_sam_adapter.volume.planes.plane import Plane
from napari_sam_adapter.volume.propagation.cutting import Patch, cut, even_side, side
from napari_sam_adapter.volume.propagation.propagation import propagate
from napari_sam_adapter.volume.propagation.propagation_request import (
    PropagationSettings,
)
from napari_sam_adapter.volume.propagation.stop_rule import Look, StopRule
from napari_sam_adapter.volume.saving.replaying import replay
from napari_sam_adapter.volume.session.session import Session

LEVEL = StopRule().min_level
ROWS, COLUMNS = np.indices((64, 64))
GREY = IntensityMapping("contrast_limits", 0, 255)
BALL, MIDDLE, PLANES = 12, 16, 33
DARK, LIGHT = 40, 200


def disk(radius: float, column: float = 32) -> np.ndarray:
    return np.hypot(ROWS - 32, COLUMNS - column) <= radius


def blurred(shape: np.ndarray, low: float = DARK, high: float = LIGHT) -> np.ndarray:
    smooth = ndimage.gaussian_filter(shape.astype(float), 2)
    return (low + (high - low) * smooth).astype(np.uint8)


def patch_of(image: np.ndarray, mask: BoxedMask) -> Patch:
    top, left, bottom, right = box = Patch.box_of(mask)
    return Patch(box, image[top:bottom, left:right])


def cut_of(image: np.ndarray, shape: np.ndarray, before: Look) -> BoxedMask:
    mask = BoxedMask.of(shape)
    return cut(patch_of(image, mask), mask, before, LEVEL)


def looks(image: np.ndarray, shape: np.ndarray) -> Look:
    return Look.of(image, BoxedMask.of(shape))


BEFORE = looks(blurred(disk(12)), disk(12))


@pytest.mark.parametrize("grey", [(40, 200), (200, 40)], ids=["bright", "dark"])
def test_what_is_only_blur_is_cut(grey):
    before = looks(blurred(disk(12), *grey), disk(12))
    left = cut_of(blurred(disk(8), *grey), disk(14), before)
    true, wide = BoxedMask.of(disk(8)), BoxedMask.of(disk(14))
    assert left.overlap(true) > 1.8 * wide.overlap(true)


def test_of_an_object_that_became_fainter_only_its_own_blur_is_cut():
    left = cut_of(blurred(disk(12), 40, 70), disk(14), BEFORE)
    assert left.overlap(BoxedMask.of(disk(12))) > 0.85


@pytest.mark.parametrize("high", [40, 10], ids=["flat", "reversed"])
def test_a_mask_of_which_nothing_stands_out_stays(high):
    left = cut_of(blurred(disk(12), 40, high), disk(10, 30), BEFORE)
    assert left.area == disk(10, 30).sum()


def test_of_colours_all_count():
    grey = blurred(disk(8))
    flat = np.full_like(grey, 40)
    colours = np.stack([flat, grey, flat], axis=-1)
    large = blurred(disk(12))
    before = looks(np.stack([flat, large, flat], axis=-1), disk(12))
    one, three = cut_of(grey, disk(14), BEFORE), cut_of(colours, disk(14), before)
    assert one.area < 0.6 * disk(14).sum()
    assert one.overlap(three) > 0.9


def test_a_part_of_a_plane_is_cut_as_the_whole():
    hardly = DARK + LEVEL * (LIGHT - DARK) - 5
    image = np.select([disk(12), disk(21)], [LIGHT, hardly], 255).astype(np.uint8)
    mask, before = BoxedMask.of(disk(18)), Look(LIGHT, DARK)
    whole = cut(Patch((0, 0, 64, 64), image), mask, before, LEVEL)
    assert cut(patch_of(image, mask), mask, before, LEVEL).overlap(whole) == 1
    alone = np.where(disk(21), image, DARK).astype(np.uint8)
    assert cut_of(alone, disk(18), before).area < whole.area


def test_crumbs_of_a_cut_go_but_not_small_pieces_of_the_mask():
    small, crumb = disk(3, 8), np.hypot(ROWS - 20, COLUMNS - 38) <= 1.5
    image = np.where(disk(8) | small | crumb, LIGHT, DARK).astype(np.uint8)
    left = cut_of(image, disk(16) | small, BEFORE).full()
    assert left[small].mean() > 0.9
    assert left[32, 32]
    assert not left[20, 38]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (disk(12), 1),
        (disk(12) & (COLUMNS < 32), 0),
        (disk(12) & ~disk(8), 0),
        (disk(0), 0),
    ],
    ids=["even", "half of it", "hollow", "nothing"],
)
def test_only_an_even_object_is_cut(shape, expected):
    mask = BoxedMask.of(disk(12))
    assert even_side(patch_of(blurred(shape), mask), mask, LEVEL) == expected
    dark = even_side(patch_of(blurred(shape, LIGHT, DARK), mask), mask, LEVEL)
    assert dark == -expected


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        (Look(50, 40), 1),
        (Look(40, 50), -1),
        (Look(46, 40), 0),
        (Look(50, 40, spread=12), 0),
    ],
    ids=["bright", "dark", "faint", "noisy"],
)
def test_an_object_stands_out_by_more_than_noise(look, expected):
    assert side(look) == expected


def test_a_level_above_one_is_refused():
    with pytest.raises(SessionError, match="min_level from 0 to 1"):
        replace(StopRule(), min_level=1.5)


class Wide(DiskPredictor):
    """Marks the same disk on every plane, as a network does that sees a glow."""

    def predict(self, embedding, prompts, previous=None):
        return MaskPrediction(disk(13), 0.9, np.zeros((4, 4), np.float32))


class Glow(DiskPredictor):
    """Marks what is bright; where it goes on from another plane, all that glows."""

    glow = DARK + 3

    def predict(self, embedding, prompts, previous=None):
        is_asked = len(prompts.points)
        mask = embedding.features > (LIGHT / 2 if is_asked else self.glow)
        return MaskPrediction(mask, 0.9, np.zeros((4, 4), np.float32))


class Two(DiskPredictor):
    """Marks one of two disks; where it goes on, the left one reaches into the other."""

    def predict(self, embedding, prompts, previous=None):
        is_left = prompts.box[1] < 20
        wide = disk(17 if prompts.mask is not None else 8, 16)
        mask, score = (wide, 0.9) if is_left else (disk(9, 40), 0.8)
        return MaskPrediction(mask, score, np.zeros((4, 4), np.float32))


def ball() -> np.ndarray:
    radii = [np.sqrt(max(BALL**2 - (z - MIDDLE) ** 2, 0)) for z in range(PLANES)]
    return np.stack([disk(r) & (r > 0) for r in radii])


def begun(planes, predictor=None, journal=None, axes="zyx") -> Session:
    image = np.stack(list(planes))
    predictor = predictor or Wide()
    session = Session(image, predictor, axes=axes, intensity=GREY, journal=journal)
    session.new_object()
    ask(session, MIDDLE)
    return session


def ask(session: Session, index: int) -> None:
    plane = Plane((1, 2), (index,))
    session.add_point(1, plane, (32, 32))
    session.mask(1, plane)


def followed(session: Session, level: float = LEVEL) -> np.ndarray:
    settings = PropagationSettings(stop=replace(StopRule(), min_level=level))
    list(propagate(session, 1, settings=settings))
    return session.labels == 1


def areas(found: np.ndarray) -> list[int]:
    return found.sum(axis=(1, 2)).tolist()


@pytest.mark.parametrize(
    "predictor", [Wide(), Glow(), Glow(image_size=16)], ids=["disk", "glow", "large"]
)
def test_a_followed_ball_gets_smaller_towards_its_ends(predictor):
    true = ball()
    found = followed(begun(map(blurred, true), predictor))
    assert found[MIDDLE].sum() > 2 * found[6].sum() > 0
    shared = np.logical_and(found, true).sum() / np.logical_or(found, true).sum()
    assert shared > 0.7


def test_level_zero_leaves_the_masks_of_the_network():
    found = followed(begun(map(blurred, ball())), 0)
    assert (found[8] == found[MIDDLE]).all()


def test_what_was_followed_without_cutting_is_replayed_so(tmp_path):
    path, image = tmp_path / "work.journal", np.stack(list(map(blurred, ball())))
    found = followed(begun(image, journal=path), 0)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert sum(map(_forget_level, lines)) == 1
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert ((replay(path, image, Wide()).labels == 1) == found).all()


def _forget_level(value) -> int:
    """Make a line one of a version that did not cut; return how often it named it."""
    if not isinstance(value, dict):
        return 0
    count = value.pop("min_level", None) is not None
    return count + sum(map(_forget_level, value.values()))


@pytest.mark.parametrize(
    "shape",
    [disk(12) & (COLUMNS < 32), disk(12) & ~disk(8), disk(12) / 30],
    ids=["half", "hollow", "faint"],
)
def test_an_uneven_object_keeps_its_masks(shape):
    found = followed(begun([blurred(shape)] * PLANES))
    assert areas(found) == [disk(13).sum()] * PLANES


def fading(factor: float) -> np.ndarray:
    bright = [160 * factor ** abs(z - MIDDLE) for z in range(PLANES)]
    return np.stack([blurred(disk(12), DARK, DARK + more) for more in bright])


def stepped() -> np.ndarray:
    bright = [160 if abs(z - MIDDLE) < 6 else 48 for z in range(PLANES)]
    return np.stack([blurred(disk(12), DARK, DARK + more) for more in bright])


@pytest.mark.parametrize(
    "image", [fading(0.92), fading(0.9), stepped()], ids=["8 %", "10 %", "step"]
)
def test_an_object_that_fades_is_followed_to_its_end_and_as_large(image):
    found = followed(begun(image))
    assert min(areas(found)) > 0.9 * disk(12).sum()


def test_an_object_that_became_too_faint_is_not_cut_any_more():
    bright = [16 if abs(z - MIDDLE) < 3 else 4 for z in range(PLANES)]
    image = [blurred(disk(12), DARK, DARK + more) for more in bright]
    found = followed(begun(image))
    assert areas(found)[MIDDLE + 1] < disk(13).sum()
    assert areas(found)[-1] == disk(13).sum()


def test_along_time_nothing_is_cut():
    found = followed(begun(map(blurred, ball()), axes="tyx"))
    assert (found[8] == found[MIDDLE]).all()


def test_beyond_a_corrected_slice_towards_which_an_object_tapers_nothing_is_cut():
    image = np.stack(list(map(blurred, ball())))
    predictor = Glow()
    predictor.glow = DARK + 35
    session = begun(image, predictor)
    ask(session, MIDDLE + 6)
    found, glow = followed(session), image > predictor.glow
    assert (found[MIDDLE + 8] == glow[MIDDLE + 8]).all()
    assert found[MIDDLE - 8].sum() < glow[MIDDLE - 8].sum()


def test_the_blur_of_an_object_takes_nothing_of_its_neighbour():
    image = np.where(disk(8, 16) | disk(9, 40), LIGHT, DARK).astype(np.uint8)
    session = Session(np.stack([image] * 5), Two(), axes="zyx", intensity=GREY)
    plane = Plane((1, 2), (2,))
    for number, box in ((1, (24, 8, 40, 24)), (2, (23, 31, 41, 49))):
        session.new_object()
        session.set_prompts(number, plane, Prompts(box=box))
        session.mask(number, plane)
    list(propagate(session, [1, 2]))
    first, second = disk(8, 16), disk(9, 40)
    assert (session.labels[4] == 2)[second].mean() > 0.98
    assert not (session.labels[4] == 1)[~ndimage.binary_dilation(first)].any()
