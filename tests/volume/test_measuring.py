import numpy as np
import pytest
import torch
from skimage.measure import regionprops

from napari_sam_adapter.errors import ImageError, SessionError
from napari_sam_adapter.volume.measuring import hull, measured_blocks
from napari_sam_adapter.volume.measuring.brightness import BRIGHTNESS
from napari_sam_adapter.volume.measuring.measuring import Measuring, measure


@pytest.fixture
def blobs():
    """Labels of a volume with objects far apart, and an image."""
    labels = np.zeros((12, 40, 50), np.int32)
    zyx = np.indices(labels.shape)
    for number, centre in ((3, (3, 10, 12)), (700, (8, 28, 36)), (5, (4, 30, 10))):
        distance = sum((zyx[i] - centre[i]) ** 2 for i in range(3))
        labels[distance <= 9] = number
    return labels, np.random.default_rng(0).normal(size=labels.shape)


def test_measurements_are_those_of_scikit_image_in_world_units(blobs):
    labels, image = blobs
    spacing = 2.0, 0.5, 0.25
    table = measure(Measuring(labels, image, spacing=spacing, unit="um"))
    assert table.column("object") == [3, 5, 700]
    expected = regionprops(labels, image, spacing=spacing)
    for name, theirs in (
        ("volume", "area"),
        ("equivalent_diameter", "equivalent_diameter_area"),
        ("solidity", "solidity"),
        ("intensity_mean", "intensity_mean"),
        ("intensity_min", "intensity_min"),
        ("intensity_max", "intensity_max"),
        ("intensity_std", "intensity_std"),
    ):
        values = [region[theirs] for region in expected]
        assert table.column(name) == pytest.approx(values), name
    for axis, letter in enumerate("zyx"):
        values = [region.centroid[axis] for region in expected]
        assert table.column(f"centroid_{letter}") == pytest.approx(values)
    assert set(table.column("unit")) == {"um"}


def test_the_box_reaches_to_the_outer_edges_of_the_voxels():
    labels = np.zeros((4, 6, 8), int)
    labels[1:3, 2:5, 7] = 1
    table = measure(Measuring(labels, spacing=(2, 1, 0.5)))
    box = [
        table.column(f"{side}_{axis}")[0] for side in ("min", "max") for axis in "zyx"
    ]
    assert box == [1, 1.5, 3.25, 5, 4.5, 3.75]
    assert "intensity_mean" not in table.columns


def test_blocks_do_not_change_the_numbers(blobs, monkeypatch):
    whole = measure(Measuring(*blobs))
    monkeypatch.setattr(measured_blocks, "BLOCK_VOXELS", 1)
    assert len(list(Measuring(*blobs).blocks())) == 3
    assert measure(Measuring(*blobs)) == whole


def test_only_the_block_of_an_image_is_read(blobs):
    class Watched:
        shape, dtype, asked = blobs[1].shape, blobs[1].dtype, []

        def __getitem__(self, index):
            self.asked.append(index)
            return blobs[1][index]

    measure(Measuring(blobs[0] * (blobs[0] == 3), Watched()))
    assert Watched.asked == [(slice(0, 7), slice(7, 14), slice(9, 16))]


def test_flat_and_tiny_objects_have_a_solidity():
    labels = np.zeros((3, 9, 9), int)
    labels[1, 2:6, 2:6] = 1
    labels[0, 0, 0] = 2
    labels[2, 0, [0, 2]] = 3
    labels[1, 3, 3] = 0
    table = measure(Measuring(labels))
    assert table.column("solidity") == pytest.approx([15 / 16, 1, 2 / 3])


def test_large_objects_are_looked_at_coarsely(monkeypatch):
    monkeypatch.setattr(hull, "HULL_VOXELS", 1000)
    labels = np.zeros((200, 200), int)
    labels[20:180, 20:100] = labels[100:180, 20:180] = 1
    exact = regionprops(labels)[0].solidity
    assert measure(Measuring(labels)).column("solidity")[0] == pytest.approx(
        exact, abs=0.03
    )


def test_every_time_point_is_measured_alone():
    labels = np.zeros((3, 2, 8, 8), int)
    labels[0, :, 1, 1:3] = 4
    labels[2, 0, 1, 1] = 4
    table = measure(Measuring(labels, labels * 10, spacing=(9, 2, 1, 1)))
    assert table.columns[:5] == ("object", "name", "class", "t", "voxels")
    assert table.column("t") == [0, 2]
    assert table.column("volume") == [8, 2]


