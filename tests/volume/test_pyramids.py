"""Volumes with coarser levels: what is read of them, and what comes of it."""

import numpy as np
import pytest
from tests.fakes import DiskPredictor, ReducingDiskPredictor

from napari_sam_adapter.errors import ImageError, SessionError
from napari_sam_adapter.image_io.image.levels import fitting_levels, level_factors
from napari_sam_adapter.intensity import PLANE, IntensityMapping
from napari_sam_adapter.volume.planes.plane import Plane
from napari_sam_adapter.volume.planes.planes import Volume
from napari_sam_adapter.volume.planes.preview import preview_plane
from napari_sam_adapter.volume.planes.windows import Window
from napari_sam_adapter.volume.saving.replaying import replay
from napari_sam_adapter.volume.session.session import Session

INPUT = 64
SLICES, SIDE = 6, 2048
CENTRE, RADIUS = (1000, 1200), 400
SEED = Plane((1, 2), (3,))
KNOWN = IntensityMapping()


class Lazy:
    """A stack of disks that is made where it is read; raises if that is too much."""

    def __init__(self, factor=1, slices=SLICES, most=10**9):
        self.shape = slices, SIDE // factor, SIDE // factor
        self.dtype = np.dtype(np.uint8)
        self.most, self.factor, self.reads = most, factor, []

    def __getitem__(self, index):
        sizes = [
            len(range(*part.indices(n))) if isinstance(part, slice) else 1
            for part, n in zip(index, self.shape, strict=True)
        ]
        if np.prod(sizes) > self.most:
            raise AssertionError(f"{index} of {self.shape} is too much")
        self.reads.append(index)
        parts = (np.arange(n)[i] for n, i in zip(self.shape, index, strict=True))
        kept = [np.ravel(part) for part in parts]
        z, *others = np.meshgrid(*kept, indexing="ij")
        y, x = (axis * self.factor + (self.factor - 1) / 2 for axis in others)
        inside = np.hypot(y - CENTRE[0], x - CENTRE[1]) <= RADIUS
        ground = z + (y // 64 + x // 64) % 2 * 9
        picture = np.where(inside, 220, ground).astype(np.uint8)
        single = tuple(i for i, part in enumerate(index) if not isinstance(part, slice))
        return picture.squeeze(single)


def pyramid(**options):
    return [Lazy(2**level, **options) for level in range(5)]


def clicked(session, plane=SEED, point=CENTRE):
    object_id = session.new_object()
    session.add_point(object_id, plane, point)
    return session.mask(object_id, plane)


def disk():
    rows, columns = np.ogrid[:SIDE, :SIDE]
    return np.hypot(rows - CENTRE[0], columns - CENTRE[1]) <= RADIUS


def overlap(one, other):
    return (one & other).sum() / (one | other).sum()


def test_a_large_object_is_found_without_reading_the_plane():
    full, *coarser = levels = pyramid(most=(2 * INPUT) ** 2)
    predictor = ReducingDiskPredictor(image_size=INPUT)
    session = Session(Volume(full, "zyx", KNOWN, coarser), predictor)
    mask = clicked(session)
    assert mask.shape == (SIDE, SIDE)
    assert overlap(mask, disk()) > 0.95
    assert all(max(image.shape) <= 2 * INPUT for image in predictor.encoded)
    assert levels[-1].reads


def test_the_same_is_read_in_full_where_the_network_asks_for_it():
    full, *coarser = pyramid()
    predictor = DiskPredictor(image_size=INPUT)  # cannot be shown less
    session = Session(Volume(full, "zyx", KNOWN, coarser), predictor)
    assert overlap(clicked(session), disk()) == 1
    assert not any(level.reads for level in coarser)


def test_slices_are_never_mixed():
    full, half = Lazy(), Lazy(2, slices=SLICES // 2)
    volume = Volume(full, "zyx", KNOWN, [half])
    window = Window(0, 0, 512, 512)
    assert volume.read_uint8(SEED, window, 64).shape == (512, 512)
    assert not half.reads
    assert volume.overview(SEED, 512).shape == (1024, 1024)  # only to look at
    assert half.reads[0][0] == 1


def test_planes_with_pixels_that_are_not_square_are_read_in_full():
    full, half = Lazy(), Lazy(2)
    across = Plane((0, 1), (5,))
    part = Volume(full, "zyx", KNOWN, [half]).read_uint8(
        across, Window(0, 0, SLICES, 512), 64
    )
    assert part.shape == (SLICES, 512)
    assert not half.reads


def test_intensity_preview_and_identity_need_no_full_plane(tmp_path):
    full, *coarser = pyramid(most=512 * 512)
    volume = Volume(full, "zyx", levels=coarser)
    assert volume.intensity.rule == "percentile"
    assert volume.intensity.high == 220
    assert preview_plane(volume, SEED, 128).pixels.shape[0] == 128
    Session(volume, journal=tmp_path / "journal.jsonl")


def test_each_slice_by_itself_is_the_same_in_every_window():
    full, *coarser = pyramid(most=512 * 512)
    volume = Volume(full, "zyx", IntensityMapping(PLANE), coarser)
    dark = volume.read_uint8(SEED, Window(0, 0, 64, 64), 64)
    assert dark.max() < 20
    seen = volume.read_uint8(SEED, Window(0, 0, 1024, 1024), 64)
    assert seen.max() == 255
    assert seen.shape == (64, 64)


def test_a_session_on_a_pyramid_is_replayed_on_it_alone(tmp_path):
    full, *coarser = pyramid()
    path = tmp_path / "journal.jsonl"
    predictor = ReducingDiskPredictor(image_size=INPUT)
    session = Session(Volume(full, "zyx", KNOWN, coarser), predictor, journal=path)
    clicked(session)
    again = replay(path, Volume(full, "zyx", KNOWN, coarser), predictor)
    assert np.array_equal(session.labels, again.labels)
    with pytest.raises(SessionError, match="levels"):
        replay(path, full, predictor)


def test_a_session_from_before_pyramids_were_read_is_replayed_in_full(tmp_path):
    full, *coarser = pyramid()
    path = tmp_path / "journal.jsonl"
    predictor = ReducingDiskPredictor(image_size=INPUT)
    session = Session(Volume(full, "zyx", KNOWN), predictor, journal=path)
    clicked(session)
    again = replay(path, Volume(full, "zyx", KNOWN, coarser), predictor)
    assert np.array_equal(session.labels, again.labels)
    assert again.volume.level_shapes == ()


@pytest.mark.parametrize(
    ("full", "coarse", "factors"),
    [
        ((5, 1001, 640), (5, 500, 320), (1, 2, 2)),
        ((5, 1001, 640), (5, 501, 320), (1, 2, 2)),
        ((5, 1001, 640), (2, 32, 20), (2, 32, 32)),
        ((9, 90), (3, 30), (3, 3)),
        ((900, 900), (600, 600), (1.5, 1.5)),
    ],
)
def test_factors_are_round_numbers_where_they_can_be(full, coarse, factors):
    assert level_factors(full, coarse) == factors


@pytest.mark.parametrize(
    "coarse",
    [(5, 100, 400), (500, 320), (9, 500, 320), (5, 0, 0), (5, 2000, 1280)],
    ids=["stretched", "fewer axes", "more slices", "empty", "finer"],
)
def test_levels_that_do_not_fit_are_refused(coarse):
    with pytest.raises(ImageError, match=r"smaller picture .* got the shape"):
        level_factors((5, 1001, 640), coarse)


@pytest.mark.parametrize("third", [(4, 30, 8), (4, 32, 32), (4, 64, 64)])
def test_levels_count_up_to_the_first_that_does_not_fit(third):
    shapes = [(4, 64, 64), (4, 32, 32), third, (4, 16, 16)]
    count, problem = fitting_levels(shapes, "cells")
    assert count == 1
    assert problem.startswith("Level 2 of cells, and what comes after, is left out")
    assert fitting_levels(shapes[:2], "cells") == (1, "")


def test_colours_are_no_axis_to_reduce():
    with pytest.raises(ImageError):
        Volume(np.zeros((8, 8, 3), np.uint8), "yxc", levels=[np.zeros((4, 4, 1))])
    volume = Volume(np.zeros((8, 8, 3), np.uint8), "yxc", levels=[np.zeros((4, 4, 3))])
    assert volume.level_shapes == ((4, 4),)
