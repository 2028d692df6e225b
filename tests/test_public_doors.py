"""The public functions take what people have in hand, or say how to get it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from PIL import Image
from tests.fakes import DiskPredictor

import napari_sam_adapter as nsa
from napari_sam_adapter.cli.inputs.inputs import session_of
from napari_sam_adapter.evaluation.evaluating import evaluation_steps
from napari_sam_adapter.model.files.checkpoints import save_base
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import small_shape
from napari_sam_adapter.sample_images import nuclei_volume

if TYPE_CHECKING:
    from pathlib import Path

FIRST = 18
SIZES = {
    "PhysicalSizeZ": 0.5,
    "PhysicalSizeY": 0.25,
    "PhysicalSizeX": 0.25,
    "TimeIncrement": 60.0,
    "TimeIncrementUnit": "s",
}


@pytest.fixture(scope="module")
def tiny():
    return nsa.load_predictor("tiny")


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """A few slices at three times, or in three channels."""
    image, _ = nuclei_volume()
    part = image[FIRST : FIRST + 4]
    return np.stack([part, np.roll(part, 2, axis=2), np.roll(part, 4, axis=2)])


@pytest.fixture
def film(frames, tmp_path) -> Path:
    tifffile.imwrite(
        tmp_path / "film.ome.tif", frames, metadata={"axes": "TZYX"} | SIZES
    )
    return tmp_path / "film.ome.tif"


@pytest.fixture
def channels(frames, tmp_path) -> Path:
    metadata = {"axes": "CZYX"} | SIZES
    tifffile.imwrite(tmp_path / "channels.ome.tif", frames, metadata=metadata)
    return tmp_path / "channels.ome.tif"


def followed(session, plane, axis) -> np.ndarray:
    nucleus = session.new_object()
    session.add_point(nucleus, plane, (89, 138))
    list(nsa.propagate(session, nucleus, axis=axis))
    return session.labels


def test_a_film_is_followed_as_the_shell_follows_it(film, tiny):
    image = nsa.open_image(film)
    session, shell = nsa.Session(image, tiny), session_of(image, tiny)
    assert session.spacing == shell.spacing == image.spacing == (0.25, 0.5, 0.25, 0.25)
    plane = nsa.Plane((2, 3), (0, 2))
    found = followed(session, plane, axis=0)
    assert (found[:, 2] > 0).any(axis=(1, 2)).all()
    np.testing.assert_array_equal(found, followed(shell, plane, axis=0))


def test_a_channel_is_a_volume_and_several_are_refused(channels, tiny):
    image = nsa.open_image(channels)
    for ask in (nsa.Session, nsa.Volume):
        with pytest.raises(nsa.SamAdapterError, match=r"got 3 chan.*image\.channel\("):
            ask(image)
    session = nsa.Session(image.channel(1), tiny)
    assert session.spacing == (0.5, 0.25, 0.25)
    assert followed(session, nsa.Plane((1, 2), (2,)), axis=0).any(axis=(1, 2)).all()


def test_what_is_given_goes_before_what_the_file_tells(film, channels):
    session = nsa.Session(nsa.open_image(film), spacing=(9, 1, 1, 1))
    assert session.spacing == (9, 1, 1, 1)
    colours = nsa.Session(nsa.open_image(channels), axes="czyx")
    assert colours.volume.is_rgb
    assert colours.spacing == (0.5, 0.25, 0.25)
    assert nsa.Session(nsa.Volume(nsa.open_image(film))).spacing[1] == 0.5


def test_a_pyramid_is_read_with_its_levels(tmp_path):
    path = tmp_path / "wide.zarr"
    nsa.save_labels(path, np.arange(1100 * 1100, dtype=np.uint32).reshape(1100, -1))
    image = nsa.open_image(path)
    shapes = [level.shape for level in image.levels]
    assert shapes
    assert list(nsa.Volume(image).level_shapes) == shapes
    assert nsa.Volume(image, levels=()).level_shapes == ()


def test_an_opened_image_is_replayed_and_reopened(film, tiny, tmp_path):
    image = nsa.open_image(film)
    journal = tmp_path / "journal.jsonl"
    session = nsa.Session(image, tiny, journal=journal)
    labels = followed(session, nsa.Plane((2, 3), (0, 2)), axis=0)
    nsa.save_session(tmp_path / "film.session", session)
    again = nsa.replay(journal, image, tiny)
    opened = nsa.open_session(tmp_path / "film.session", image)
    for other in (again, opened):
        np.testing.assert_array_equal(other.labels, labels)
        assert other.spacing == session.spacing


def test_an_opened_picture_is_encoded_and_searched(frames, tiny, tmp_path):
    grey = (frames[0, 2] / frames.max() * 255).astype(np.uint8)
    rgba = np.dstack([grey, grey, grey, np.full_like(grey, 255)])
    Image.fromarray(rgba).save(tmp_path / "picture.png")
    image = nsa.open_image(tmp_path / "picture.png")
    asked = nsa.Prompts(points=[(89, 138)])
    masks = [tiny.predict(tiny.encode(i), asked).mask for i in (image, rgba[..., :3])]
    np.testing.assert_array_equal(*masks)
    settings = nsa.EverythingSettings(points_per_side=8)
    assert nsa.segment_everything(image, tiny, settings).max() > 3
    assert nsa.segment_semantic(image, tiny).shape == grey.shape


def test_labels_are_measured_with_what_the_image_tells(film, frames, tmp_path):
    image, labels = nsa.open_image(film), (frames > np.median(frames)).astype(int)
    told = nsa.measure(
        nsa.Measuring(labels, image.data, image.axes, image.spacing, image.unit)
    )
    assert nsa.measure(labels, image) == told
    assert told.column("unit") == ["um"] * len(frames)
    nsa.save_labels(tmp_path / "labels.ome.tif", labels, like=film)
    opened = nsa.open_image(tmp_path / "labels.ome.tif")
    assert opened.scale == image.scale
    assert nsa.measure(opened).column("volume") == told.column("volume")
    assert nsa.measure(labels[0]).column("unit") == ["pixel"]
    nsa.export_labels(tmp_path / "labels.json", labels, like=str(film))
    assert '"Objects of film.ome.tif"' in (tmp_path / "labels.json").read_text()


def test_objects_of_a_session_are_measured_with_their_names(film, tmp_path):
    image = nsa.open_image(film)
    session = nsa.Session(image)
    for number in (1, 2):
        session.new_object()
        session.labels[0, 0, number, :4] = number
    session.apply(nsa.RenameObject(2, "left"), nsa.SetClass(1, "nucleus"))
    found = nsa.measure(session, image)
    assert found.column("name") == ["", "left"]
    assert found.column("class") == ["nucleus", ""]
    assert found.column("volume") == nsa.measure(session.labels, image).column("volume")
    found.save(tmp_path / "objects.csv")
    lines = (tmp_path / "objects.csv").read_text().splitlines()
    assert lines[0] == ",".join(found.columns)
    assert len(lines) == 3
    with pytest.raises(nsa.SamAdapterError, match="overwrite=True"):
        found.save(tmp_path / "objects.csv")


def test_a_session_is_measured_with_what_it_was_told(frames):
    labels = (frames > np.median(frames)).astype(int)[:, 0]
    session = nsa.Session(
        frames[:, 0], labels=labels, axes="tyx", spacing=(1, 0.5, 0.5)
    )
    told = nsa.Measuring(labels, axes="tyx", spacing=(1, 0.5, 0.5))
    assert nsa.measure(session) == nsa.measure(told)
    assert nsa.measure(session).column("t") == [0, 1, 2]
    bright = nsa.measure(session, frames[:, 0])
    assert bright.column("area") == nsa.measure(told).column("area")
    assert "intensity_mean" in bright.columns


def test_a_session_of_an_opened_image_is_measured_in_its_unit(film, frames):
    image, labels = nsa.open_image(film), (frames > np.median(frames)).astype(int)
    session = nsa.Session(image, labels=labels)
    told = nsa.Measuring(labels, None, image.axes, image.spacing, image.unit)
    assert nsa.measure(session) == nsa.measure(told)
    session.spacing = 0.25, 1, 0.25, 0.25
    for corrected in (nsa.measure(session), nsa.measure(session, image)):
        single = nsa.measure(labels, image).column("volume")
        assert corrected.column("volume") == [2 * volume for volume in single]
        assert set(corrected.column("unit")) == {"um"}
    untold = nsa.Session(frames, labels=labels, axes="tzyx")
    assert nsa.measure(untold, image) == nsa.measure(labels, image)


@pytest.fixture
def table(tmp_path) -> Path:
    path = tmp_path / "prompts.csv"
    path.write_text(
        "object,kind,t,z,y,x,y2,x2\n"
        "left,point,0,2,89,138,,\n"
        "left,point,1,2,89,140,,\n"
        "right,box,0,2,20,30,40,55\n"
    )
    return path


def test_a_table_of_prompts_is_one_step_of_a_session(film, table, tiny):
    image = nsa.open_image(film)
    session = nsa.Session(image, tiny)
    read = nsa.read_prompts(table, image, axis="z")
    left, right = nsa.add_prompts(session, read)
    summary = session.objects.summary
    assert (summary(left).name, summary(right).name) == ("left", "right")
    first, second = nsa.Plane((2, 3), (0, 2)), nsa.Plane((2, 3), (1, 2))
    assert session.anchors(left) == [first, second]
    assert session.prompts(right, first).box == (20, 30, 40, 55)
    assert session.mask(left, first)[89, 138]
    session.undo()
    assert session.object_ids == []


def test_prompts_of_a_table_get_free_numbers(frames, tmp_path):
    path = tmp_path / "prompts.csv"
    path.write_text("object,y,x\n5,9,9\n7,20,20\n")
    picture = frames[0, 2]
    read = nsa.read_prompts(str(path), picture)
    session = nsa.Session(picture)
    assert nsa.add_prompts(session, read) == [5, 7]
    assert nsa.add_prompts(session, read) == [8, 9]
    assert not session.objects.names  # they would be the numbers of others
    assert session.prompts(9, nsa.Plane((0, 1))).points.tolist() == [[20, 20]]


def test_a_predictor_is_asked_what_a_table_asks_on_a_slice(film, table, frames, tiny):
    read = nsa.read_prompts(table, frames, axis=-3)
    asked = read.on(nsa.Plane((2, 3), (0, 2)))
    answers = tiny.predict_many(tiny.encode(frames[0, 2]), list(asked.values()))
    assert list(asked) == [1, 2]
    assert answers[0].mask[89, 138]
    with pytest.raises(nsa.SamAdapterError, match="prompts on 2 slices, got none"):
        read.on()


@pytest.mark.parametrize("axis", [1, -3, np.int64(1), np.int64(-3), "z"])
def test_the_axis_of_a_table_may_be_any_whole_number(axis, table, frames):
    read = nsa.read_prompts(table, frames, axis)
    assert [next(iter(planes)).axes for planes in read.objects] == [(2, 3), (2, 3)]


@pytest.mark.parametrize("axis", [4, -5, np.int64(-5), 0.0, "q"])
def test_an_axis_that_is_not_there_is_told_as_it_was_given(axis, table, frames):
    with pytest.raises(nsa.SamAdapterError, match=f"got '?{axis}'?\\."):
        nsa.read_prompts(table, frames, axis)


def test_prompts_of_a_picture_need_no_plane(frames, tmp_path):
    path = tmp_path / "prompts.csv"
    path.write_text("y,x\n9,8\n")
    (asked,) = nsa.read_prompts(path, frames[0, 2]).on().values()
    assert asked.points.tolist() == [[9, 8]]


def test_a_table_for_an_image_of_several_channels_is_refused(channels, table):
    with pytest.raises(nsa.SamAdapterError, match=r"image\.channel\("):
        nsa.read_prompts(table, nsa.open_image(channels))


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda e, p: p.predict(e, [(1, 2)]), r"Prompts, got \[\(1, 2\)\].*Prompts\("),
        (
            lambda e, p: p.predict_many(e, [[(1, 2)]]),
            r"Expected Prompts, got",
        ),
        (
            lambda e, p: nsa.find_objects(nsa.Session(np.zeros((2, 9, 9)), p)),
            r"a plane of a volume of 2 x 9 x 9, got none.*position=20",
        ),
        (
            lambda e, p: p.predict_many(e, nsa.Prompts(points=[(1, 2)])),
            r"a list of Prompts, got one alone",
        ),
        (lambda e, p: p.encode("a.tif"), r"image of shape.*open_image"),
        (
            lambda e, p: nsa.segment_everything("a.tif", p),
            r"one plane, .*open_image",
        ),
        (
            lambda e, p: nsa.segment_everything(np.eye(64), DiskPredictor()),
            r"got DiskPredictor.*load_predictor",
        ),
        (
            lambda e, p: nsa.save_session(nsa.Session(np.eye(9)), "a.session"),
            r"Expected the path first",
        ),
        (
            lambda e, p: nsa.Session(np.zeros((9, 9)), "tiny"),
            r"a predictor, got 'tiny'.*load_predictor",
        ),
        (lambda e, p: nsa.measure([[0, 1]]), r"arrays to measure, got list"),
        (lambda e, p: nsa.measure("a.tif"), r"arrays to measure, got str.*open_image"),
        (lambda e, p: nsa.Session(np.zeros((2, 9, 9)), axes=[0, 1, 2]), r"one letter"),
        (lambda e, p: nsa.Session("a.tif"), r"an array, got str.*open_image"),
        (
            lambda e, p: nsa.samples_from_arrays(
                np.zeros((4, 9, 9)), np.ones((4, 9, 9), int), planes=3
            ),
            r"several planes, got 3: write \[3\]",
        ),
        (
            lambda e, p: nsa.evaluate("nowhere", p, nsa.Interactive()),
            r"does not exist",
        ),
        (
            lambda e, p: nsa.save_labels("a.tif", np.ones((4, 4), int), like="nowhere"),
            r"nowhere does not exist",
        ),
    ],
)
def test_what_is_no_such_thing_gets_a_sentence(ask, sentence, tiny, frames, tmp_path):
    with pytest.raises(nsa.SamAdapterError, match=sentence):
        ask(tiny.encode(frames[0, 0]), tiny)


@pytest.fixture
def cells(tmp_path) -> Path:
    rng = np.random.default_rng(0)
    mask = np.zeros((64, 64), np.uint8)
    mask[20:40, 10:30] = 1
    for split, count in (("train", 2), ("val", 1)):
        for number in range(count):
            pixels = 200 * mask + rng.integers(0, 30, mask.shape, np.uint8)
            for part, array in (("images", pixels), ("masks", mask)):
                folder = tmp_path / "cells" / split / part
                folder.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(folder / f"{number}.png")
    return tmp_path / "cells"


def test_a_folder_is_evaluated_by_its_path(cells):
    asked = nsa.Interactive(corrections=0)
    one, other = (
        nsa.evaluate(dataset, DiskPredictor(), asked)
        for dataset in (str(cells), nsa.open_dataset(cells))
    )
    assert len(one.objects.rows) == 3
    assert one.objects == other.objects
    assert nsa.evaluate(cells, DiskPredictor()).protocol == nsa.Interactive()
    *_, last = evaluation_steps(cells, DiskPredictor())
    assert last.result.protocol == nsa.Interactive()


def test_what_was_found_is_trained_on_and_validated(cells, tmp_path):
    base = tmp_path / "base.safetensors"
    save_base(build_sam(small_shape(64, 2, 64, 64)).state_dict(), base, {})
    output = tmp_path / "a.safetensors"
    config = nsa.TrainingConfig(output, base=str(base), trains="decoder", steps=1)
    *_, last = nsa.train_adapter(config, nsa.find_samples(cells), resumable=False)
    assert len(last.examples) == 1
    assert (last.step, len(last.history)) == (1, 2)


def test_each_thing_says_in_a_line_what_it_is(cells, film, tiny, frames):
    image = nsa.open_image(film)
    session = nsa.Session(image, tiny)
    session.new_object()
    found = nsa.find_samples(cells)
    things = {
        session: r"<Session 3 x 4 x 160 x 160, 1 object, tiny>",
        nsa.Session(frames): r"<Session 3 x 4 x 160 x 160, 0 objects, no model>",
        session.volume: r"<Volume 3 x 4 x 160 x 160 uint16>",
        image: r"<OpenedImage film.ome.tif tzyx 3 x 4 x 160 x 160 uint16>",
        image.data: r"<LazyArray 3 x 4 x 160 x 160 uint16, .*film.ome.tif>",
        tiny: r"<SamPredictor tiny on cpu>",
        tiny.with_adapter("microscopy"): r"<SamPredictor tiny with microscopy on cpu>",
        tiny.encode(frames[0, 0]): r"<ImageEmbedding of 160 x 160 pixels>",
        nsa.EmbeddingStore("kept"): r"<EmbeddingStore kept>",
        nsa.open_dataset(cells): r"<Dataset cells, 3 pairs>",
    }
    told = {repr(thing): line for thing, line in things.items()}
    told |= {repr(found): r"<FoundSamples 2 training, 1 validation, 0 refused>"}
    told |= {repr(found.training[0]): r"<Sample train/0, 64 x 64>"}
    for text, line in told.items():
        assert re.fullmatch(line, text)