def test_planes_have_areas_names_and_classes():
    labels = np.array([[1, 1, 0], [0, 0, 2]])
    colours = np.zeros((2, 3, 3), np.uint8)
    colours[0, 0] = 30, 60, 90
    table = measure(
        Measuring(labels, colours, names={1: "left"}, classes={2: "right kind"})
    )
    assert table.column("area") == [2, 1]
    assert table.column("name") == ["left", ""]
    assert table.column("class") == ["", "right kind"]
    assert table.column("intensity_mean") == [30, 0]


def test_nothing_is_an_empty_table():
    assert measure(Measuring(np.zeros((4, 4), int))).rows == ()


@pytest.mark.parametrize(
    "options",
    [{"image": np.zeros((4, 5))}, {"axes": "zy"}, {"axes": "xy"}, {"axes": "yxc"}],
    ids=str,
)
def test_what_does_not_fit_is_refused(options):
    with pytest.raises(ImageError, match="Expected"):
        Measuring(np.zeros((4, 4), int), **options)


@pytest.mark.parametrize("label", [-1, -70_000, 2**40], ids=str)
def test_labels_that_no_object_has_are_told(label):
    labels = np.zeros((3, 8, 8), np.int64)
    labels[1, :4], labels[2, :2] = 5, label
    with pytest.raises(ImageError, match=rf"from 0 to 4294967295, got .*{label}"):
        measure(Measuring(labels))


def test_unsigned_labels_beyond_the_largest_are_told():
    labels = np.full((4, 4), 2**63 + 5, np.uint64)
    with pytest.raises(ImageError, match="from 0 to 4294967295"):
        measure(Measuring(labels))


def test_brightness_of_half_precision_has_its_full_spread(blobs):
    labels, _ = blobs
    image = np.where(np.indices(labels.shape).sum(0) % 2, 250, 50).astype(np.float16)
    table = measure(Measuring(labels, image))
    assert table.column("intensity_std") == pytest.approx([100] * 3, rel=0.01)


@pytest.mark.parametrize("colours", [False, True])
def test_brightness_is_of_pixels_that_are_finite(blobs, colours):
    labels, image = blobs
    spoilt = image.copy()
    spoilt[3, 10, 12], spoilt[4, 10, 12] = np.nan, np.inf  # in object 3
    spoilt[labels == 5] = np.nan
    finite = np.isfinite(spoilt)
    expected = regionprops(np.where(finite, labels, 0), np.where(finite, spoilt, 0))
    assert [region.label for region in expected] == [3, 700]
    if colours:
        spoilt = np.stack([spoilt] * 3, axis=-1)
    table = measure(Measuring(labels, spoilt))
    whole = measure(Measuring(labels))
    assert [row[: len(whole.columns) - 1] for row in table.rows] == [
        row[:-1] for row in whole.rows
    ]
    for name in BRIGHTNESS:
        first, none, last = table.column(name)
        assert [first, last] == pytest.approx([region[name] for region in expected])
        assert np.isnan(none)


def test_a_complex_image_is_refused():
    with pytest.raises(ImageError, match="real numbers, got complex"):
        Measuring(np.ones((4, 4), int), np.ones((4, 4), complex))


def test_masked_brightness_is_not_measured():
    image = np.ma.masked_array(np.eye(4), np.eye(4) > 0)
    with pytest.raises(ImageError, match="masked array"):
        measure(np.ones((4, 4), int), image)


@pytest.mark.parametrize("labels", [None, [[1, 0]], torch.ones(4, 4, dtype=torch.int)])
def test_what_is_no_array_is_refused(labels):
    with pytest.raises(ImageError, match="Expected arrays to measure, got"):
        measure(labels)


def test_labels_without_pixels_are_refused():
    with pytest.raises(ImageError, match=r"labels with pixels, got shape \(0, 4\)"):
        measure(np.zeros((0, 4), int))


def test_labels_of_fractions_are_refused():
    with pytest.raises(ImageError, match="whole numbers"):
        Measuring(np.zeros((4, 4)))


def test_a_spacing_that_does_not_fit_is_refused():
    with pytest.raises(SessionError, match="2 distances"):
        Measuring(np.zeros((4, 4), int), spacing=(1, 2, 3))


@pytest.mark.parametrize(
    ("given", "unit"),
    [
        ({}, "pixel"),
        ({"spacing": (1.0, 1.0)}, "pixel"),
        ({"spacing": (2.0, 0.5)}, "unknown"),
        ({"spacing": (2.0, 0.5), "unit": "mm"}, "mm"),
    ],
)
def test_the_unit_of_a_spacing_is_not_pixels(given, unit):
    assert measure(Measuring(np.eye(4, dtype=int), **given)).column("unit") == [unit]
