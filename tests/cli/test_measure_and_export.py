"""The commands `measure` and `export`."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from napari_sam_adapter.cli.main import main
from napari_sam_adapter.image_io import OpenedImage, open_image, save_labels


@pytest.fixture
def files(tmp_path):
    """An image in micrometres and its labels."""
    data = np.arange(4 * 6 * 8, dtype=np.uint16).reshape(4, 6, 8)
    labels = np.zeros((4, 6, 8), np.uint16)
    labels[1:3, 2:4, 2:5], labels[3, 5, 7] = 2, 9
    image = OpenedImage(data, "zyx", (2.0, 0.5, 0.5), ("um",) * 3, "cells.tif")
    save_labels(tmp_path / "cells.tif", data, image)
    save_labels(tmp_path / "labels.tif", labels, image)
    return tmp_path, data, labels


def run(folder, *arguments):
    return main([str(folder / a) if "." in a else a for a in arguments])


def test_measure_writes_a_table_in_the_unit_of_the_image(files, capsys):
    folder, data, labels = files
    assert run(folder, "measure", "cells.tif", "labels.tif", "-o", "objects.csv") == 0
    assert "2 lines" in capsys.readouterr().out
    with (folder / "objects.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["object"] for row in rows] == ["2", "9"]
    assert float(rows[0]["volume"]) == 12 * 0.5
    assert float(rows[0]["centroid_z"]) == 3
    assert float(rows[0]["intensity_mean"]) == data[labels == 2].mean()
    assert rows[0]["unit"] == "um"


def test_labels_without_an_object_are_told(files, capsys):
    folder, _, labels = files
    save_labels(folder / "empty.tif", labels * 0, open_image(folder / "cells.tif"))
    assert run(folder, "measure", "cells.tif", "empty.tif", "-o", "objects.csv") == 0
    told = capsys.readouterr()
    assert "0 lines" in told.out
    assert "empty.tif has no object: all of its pixels are 0" in told.err


def test_measure_reads_labels_with_a_palette(files, capsys):
    folder, data, labels = files
    image = OpenedImage(data[1], "yx", (1.0, 1.0), ("pixel",) * 2)
    save_labels(folder / "slice.tif", data[1], image)
    painted = Image.fromarray(labels[1].astype(np.uint8), "P")
    painted.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    painted.save(folder / "slice.png")
    assert run(folder, "measure", "slice.tif", "slice.png", "-o", "objects.csv") == 0
    assert (folder / "objects.csv").read_text().splitlines()[1].startswith("2,")


def test_of_several_channels_one_has_to_be_chosen(files, capsys):
    folder, data, _ = files
    several = OpenedImage(np.stack([data, data]), "czyx", (1.0,) * 4, ("pixel",) * 4)
    save_labels(folder / "several.tif", several.data, several)
    asked = "measure", "several.tif", "labels.tif", "-o", "objects.csv"
    assert run(folder, *asked) == 2
    assert "Choose one with --channel" in capsys.readouterr().err
    assert run(folder, *asked, "--channel", "0") == 0


def test_brightness_is_of_one_channel(files, capsys):
    folder = files[0]
    asked = "measure", "cells.tif", "labels.tif", "-o", "objects.csv"
    assert run(folder, *asked, "--channel", "0,1") == 2
    assert "as brightness is of one channel, got '0,1'" in capsys.readouterr().err


def test_labels_that_are_not_beside_the_image_are_asked_for(files, capsys):
    folder = files[0]
    assert run(folder, "measure", "cells.tif", "-o", "objects.csv") == 2
    told = capsys.readouterr().err
    assert f"Expected labels of {folder / 'cells.tif'} beside it" in told
    assert "or as second argument" in told
    assert run(folder, "measure", "missing.tif", "-o", "objects.csv") == 2
    assert f"{folder / 'missing.tif'} does not exist" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["out.zarr", "out.nii.gz", "out.npy", "out.json"])
def test_export_writes_other_formats(files, name):
    folder, _, labels = files
    assert run(folder, "export", "labels.tif", name, "--image", "cells.tif") == 0
    if name.endswith("json"):
        content = json.loads((folder / name).read_text(encoding="utf-8"))
        assert [a["object_id"] for a in content["annotations"]] == [2, 2, 9]
        assert content["images"][0]["file_name"] == "cells_z0000.tif"
        return
    written = open_image(folder / name)
    np.testing.assert_array_equal(written.data[...], labels)
    if not name.endswith("npy"):
        assert written.scale == (2.0, 0.5, 0.5)


def test_nifti_keeps_the_affine_of_the_image(files):
    nibabel = pytest.importorskip("nibabel")
    folder, data, labels = files
    affine = np.array([[0, -0.5, 0, 7], [0.5, 0, 0, 8], [0, 0, 2, 9], [0, 0, 0, 1.0]])
    nibabel.save(nibabel.Nifti1Image(data.T, affine), folder / "scan.nii.gz")
    np.save(folder / "labels.npy", labels)
    arguments = "export", "labels.npy", "out.nii.gz", "--image", "scan.nii.gz"
    assert run(folder, *arguments) == 0
    written = nibabel.load(folder / "out.nii.gz")
    np.testing.assert_allclose(written.affine, affine)
    np.testing.assert_array_equal(np.asarray(written.dataobj).T, labels)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("export", "labels.tif", "labels.tif"), "another file"),
        (("export", "labels.tif", "out.docx"), ".npy, .json, got out.docx"),
        (("export", "labels.tif", "missing/out.tif"), "folder to write"),
        (("export", "nothing.tif", "out.zarr"), "does not exist"),
        (("export", "labels.tif", "cells.tif"), "exists"),
        (("export", "other.npy", "out.tif", "--image", "cells.tif"), "of shape"),
        (("export", "floats.npy", "out.tif"), "whole numbers"),
        (("measure", "cells.tif", "labels.tif", "-o", "labels.tif"), "another file"),
        (("measure", "cells.tif", "other.npy", "-o", "out.csv"), "of shape"),
        (("measure", "cells.tif", "floats.npy", "-o", "out.csv"), "whole numbers"),
        (("measure", "cells.tif", "labels.tif", "-o", "missing/out.csv"), "folder"),
        (("measure", "cells.tif", "labels.tif", "-o", "out.xlsx"), "NAME.csv"),
        (("measure", "noise.npy", "noise.npy", "-o", "out.csv"), "swapped"),
        (("export", "noise.npy", "out.tif"), "swapped"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_input_is_one_line_and_writes_nothing(files, capsys, arguments, message):
    folder = files[0]
    np.save(folder / "other.npy", np.ones((3, 3), int))
    np.save(folder / "floats.npy", np.ones((4, 6, 8)))
    np.save(folder / "noise.npy", np.random.default_rng(0).integers(9, 99, (32, 32)))
    before = sorted(folder.iterdir())
    assert run(folder, *arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert sorted(folder.iterdir()) == before
