import numpy as np
import pytest

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.intensity import (
    CT_WINDOWS,
    PLANE,
    IntensityMapping,
    check_pixels,
    default_of_array,
    estimate_intensity,
    intensity_by_name,
    places_across,
)

RAMP = np.arange(256, dtype=np.uint16).reshape(16, 16)


def test_the_window_becomes_the_full_8_bit_range():
    mapping = IntensityMapping("contrast_limits", 100, 200)
    pixels = mapping.apply(np.array([[0, 100], [150, 200], [300, 151]]))
    assert pixels.tolist() == [[0, 0], [128, 255], [255, 130]]
    assert pixels.dtype == np.uint8


def test_8_bit_pixels_pass_unchanged_as_they_are():
    pixels = RAMP.astype(np.uint8)
    assert IntensityMapping().apply(pixels) is pixels


def test_values_that_are_not_finite_get_a_defined_brightness():
    values = np.array([[np.nan, np.inf, -np.inf, 0.5]])
    mapping = IntensityMapping("percentile", 0, 1)
    assert mapping.apply(values).tolist() == [[0, 255, 0, 128]]


def test_negative_values_keep_their_order():
    values = np.array([[-1000, 0, 1000]], np.int16)
    mapping = IntensityMapping("percentile", -1000, 1000)
    assert mapping.apply(values).tolist() == [[0, 128, 255]]


def test_an_empty_window_divides_by_nothing():
    mapping = IntensityMapping("percentile", 5, 5)
    assert mapping.apply(np.array([[5.0, 6.0]])).tolist() == [[0, 255]]


def test_estimation_ignores_a_few_hot_pixels():
    plane = np.tile(RAMP, (16, 16)).astype(np.float32)
    plane[0, 0] = 1e9
    mapping = estimate_intensity([plane])
    assert mapping.rule == "percentile"
    assert (mapping.low, mapping.high) == pytest.approx((1, 254), abs=1)


def test_estimation_looks_at_all_planes():
    mapping = estimate_intensity([np.zeros((9, 9)), np.full((9, 9), 8.0)])
    assert (mapping.low, mapping.high) == (0, 8)


def test_estimation_leaves_nan_out():
    plane = RAMP.astype(float)
    plane[:8] = np.nan
    assert estimate_intensity([plane]).low >= 128


def test_rare_structure_still_gets_a_window():
    plane = np.zeros((100, 100))
    plane[3, 4] = 7
    assert (estimate_intensity([plane]).low, estimate_intensity([plane]).high) == (0, 7)


@pytest.mark.parametrize("planes", [[], [np.full((3, 3), np.nan)]], ids=["none", "nan"])
def test_nothing_to_estimate_from_gives_a_flat_window(planes):
    assert estimate_intensity(planes).is_flat


def test_large_planes_are_sampled():
    plane = np.zeros((2000, 2000), np.float32)
    plane[:, 1000:] = 1
    mapping = estimate_intensity([plane])
    assert (mapping.low, mapping.high) == (0, 1)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.float32])
def test_real_planes_with_structure_are_accepted(dtype):
    check_pixels(np.eye(3).astype(dtype))


@pytest.mark.parametrize(
    ("plane", "message"),
    [
        (np.eye(3, dtype=complex), "real numbers"),
        (np.eye(3, dtype=object), "real numbers"),
        (np.zeros((0, 5)), "at least 2 x 2"),
        (np.arange(5).reshape(5, 1), "at least 2 x 2"),
        (np.full((3, 3), np.nan), "only NaN"),
        (np.full((3, 3), 7), "every pixel is 7"),
        (np.array([[np.nan, 1.0], [1.0, np.inf]]), "every pixel is 1"),
    ],
    ids=["complex", "object", "empty", "narrow", "nan", "constant", "almost-nan"],
)
def test_planes_that_cannot_be_segmented_are_named(plane, message):
    with pytest.raises(ImageError, match=message):
        check_pixels(plane)


def test_large_offsets_keep_their_levels():
    plane = (2**31 + np.arange(190, dtype=np.uint32)).reshape(10, 19)
    mapping = estimate_intensity([plane])
    assert len(np.unique(mapping.apply(plane))) > 150


def test_a_sample_that_shows_nothing_is_flat():
    assert estimate_intensity([np.zeros((8, 8))]).is_flat
    assert not estimate_intensity([np.arange(64.0).reshape(8, 8)]).is_flat


