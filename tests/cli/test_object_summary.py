"""What a user reads after objects were segmented."""

from napari_sam_adapter.cli.messages.object_summary import lines_about, ranges


def entry(position, confidence=0.9, reason="", used=True):
    return {
        "position": position, "confidence": confidence, "reason": reason, "used": used,
    }  # fmt: skip


def test_doubtful_and_missing_slices_are_named():
    slices = [entry((z,), 0.9 if z < 8 else 0.2) for z in range(5, 11)]
    slices += [entry((z,), 0.0, "other image", used=False) for z in (3, 4, 11)]
    slices += [entry((z,), 0.0, "beyond", used=False) for z in (0, 12)]
    found = {"object": 2, "voxels": 12345, "score": 0.7, "slices": slices}
    assert list(lines_about(found)) == [
        "object 2: 12,345 voxels on 6 slices, mean score 0.70",
        "  look at slices 8-10: confidence below 0.5",
        "  no mask on slices 3-4, 11: the image changed",
    ]


def test_one_good_slice_is_one_line():
    found = {"object": 1, "voxels": 1, "score": None, "slices": [entry((3,))]}
    assert list(lines_about(found)) == ["object 1: 1 voxel on 1 slice"]


def test_a_picture_has_pixels_and_no_slices():
    found = {"object": 1, "voxels": 1, "score": None, "slices": [entry((), 0.2)]}
    assert list(lines_about(found)) == [
        "object 1: 1 pixel",
        "  look at it: confidence below 0.5",
    ]
    found["slices"] = [entry((), 0.0, "nothing found", used=False)]
    found["voxels"] = 0
    assert next(lines_about(found)) == "object 1: 0 pixels"


def test_slices_of_a_time_series_have_their_time():
    assert ranges([(1, 4), (1, 3), (0, 9)]) == "slices 0,9, 1,3-1,4"


def test_many_ranges_are_cut():
    assert ranges([(2 * n,) for n in range(9)]) == "slices 0, 2, 4, 6, 8, 10, ..."
