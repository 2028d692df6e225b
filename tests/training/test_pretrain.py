from __future__ import annotations

import dataclasses
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image
from tests.full_disk import full_disk
from tests.training.conftest import interrupt
from torch.nn.modules.module import register_module_full_backward_hook
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from torch.overrides import TorchFunctionMode

from napari_sam_adapter.errors import (
    DatasetError,
    DeviceError,
    OutputError,
    TrainingError,
)
from napari_sam_adapter.model.files.checkpoints import load_checkpoint
from napari_sam_adapter.model.shape import TINY
from napari_sam_adapter.training.examples.augmentation import fit_view, random_view
from napari_sam_adapter.training.examples.prompt_data import (
    PromptDataset,
    pick_objects,
    to_device,
)
from napari_sam_adapter.training.recipes.recipe import Phase, Recipe, read_recipe
from napari_sam_adapter.training.runs.pretrain import pretrain
from napari_sam_adapter.training.samples.datasets import read_samples
from napari_sam_adapter.training.samples.samples import Sample
from napari_sam_adapter.training.samples.synthetic import FAMILIES, draw_sample
from napari_sam_adapter.training.steps.prompt_sampling import (
    sample_boxes,
    sample_corrections,
    sample_points,
)

if TYPE_CHECKING:
    from pathlib import Path

SHORT = Recipe(
    phases=(
        Phase(64, 3, 1, 2, 1, (1e-3, 1e-3)),
        Phase(128, 2, 1, 2, 1, (1e-3, 1e-4)),
    ),
    synthetic_share=1.0,
)

BRIEF = Recipe(phases=(Phase(64, 3, 1, 1, 0, (1e-3, 1e-3)),), synthetic_share=1.0)


def with_judging(steps: int) -> Recipe:
    phase = Phase(64, steps, 1, 2, 1, (1e-2, 1e-2), trains="quality")
    return dataclasses.replace(SHORT, phases=(SHORT.phases[0], phase))


def changed(before: Path, after: Path, part: str = "") -> list[str]:
    """Name the tensors that differ."""
    a, b = (load_checkpoint(path).sam.state_dict() for path in (before, after))
    return [key for key in a if part in key and not torch.equal(a[key], b[key])]


@pytest.fixture
def squares() -> torch.Tensor:
    masks = torch.zeros(2, 16, 16, dtype=torch.bool)
    masks[0, 2:6, 3:9] = True
    masks[1, 10:12, 10:15] = True
    return masks


@pytest.fixture
def dataset_file(tmp_path: Path) -> Path:
    path = tmp_path / "cells.zip"
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("index.csv", "id,split\na,train\nb,val\n")
        for name in "ab":
            for folder, top in (("images", 255), ("masks", 2)):
                with archive.open(f"{folder}/{name}.png", "w") as file:
                    pixels = rng.integers(0, top, (20, 30), dtype=np.uint8)
                    Image.fromarray(pixels).save(file, "PNG")
    return path


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__)
def test_every_family_draws_objects(family) -> None:
    image, layers = family(np.random.default_rng(3), 96)
    assert image.shape == (96, 96)
    assert all(layer.shape == (96, 96) for layer in layers)
    assert layers[0].max() >= 1


def test_drawn_samples_repeat_under_a_seed() -> None:
    first, second = (draw_sample(np.random.default_rng(5), 64) for _ in range(2))
    assert np.array_equal(first.image, second.image)
    assert first.image.dtype == np.uint8


def test_views_keep_image_and_labels_together() -> None:
    labels = np.zeros((40, 60), np.int32)
    labels[10:30, 20:50] = 4
    image = np.where(labels > 0, 200, 20).astype(np.uint8)
    view = fit_view(Sample(image, (labels,)), 64)
    bright = view.image[..., 0] > 110
    assert view.valid == (43, 64)
    assert (bright == (view.layers[0] == 4)).mean() > 0.98


def test_random_views_keep_the_size_and_the_labels() -> None:
    rng = np.random.default_rng(0)
    sample = draw_sample(rng, 96)
    view = random_view(sample, 64, rng)
    assert view.image.shape == (64, 64, 3)
    assert set(np.unique(view.layers[0])) <= set(np.unique(sample.layers[0]))


