from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam_adapter.errors import DatasetError, SamAdapterError, TrainingError
from napari_sam_adapter.intensity import IntensityMapping
from napari_sam_adapter.training.recipes.adapter_recipe import read_adapter_recipe
from napari_sam_adapter.training.samples.array_samples import samples_from_arrays
from napari_sam_adapter.training.samples.held_out import divide
from napari_sam_adapter.training.samples.labels import separate_objects
from napari_sam_adapter.training.samples.reading import find_samples, find_sets
from napari_sam_adapter.training.samples.samples import Sample

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_sam_adapter.training.recipes.config import TrainingConfig


def picture(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def pair(folder: Path, name: str, shape: tuple[int, int] = (20, 30)) -> None:
    pixels = np.random.default_rng(len(name)).integers(0, 255, shape, dtype=np.uint8)
    labels = np.zeros(shape, np.uint8)
    labels[5:9, 5:12], labels[12:15, 3:8] = 1, 7
    picture(folder / "images" / f"{name}.png", pixels)
    picture(folder / "masks" / f"{name}.png", labels)


@pytest.fixture
def volume() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.zeros((6, 20, 24), np.int64)
    labels[1:4, 4:12, 4:12] = 1000
    labels[3:5, 13:19, 13:20] = 2**40
    return rng.normal(size=labels.shape) + labels.clip(0, 5), labels


def test_folders_of_images_and_masks_are_paired_by_name(tmp_path: Path) -> None:
    for name in ("a", "b"):
        pair(tmp_path, name)
    found = find_samples(tmp_path)
    assert [sample.name for sample in found.training] == ["a", "b"]
    assert set(np.unique(found.training[0].layers[0])) == {0, 1, 2}
    assert not found.validation
    assert not found.refused


def test_broken_pairs_are_named_and_the_rest_is_used(tmp_path: Path) -> None:
    for name in ("good", "empty", "small", "full", "flat", "torn", "alone"):
        pair(tmp_path, name)
    blank = np.zeros((20, 30), np.uint8)
    picture(tmp_path / "masks" / "empty.png", blank)
    picture(tmp_path / "masks" / "small.png", blank[:10] + 1)
    picture(tmp_path / "masks" / "full.png", blank + 1)
    picture(tmp_path / "images" / "flat.png", blank)
    (tmp_path / "images" / "torn.png").write_bytes(b"\x89PNG nothing")
    (tmp_path / "masks" / "alone.png").unlink()
    found = find_samples(tmp_path)
    assert [sample.name for sample in found.training] == ["good"]
    named = {line.split(":")[0] for line in found.refused}
    assert named == {"empty", "small", "full", "flat", "torn", "alone.png"}


def test_given_parts_are_kept_apart(tmp_path: Path) -> None:
    pair(tmp_path / "train", "a")
    pair(tmp_path / "val", "b")
    found = find_samples(tmp_path)
    assert [s.name for s in found.training] == ["a"]
    assert [s.name for s in found.validation] == ["b"]


def test_lists_name_image_mask_and_part(tmp_path: Path) -> None:
    pair(tmp_path, "a")
    pair(tmp_path, "b")
    lines = "image,mask,split\nimages/a.png,masks/a.png\nimages/b.png,masks/b.png,val\n"
    (tmp_path / "list.csv").write_text(lines)
    found = find_samples(tmp_path / "list.csv")
    assert len(found.training) == len(found.validation) == 1


def test_a_volume_and_its_labels_become_planes(
    tmp_path: Path, volume: tuple[np.ndarray, np.ndarray]
) -> None:
    image, labels = volume
    np.save(tmp_path / "image.npy", image.astype(np.float32))
    np.save(tmp_path / "labels.npy", (labels > 0).astype(np.uint8))
    found = find_samples(tmp_path / "image.npy", tmp_path / "labels.npy")
    assert len(found.training) == 4
    assert {sample.group for sample in found.training} == {"image"}


def indexed(folder: Path, index: str) -> Path:
    """Write a set of pictures, of which the last has torn labels."""
    for name in ("a", "b", "unseen", "torn"):
        pair(folder, name)
    (folder / "masks" / "torn.png").write_bytes(b"nothing")
    (folder / "index.csv").write_text(f"id,split\n{index}")
    return folder


def zipped(folder: Path) -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            archive.write(file, file.relative_to(folder))
    return path


@pytest.mark.parametrize("form", [lambda folder: folder, zipped], ids=["folder", "zip"])
def test_a_set_with_an_index_keeps_its_split_and_names_what_is_broken(
    tmp_path: Path, form: Callable[[Path], Path]
) -> None:
    index = "a,train\nb,val\ntorn,train\ngone,val\nunseen,test\n"
    found = find_samples(form(indexed(tmp_path / "cells", index)))
    assert [s.name for s in found.training] == ["a"]
    assert [s.name for s in found.validation] == ["b"]
    assert [line.split(":")[0] for line in found.refused] == ["gone", "torn"]


def test_volumes_of_more_axes_give_their_planes(
    tmp_path: Path, volume: tuple[np.ndarray, np.ndarray]
) -> None:
    image, labels = (np.stack([part] * 2) for part in volume)
    np.savez(tmp_path / "both.npz", image=image, labels=labels.astype(float))
    found = find_samples(str(tmp_path / "both.npz"))
    assert [s.name for s in found.training][::4] == ["both 0,1", "both 1,1"]
    assert np.unique(found.training[2].layers[0]).tolist() == [0, 1, 2]


def test_sets_share_the_weights_of_a_recipe(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        pair(tmp_path / "one", name)
    pair(tmp_path / "two", "d")
    found = find_sets(tmp_path, {"one": 3.0, "two": 1.0}, 24)
    assert [sample.weight for sample in found.training] == [1.0] * 4


def test_all_sets_are_seen_through_the_window_that_is_chosen(tmp_path: Path) -> None:
    image = np.arange(40 * 40, dtype=np.uint16).reshape(40, 40)
    labels = np.zeros((40, 40), np.uint8)
    labels[10:30, 10:30] = 1
    for name in ("one", "two"):
        for part, pixels in (("images", image), ("masks", labels)):
            (tmp_path / name / part).mkdir(parents=True)
            tifffile.imwrite(tmp_path / name / part / "a.tif", pixels)
    window = IntensityMapping("contrast_limits", 0, 800)
    found = find_sets(tmp_path, {"one": 1.0, "two": 1.0}, 0, window)
    assert [sample.intensity for sample in found.training] == [window] * 2
    assert all(sample.image[20, 0] == 255 for sample in found.training)


@pytest.mark.parametrize("content", ["nothing", "empty folder"])
def test_data_without_pairs_are_refused(tmp_path: Path, content: str) -> None:
    data = tmp_path if content == "empty folder" else tmp_path / "nothing"
    with pytest.raises(DatasetError, match="Expected"):
        find_samples(data)


def test_arrays_become_samples_with_small_numbers_and_their_neighbour(
    volume: tuple[np.ndarray, np.ndarray],
) -> None:
    samples = samples_from_arrays(*volume)
    assert [sample.name for sample in samples] == [f"image {z}" for z in (1, 2, 3, 4)]
    assert np.unique(samples[2].layers[0]).tolist() == [0, 1, 2]
    assert np.array_equal(samples[2].prior, samples[1].layers[0])
    assert samples[0].prior is None
    assert samples[0].image.dtype == np.uint8
    assert samples[0].image.shape == volume[0].shape[1:]


@pytest.mark.parametrize("planes", [np.array([2, 3]), [np.int64(2), -3], [(2,), 3]])
def test_planes_are_named_by_any_whole_numbers(
    volume: tuple[np.ndarray, np.ndarray], planes: object
) -> None:
    assert len(volume[1]) == 6
    samples = samples_from_arrays(*volume, planes)
    assert [sample.name for sample in samples] == ["image 2", "image 3"]


@pytest.mark.parametrize("planes", [[9], [-7], [(1, 2)], [1.5], [()]])
def test_planes_that_are_not_there_are_refused(
    volume: tuple[np.ndarray, np.ndarray], planes: list
) -> None:
    with pytest.raises(TrainingError, match="Expected planes of image"):
        samples_from_arrays(*volume, planes)


def test_only_finished_planes_are_taken(
    volume: tuple[np.ndarray, np.ndarray],
) -> None:
    samples = samples_from_arrays(*volume, planes=[2, (4,), 0])
    assert [sample.name for sample in samples] == ["image 2", "image 4"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda labels: labels[:, :-1], "shape"),
        (lambda labels: labels * 0, "labelled pixels"),
        (lambda labels: labels * 0 + 1, "object and background"),
        (lambda labels: labels - 1, "from 0"),
        (lambda labels: labels + 0.5, "fractions"),
    ],
    ids=["other shape", "empty", "one class", "negative", "fractions"],
)
def test_bad_labels_are_refused(
    volume: tuple[np.ndarray, np.ndarray],
    change: Callable[[np.ndarray], np.ndarray],
    reason: str,
) -> None:
    image, labels = volume
    with pytest.raises(TrainingError, match=reason):
        samples_from_arrays(image, change(labels))