def test_each_plane_may_have_its_own_window():
    mapping = IntensityMapping(PLANE)
    assert mapping.apply(RAMP[4:6])[[0, 1], [0, 15]].tolist() == [0, 255]
    assert mapping.apply(np.array([[np.nan, 1.0, 3.0]])).tolist() == [[0, 0, 255]]


def test_tissue_of_a_ct_is_apart_in_its_window():
    hounsfield = np.array([[-1000, -50, 0, 60, 1500]], np.int16)
    lung, brain = CT_WINDOWS["lung"], CT_WINDOWS["brain"]
    assert lung.apply(hounsfield)[0, 0] > 0
    assert brain.apply(hounsfield).tolist() == [[0, 0, 0, 191, 255]]


@pytest.mark.parametrize("dtype", ["u1", "i1", "<u2", ">u2", "<i2", ">i2"])
@pytest.mark.parametrize("low", [-40.0, 7.5])
def test_whole_numbers_become_what_they_become_one_by_one(dtype, low):
    info = np.iinfo(dtype)
    rng = np.random.default_rng(0)
    plane = rng.integers(info.min, info.max, (90, 800, 3), endpoint=True)
    plane = plane.astype(dtype)[::-1, ::2]
    mapping = IntensityMapping("contrast_limits", low, info.max / 2)
    rows = np.stack([mapping.apply(row) for row in plane.astype(np.float64)])
    found = mapping.apply(plane)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, rows)


def test_8_bits_that_were_chosen_suit_other_images():
    chosen = intensity_by_name("as_is")
    assert chosen.suits_others
    assert not IntensityMapping().suits_others
    assert chosen.apply(np.array([[0, 255, 256]], np.uint16)).tolist() == [
        [0, 255, 255]
    ]


@pytest.mark.parametrize("shape", [(9,), (4, 9), (8, 2, 9), (2, 9), (2, 2), ()])
def test_places_across_are_spread_along_the_stack(shape):
    places = places_across(shape, 5)
    assert len(set(places)) == len(places) == min(5, int(np.prod(shape)))
    if 9 in shape:
        assert [place[-1] for place in places] == [0, 2, 4, 6, 8]


def test_a_long_stack_is_estimated_from_a_few_planes():
    class Stack:
        shape, dtype, read = (1000, 2048, 2048), np.dtype(np.uint16), 0

        def __getitem__(self, place):
            self.read += 1
            return np.broadcast_to(np.arange(2048, dtype=np.uint16), (2048, 2048))

    stack = Stack()
    mapping = default_of_array(stack, 3)
    assert stack.read == 5
    assert (mapping.low, mapping.high) == pytest.approx((10, 2037), abs=4)


def test_colours_of_8_bits_are_taken_as_they_are_and_grey_is_not():
    colours = np.full((8, 8, 3), 90, np.uint8)
    colours[2:4, 2:4] = 129
    assert default_of_array(colours, 2) == IntensityMapping()
    grey = default_of_array(colours[..., 0], 2)
    assert (grey.low, grey.high) == (90, 129)


@pytest.mark.parametrize(
    ("rule", "low", "high"),
    [
        ("mine", 0, 5),
        ("contrast_limits", 9, 5),
        ("contrast_limits", np.nan, 5),
        ("percentile", 0, np.inf),
    ],
)
def test_a_window_that_makes_no_sense_is_refused(rule, low, high):
    with pytest.raises(ImageError, match=r"rules percentile, .* first and both finite"):
        IntensityMapping(rule, low, high)


def test_a_rule_that_is_no_text_is_refused():
    with pytest.raises(ImageError, match="a text for rule"):
        IntensityMapping(["plane"], 0, 5)


@pytest.mark.parametrize("low", ["0", None, True, 10**400], ids=str)
def test_what_is_no_number_makes_no_window(low):
    with pytest.raises(ImageError, match="Expected a number for low"):
        IntensityMapping("contrast_limits", low, 5)


def test_numpys_numbers_make_the_same_window():
    mapping = IntensityMapping("contrast_limits", np.uint16(3), np.float32(0.5) * 10)
    assert mapping == IntensityMapping("contrast_limits", 3, 5)
    assert (type(mapping.low), type(mapping.high)) == (float, float)