def test_images_without_objects_give_no_masks() -> None:
    empty = fit_view(Sample(np.zeros((8, 8), np.uint8), (np.zeros((8, 8), int),)), 64)
    assert pick_objects(empty, 2, np.random.default_rng(0)) is None


def test_points_are_drawn_inside(squares: torch.Tensor) -> None:
    points = sample_points(squares, stride=4)
    x, y = (points / 4).long().T
    assert squares[torch.arange(2), y, x].all()


def test_boxes_enclose_their_masks(squares: torch.Tensor) -> None:
    boxes = sample_boxes(squares, stride=2, noisy=False)
    assert boxes.tolist() == [[6, 4, 17, 11], [20, 20, 29, 23]]


def test_corrections_point_at_errors_with_the_right_sign(squares: torch.Tensor) -> None:
    wrong = squares.clone()
    wrong[0] = False  # everything missed
    wrong[1, 0, 0] = True  # one pixel too much
    points, labels = sample_corrections(wrong, squares, stride=1)
    assert labels.tolist() == [1, 0]
    assert points[1].tolist() == [0, 0]


def test_perfect_masks_are_corrected_inside(squares: torch.Tensor) -> None:
    _, labels = sample_corrections(squares, squares, stride=1)
    assert labels.tolist() == [1, 1]


def test_only_the_asked_split_is_read(dataset_file: Path) -> None:
    train, val = (read_samples(dataset_file, split) for split in ("train", "val"))
    assert len(train) == len(val) == 1
    assert train[0].image.shape == (20, 30)
    assert not np.array_equal(train[0].image, val[0].image)


def test_volumes_become_planes_along_each_axis(tmp_path: Path) -> None:
    path = tmp_path / "volumes.zip"
    labels = np.zeros((12, 13, 14), np.uint8)
    labels[3:9, 3:9, 3:9] = 1
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("index.csv", "id,split\nv,train\n")
        with archive.open("volumes/v.npz", "w") as file:
            np.savez(file, image=labels * 1000.0, labels=labels)
    samples = read_samples(path, "train")
    assert len(samples) == 18
    assert {s.image.shape for s in samples} == {(13, 14), (12, 14), (12, 13)}


@pytest.mark.parametrize("content", [b"", b"not a zip"])
def test_broken_data_set_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.zip"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="broken"):
        read_samples(path, "train")


def test_examples_depend_on_seed_and_number_alone() -> None:
    data = PromptDataset([], SHORT, SHORT.phases[0], 0)
    assert torch.equal(data[2].image, data[2].image)
    assert not torch.equal(data[1].image, data[2].image)


def test_recipe_of_the_package_is_valid() -> None:
    recipe = read_recipe("tiny")
    assert recipe.total_steps == sum(phase.steps for phase in recipe.phases)
    last = recipe.learning_rate(recipe.total_steps - 1)
    assert last < recipe.learning_rate(200)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"model = 3\nphases = 7",
        b"colour = 'red'",
        b"[[phases]]\nimage_size=65",
        b"[[phases]]\nimage_size=64\nsteps=1\nbatch=1\nlearning_rate=[0.1]",
        b"[[phases]]\nimage_size=64\nsteps=1\nbatch=1\nlearning_rate=['a', 'b']",
        b"synthetic_share=1\nseed='a'\n[[phases]]\nimage_size=64\nsteps=1\nbatch=1",
        b"synthetic_share=1\n[[phases]]\nimage_size=64.0\nsteps=1\nbatch=1",
        b"synthetic_share=1\n[[phases]]\nimage_size=64\nsteps=1\nbatch=1\ntrains='x'",
        b"sets=5\n[[phases]]\nimage_size=64\nsteps=1\nbatch=1",
        b"sets={fold=0.0}\n[[phases]]\nimage_size=64\nsteps=1\nbatch=1",
        b"sets={fold=-1}\n[[phases]]\nimage_size=64\nsteps=1\nbatch=1",
        b"sets={fold='a'}\n[[phases]]\nimage_size=64\nsteps=1\nbatch=1",
        b"# in Latin 1: \xe9",
    ],
)
def test_bad_recipes_are_refused(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(text)
    with pytest.raises(TrainingError):
        read_recipe(path)


def pictures(path: Path, **objects: int) -> None:
    """Write a set with pictures whose one object has so many pixels along a side."""
    with zipfile.ZipFile(path, "w") as archive:
        index = "".join(f"{name},train\n" for name in objects)
        archive.writestr("index.csv", f"id,split\n{index}")
        for name, side in objects.items():
            labels = np.zeros((64, 64), np.uint8)
            labels[9 : 9 + side, 9 : 9 + side] = 1
            for folder, pixels in (("images", labels * 200), ("masks", labels)):
                with archive.open(f"{folder}/{name}.png", "w") as file:
                    Image.fromarray(pixels).save(file, "PNG")


def stopped_at(step: int, recipe: Recipe, folder: Path, output: Path) -> None:
    steps = pretrain(recipe, folder, output)
    next(p for p in steps if p.step == step)
    steps.close()


@pytest.mark.parametrize("step", [1, 3])
def test_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, step: int) -> None:
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    assert [p.step for p in pretrain(SHORT, tmp_path, whole)] == [1, 2, 3, 4, 5]
    stopped_at(step, SHORT, tmp_path, parts)
    resumed = list(pretrain(SHORT, tmp_path, parts, resume=True))
    assert [p.step for p in resumed] == list(range(step + 1, 6))
    assert not changed(whole, parts)
    assert not list(tmp_path.glob("*.state"))


