import shutil

import numpy as np
import pytest
import zarr
from PIL import Image

from napari_sam_adapter.errors import DatasetError, ImageError, OutputError
from napari_sam_adapter.image_io.files.opening import open_image, save_labels
from napari_sam_adapter.image_io.series.entries import SeriesEntry
from napari_sam_adapter.image_io.series.folders import MOST_OPENED
from napari_sam_adapter.image_io.series.series import PROGRESS_NAME, Series

SHAPE = (6, 8)


@pytest.fixture
def folder(tmp_path):
    for name in ("image 10.tif", "image 2.tif", "image 1.png"):
        save_labels(tmp_path / name, np.arange(48).reshape(SHAPE))
    (tmp_path / "notes.txt").write_text("not an image")
    return tmp_path


def names(series):
    return [entry.path.name for entry in series.entries]


def labels_of(value):
    return np.full(SHAPE, value, np.int32)


def save_store(path):
    """Write a volume as a zarr array."""
    pixels = np.arange(4 * 6 * 8, dtype=np.uint16).reshape(4, *SHAPE)
    zarr.create_array(path, shape=pixels.shape, dtype=pixels.dtype)[:] = pixels
    return pixels


def test_labels_of_a_zarr_store_without_its_suffix_can_be_saved(tmp_path):
    pixels = save_store(tmp_path / "store")
    entry = Series([tmp_path / "store"]).entry
    assert entry.save(pixels // 100, entry.read().image)
    np.testing.assert_array_equal(entry.read().labels, pixels // 100)
    assert entry.labels_path.name == "store_zarr_labels.zarr"
    assert len(Series.of_folder(tmp_path).entries) == 1


def test_zarr_stores_of_a_folder_need_no_suffix(tmp_path):
    for name in ("store", "a.zarr", "B.ZARR"):
        save_store(tmp_path / name)
    (tmp_path / "notes").mkdir()
    series = Series.of_folder(tmp_path)
    assert names(series) == ["a.zarr", "B.ZARR", "store"]
    labels = [entry.labels_path.name for entry in series.entries]
    assert labels == ["a_labels.zarr", "B_labels.ZARR", "store_zarr_labels.zarr"]


@pytest.mark.parametrize("name", ["store", "a.zarr"])
def test_a_zarr_store_is_one_image_whose_arrays_are_none(tmp_path, name):
    store = tmp_path / name
    zarr.open_group(store, mode="w")
    save_store(store / "0")
    assert [entry.path for entry in Series.of_folder(store).entries] == [store]


def test_images_with_suffix_in_a_zarr_group_are_a_series(tmp_path):
    zarr.open_group(tmp_path, mode="w")
    for name in ("b.zarr", "a.zarr"):
        save_store(tmp_path / name)
    assert names(Series.of_folder(tmp_path)) == ["a.zarr", "b.zarr"]


def test_a_damaged_store_is_told_when_its_turn_comes(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(ImageError, match="no zarr store"):
        Series.of_folder(tmp_path).entry.read()


def test_labels_have_one_place_though_the_image_vanishes(tmp_path):
    save_store(tmp_path / "store")
    entry = Series.of_folder(tmp_path).entry
    before = entry.labels_path
    shutil.rmtree(tmp_path / "store")
    assert entry.labels_path == before


def test_labels_elsewhere_in_the_patient_are_refused_and_kept(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    affine = np.array([[-1, 0, 0, 50], [0, -1, 0, 60], [0, 0, 2, 7], [0, 0, 0, 1.0]])
    turned = np.array([[1, 0, 0, 39], [0, 1, 0, 51], [0, 0, 2, 7], [0, 0, 0, 1.0]])
    pixels, labels = np.ones((12, 10, 4), np.uint8), tmp_path / "a_labels.nii.gz"
    nibabel.save(nibabel.Nifti1Image(pixels, affine), tmp_path / "a.nii.gz")
    nibabel.save(nibabel.Nifti1Image(pixels, turned), labels)
    before = labels.read_bytes()
    with pytest.raises(ImageError, match="lie where"):
        Series.of_folder(tmp_path).entry.read()
    assert labels.read_bytes() == before
    nibabel.save(nibabel.Nifti1Image(pixels, affine), labels)
    assert Series.of_folder(tmp_path).entry.read().labels.all()


def test_a_folder_is_a_series_in_natural_order(folder):
    assert names(Series.of_folder(folder)) == [
        "image 1.png", "image 2.tif", "image 10.tif"
    ]  # fmt: skip


def test_labels_lie_beside_in_the_format_of_the_image(folder):
    series = Series.of_folder(folder)
    for _ in range(2):
        entry = series.entry
        entry.save(labels_of(series.position + 3), entry.read().image)
        series.move_to(series.position + 1)
    assert open_image(folder / "image 1_labels.png").data[0, 0] == 3
    assert open_image(folder / "image 2_labels.tif").data[0, 0] == 4
    assert len(Series.of_folder(folder).entries) == 3


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("a.ome.tif", "a_labels.ome.tif"),
        ("a.nii.gz", "a_labels.nii.gz"),
        ("a.zarr", "a_labels.zarr"),
        ("A.TIF", "A_labels.TIF"),
        ("a.jpg", "a.jpg_labels.png"),
    ],
)
def test_no_two_images_share_a_file_of_labels(tmp_path, name, labels):
    assert SeriesEntry(tmp_path / name).labels_path.name == labels


def test_a_series_opened_again_goes_on_where_it_stopped(folder):
    series = Series.of_folder(folder)
    series.mark(True)
    series.move_to(1)
    series.entry.save(labels_of(7), series.entry.read().image)
    again = Series.of_folder(folder)
    assert (again.entry.path.name, again.done_count) == ("image 2.tif", 1)
    assert not again.is_done
    np.testing.assert_array_equal(again.entry.read().labels, labels_of(7))


def test_an_image_that_was_done_can_be_opened_again(folder):
    series = Series.of_folder(folder)
    series.mark(True)
    series.mark(False)
    assert Series.of_folder(folder).done_count == 0


def test_images_without_labels_have_none(folder):
    assert Series.of_folder(folder).entry.read().labels is None


def test_a_list_may_name_images_of_several_folders(folder):
    other = folder / "more"
    other.mkdir()
    save_labels(other / "z.tif", labels_of(1))
    series = Series([folder / "image 2.tif", other / "z.tif"])
    series.move_to(1)
    series.mark(True)
    again = Series([entry.path for entry in series.entries])
    assert (again.entry.path, again.is_done) == (other / "z.tif", True)


def test_there_is_nothing_beyond_the_ends(folder):
    series = Series.of_folder(folder)
    for position in (-1, 3):
        with pytest.raises(DatasetError, match="end of the series"):
            series.move_to(position)
    assert series.position == 0


def test_a_missing_image_is_told_when_its_turn_comes(folder):
    series = Series([folder / "gone.tif", folder / "image 2.tif"])
    with pytest.raises(ImageError, match="does not exist"):
        series.entry.read()
    series.move_to(1)
    assert series.entry.read().labels is None


@pytest.mark.parametrize("labels", [np.zeros((3, 3)), np.full(SHAPE, -1)])
def test_labels_that_do_not_fit_are_not_overwritten(folder, labels):
    path = folder / "image 10_labels.npy"
    np.save(folder / "image 10.npy", labels_of(1))
    np.save(path, labels)
    before = path.read_bytes()
    with pytest.raises(ImageError, match="Move that file away"):
        Series([folder / "image 10.npy"]).entry.read()
    assert path.read_bytes() == before


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="got none"):
        Series.of_folder(tmp_path)
    with pytest.raises(DatasetError, match="Expected a folder"):
        Series.of_folder(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="got none"):
        Series([])


def test_images_a_folder_deeper_are_pointed_to(tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "patient" / "scan").mkdir(parents=True)
    np.save(tmp_path / "patient" / "a.npy", labels_of(1))
    with pytest.raises(DatasetError, match=r"got none\. There are some in .*patient:"):
        Series.of_folder(tmp_path)


def test_a_folder_of_labels_alone_is_not_pointed_to(tmp_path):
    (tmp_path / "patient").mkdir()
    np.save(tmp_path / "patient" / "a_labels.npy", labels_of(1))
    with pytest.raises(DatasetError, match=r"Choose another\.$"):
        Series.of_folder(tmp_path)


def test_few_files_are_opened_to_say_where_images_are(tmp_path, monkeypatch):
    for i in range(30):
        (tmp_path / f"p{i:02}" / "notes").mkdir(parents=True)
        for j in range(10):
            (tmp_path / f"p{i:02}" / "notes" / f"{j}.txt").touch()
    really, opened = type(tmp_path).open, []

    def counted(path, *args, **options):
        opened.append(path)
        return really(path, *args, **options)

    monkeypatch.setattr(type(tmp_path), "open", counted)
    with pytest.raises(DatasetError, match="Choose another"):
        Series.of_folder(tmp_path)
    assert 20 < len(opened) <= MOST_OPENED


@pytest.mark.parametrize("content", ["{", "[]", '{"version": 9}'])
def test_damaged_progress_is_not_overwritten(folder, content):
    path = folder / PROGRESS_NAME
    path.write_text(content)
    with pytest.raises(DatasetError, match="Move that"):
        Series.of_folder(folder)
    assert path.read_text() == content


def test_labels_that_cannot_be_written_leave_the_old_ones(folder):
    series = Series.of_folder(folder)
    image = series.entry.read().image
    series.entry.save(labels_of(1), image)
    with pytest.raises(OutputError):
        series.entry.save(np.zeros((2, 2), np.int32), image)
    assert (series.entry.read().labels == 1).all()


def test_an_image_without_objects_gets_no_file(folder):
    entry = Series.of_folder(folder).entry
    assert not entry.save(labels_of(0), entry.read().image)
    assert not entry.labels_path.exists()
    assert entry.save(labels_of(1), entry.read().image)
    assert not entry.save(labels_of(0), entry.read().image)
    assert not entry.read().labels.any()


def test_a_store_that_was_given_is_an_image_also_if_it_is_called_labels(tmp_path):
    store = tmp_path / "cell_labels.zarr"
    save_store(store)
    assert [entry.path for entry in Series.of_folder(store).entries] == [store]


def test_pictures_in_which_no_labels_are_kept_are_images(tmp_path):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "x_labels.jpg")
    assert names(Series.of_folder(tmp_path)) == ["x_labels.jpg"]