def spoilt(
    kind: str, volume: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the volume with a plane 2 that cannot be used."""
    image, labels = (part.copy() for part in volume)
    if kind == "labelled all over":
        labels[2] = 1000
    else:
        image[2] = 0 if kind == "blank" else np.nan
    return image, labels


@pytest.mark.parametrize("kind", ["blank", "no numbers", "labelled all over"])
def test_planes_that_cannot_be_used_are_left_out_and_named(
    tmp_path: Path, volume: tuple[np.ndarray, np.ndarray], kind: str
) -> None:
    image, labels = spoilt(kind, volume)
    np.savez(tmp_path / "mine.npz", image=image, labels=labels)
    found = find_samples(tmp_path / "mine.npz")
    names = [sample.name for sample in found.training]
    assert names == ["mine 1", "mine 3", "mine 4"]
    (line,) = found.refused
    assert line.startswith("mine 2: Expected")
    assert [s.name for s in samples_from_arrays(image, labels, name="mine")] == names
    with pytest.raises(SamAdapterError, match="mine 2"):
        samples_from_arrays(image, labels, [1, 2], name="mine")
    with pytest.raises(TrainingError, match="nothing to learn from: image 1: "):
        samples_from_arrays(np.zeros_like(image), labels)


def test_validation_images_that_are_lost_are_told(tmp_path: Path) -> None:
    pair(tmp_path / "train", "a")
    pair(tmp_path / "val", "b")
    assert not find_samples(tmp_path).lost_validation
    (tmp_path / "val" / "images" / "b.png").write_bytes(b"nothing")
    assert find_samples(tmp_path).lost_validation
    found = find_sets(tmp_path.parent, {tmp_path.name: 1.0}, 24)
    assert found.lost_validation
    assert not found.validation


@pytest.mark.parametrize("sets", ["5", "{a=0}", "{a=-1.0}", "{a='b'}", "{a=nan}"])
def test_recipes_with_senseless_weights_are_refused(tmp_path: Path, sets: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f"sets = {sets}\n")
    with pytest.raises(TrainingError, match="weight"):
        read_adapter_recipe(str(path))


def test_scattered_numbers_are_classes_and_their_pieces_objects() -> None:
    labels = np.zeros((40, 40), np.int32)
    labels[2:10, 2:10] = labels[20:30, 20:30] = labels[2:10, 30:38] = 1
    sample = Sample(np.zeros((40, 40), np.uint8), (labels,))
    (semantic,) = separate_objects([sample], "auto")
    assert np.unique(semantic.layers[0]).tolist() == [0, 1, 2, 3]
    (instance,) = separate_objects([sample], "instance")
    assert instance is sample


def test_groups_are_not_divided(config: Callable[..., TrainingConfig]) -> None:
    image = np.zeros((4, 4), np.uint8)
    samples = [Sample(image, (image,), group=f"volume {i // 5}") for i in range(20)]
    training, validation = divide(samples, config())
    assert len(training) + len(validation) == 20
    assert not {s.group for s in training} & {s.group for s in validation}


@pytest.mark.parametrize("count", [2, 3, 9])
def test_few_samples_give_at_least_one_for_validation(
    config: Callable[..., TrainingConfig], count: int
) -> None:
    image = np.zeros((4, 4), np.uint8)
    samples = [Sample(image, (image,), group="one volume") for _ in range(count)]
    training, validation = divide(samples, config())
    assert training
    assert validation


def test_slices_between_blank_ones_are_seen_with_their_contrast(tmp_path: Path) -> None:
    image = np.zeros((101, 32, 32), np.uint16)
    labels = np.zeros(image.shape, np.uint8)
    image[10:16] = 1000 + np.arange(1024).reshape(32, 32)
    labels[10:16, 8:20, 8:20] = 1
    (sample, *_) = samples_from_arrays(image, labels)
    assert (sample.image.min(), sample.image.max()) == (0, 255)
    path = tmp_path / "volumes.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("index.csv", "id,split\na,train\n")
        with archive.open("volumes/a.npz", "w") as file:
            np.savez(file, image=image, labels=labels, spacing_zyx=(1, 1, 1))
    assert {s.image.max() for s in find_samples(path).training} == {255}
    assert {s.image.min() for s in find_samples(path).training} == {0}