@pytest.mark.usefixtures("interruptible")
@pytest.mark.filterwarnings("ignore:.*[bB]ackward hook:UserWarning")
@pytest.mark.parametrize(
    "catch",
    [
        register_module_full_backward_hook,
        register_optimizer_step_pre_hook,
        register_optimizer_step_post_hook,
    ],
    ids=["gradient", "before moving", "after moving"],
)
def test_an_interrupt_keeps_whole_steps(tmp_path: Path, catch) -> None:
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    list(pretrain(BRIEF, tmp_path, whole))
    steps = pretrain(BRIEF, tmp_path, parts)
    next(steps)
    with catch(interrupt), pytest.raises(KeyboardInterrupt):
        list(steps)
    list(pretrain(BRIEF, tmp_path, parts, resume=True))
    assert not changed(whole, parts)


def test_a_new_start_forgets_the_state_of_the_run_before(tmp_path: Path) -> None:
    path = tmp_path / "base.safetensors"
    stopped_at(2, BRIEF, tmp_path, path)
    stopped_at(1, BRIEF, tmp_path, path)
    assert next(pretrain(BRIEF, tmp_path, path, resume=True)).step == 2


def test_resuming_with_another_recipe_or_other_data_is_refused(
    tmp_path: Path,
) -> None:
    path = tmp_path / "base.safetensors"
    recipe = dataclasses.replace(BRIEF, sets={"mine": 1.0})
    pictures(tmp_path / "mine.zip", good=30)
    stopped_at(1, recipe, tmp_path, path)
    other = dataclasses.replace(recipe, weight_decay=0.1)
    with pytest.raises(TrainingError, match="weight_decay"):
        next(pretrain(other, tmp_path, path, resume=True))
    pictures(tmp_path / "mine.zip", good=20)
    with pytest.raises(TrainingError, match="data sets"):
        next(pretrain(recipe, tmp_path, path, resume=True))


def test_a_state_that_does_not_tell_its_recipe_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "base.safetensors"
    stopped_at(1, BRIEF, tmp_path, path)
    state = path.with_name(path.name + ".state")
    content = torch.load(state, weights_only=True)
    del content["recipe"]
    torch.save(content, state)
    with pytest.raises(TrainingError, match="earlier version"):
        next(pretrain(BRIEF, tmp_path, path, resume=True))


@pytest.mark.parametrize(("steps", "told"), [(1, "half precision"), (8, "finite loss")])
def test_what_is_no_number_is_not_written(
    tmp_path: Path, steps: int, told: str
) -> None:
    phase = Phase(64, steps, 1, 1, 0, (1e30, 1e30))
    path = tmp_path / "base.safetensors"
    with pytest.raises(TrainingError, match=told):
        list(pretrain(dataclasses.replace(BRIEF, phases=(phase,)), tmp_path, path))
    assert not path.exists()


def test_the_random_numbers_of_the_caller_go_on(tmp_path: Path) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    list(pretrain(BRIEF, tmp_path, tmp_path / "base.safetensors"))
    assert torch.equal(torch.rand(3), expected)


def test_pairs_of_a_set_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    recipe = dataclasses.replace(BRIEF, sets={"mine": 1.0})
    path = tmp_path / "base.safetensors"
    pictures(tmp_path / "mine.zip", good=30, empty=0)
    (line,) = next(pretrain(recipe, tmp_path, path)).refused
    assert line.startswith("mine empty: Expected")
    pictures(tmp_path / "mine.zip", empty=0)
    with pytest.raises(TrainingError, match=r"mine\.zip, got nothing.*empty"):
        next(pretrain(recipe, tmp_path, path))


def test_objects_that_are_always_too_small_end_the_search(tmp_path: Path) -> None:
    recipe = dataclasses.replace(BRIEF, sets={"mine": 1.0}, synthetic_share=0.0)
    pictures(tmp_path / "mine.zip", dot=1)
    with pytest.raises(TrainingError, match="views showed none"):
        next(pretrain(recipe, tmp_path, tmp_path / "base.safetensors"))


def test_a_phase_for_the_quality_leaves_the_masks_as_they_are(tmp_path: Path) -> None:
    before, after = tmp_path / "before.safetensors", tmp_path / "after.safetensors"
    one = dataclasses.replace(SHORT, phases=SHORT.phases[:1])
    list(pretrain(one, tmp_path, before))
    list(pretrain(with_judging(2), tmp_path, after))
    assert set(changed(before, after)) == set(changed(before, after, "quality"))
    assert changed(before, after, "quality")


def test_a_phase_for_the_quality_is_resumed_and_followed_by_others(
    tmp_path: Path,
) -> None:
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    judged = with_judging(2)
    list(pretrain(judged, tmp_path, parts))
    more = dataclasses.replace(judged, phases=(*judged.phases, SHORT.phases[0]))
    list(pretrain(more, tmp_path, whole))
    assert changed(whole, parts, "image_encoder")
    for step in (3, 4):  # before it, and within
        stopped_at(step, more, tmp_path, parts)
        list(pretrain(more, tmp_path, parts, resume=True))
        assert not changed(whole, parts)


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    one = dataclasses.replace(SHORT, phases=(Phase(64, 1, 1, 1, 0),))
    with full_disk(100_000), pytest.raises(OutputError, match="base"):
        list(pretrain(one, tmp_path, tmp_path / "base.safetensors"))
    assert not list(tmp_path.iterdir())


def test_trained_file_is_a_base_of_the_small_shape(tmp_path: Path) -> None:
    path = tmp_path / "base.safetensors"
    one = dataclasses.replace(SHORT, phases=(Phase(64, 1, 1, 1, 0),))
    progress = list(pretrain(one, tmp_path, path))
    assert progress[-1].loss > 0
    encoder = load_checkpoint(path).sam.image_encoder
    assert len(encoder.blocks) == len(TINY.windows)


def test_bad_requests_are_refused_before_training(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="nowhere"):
        next(pretrain(SHORT, tmp_path, tmp_path / "nowhere" / "x.safetensors"))
    with pytest.raises(DeviceError, match="cuda:99"):
        next(pretrain(SHORT, tmp_path, tmp_path / "x.st", device="cuda:99"))
    with pytest.raises(TrainingError, match="cannot be used"):
        next(pretrain(SHORT, tmp_path, tmp_path / "x.st", resume=True))


class Copies(TorchFunctionMode):
    """Notes for which devices the processor does not wait, and copies nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.hurried: set[str] = set()

    def __torch_function__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        if function is torch.Tensor.to:
            if kwargs["non_blocking"]:
                self.hurried.add(args[1].type)
            return args[0]
        return function(*args, **(kwargs or {}))


def test_only_copies_to_cuda_are_not_waited_for() -> None:
    batch = [torch.zeros(2), torch.ones(3)]
    with Copies() as copies:
        for kind in ("cpu", "mps", "cuda"):
            assert to_device(batch, torch.device(kind)) == batch
    assert copies.hurried == {"cuda"}
