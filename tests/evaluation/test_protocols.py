from __future__ import annotations

import numpy as np
import pytest
from tests.evaluation.conftest import bright, dataset_of, disk, labels_of
from tests.fakes import DiskPredictor

from napari_sam_adapter import (
    Interactive,
    Plane,
    PromptFree,
    Propagation,
    Session,
    evaluate,
)
from napari_sam_adapter.datasets.reference import Pair, Reference
from napari_sam_adapter.errors import EvaluationError, ImageError
from napari_sam_adapter.evaluation.evaluating import evaluation_steps
from napari_sam_adapter.evaluation.prompt_free import judge_map, judge_prompt_free
from napari_sam_adapter.evaluation.propagation import judge_volume
from napari_sam_adapter.intensity import PLANE, IntensityMapping
from napari_sam_adapter.predictions import Capabilities


class Blind(DiskPredictor):
    """Finds nothing until it was clicked three times."""

    def predict(self, embedding, prompts, previous=None):
        answer = super().predict(embedding, prompts, previous)
        if len(prompts.points) >= 3:
            return answer
        return self._answer(np.zeros_like(answer.mask), prompts)


def test_a_predictor_that_is_right_at_once_gets_full_marks(pictures) -> None:
    found = evaluate(pictures, DiskPredictor(), Interactive())
    assert len(found.objects.rows) == 5
    assert found.mean("iou_1") == found.mean("iou_8") == found.mean("dice_8") == 1
    assert found.mean("prompts_to_0.9") == 1
    assert found.mean("msa_1") == found.mean("sa50_8") == 1


@pytest.mark.parametrize("protocol", [Interactive(), Propagation()])
def test_volumes_are_seen_through_the_window_of_the_adapter(volumes, protocol) -> None:
    (pair,) = volumes.pairs
    found = pair.read()
    predictor = DiskPredictor()
    predictor.intensity = IntensityMapping("contrast_limits", 0, 3000)
    image = found.image.astype(np.uint16) * 10  # up to 2000
    evaluate(
        dataset_of("balls", [Reference("two", image, found.labels)]),
        predictor,
        protocol,
    )
    assert max(plane.max() for plane in predictor.encoded) == 170


@pytest.mark.parametrize("protocol", [Interactive, Propagation])
def test_a_chosen_window_goes_before_that_of_the_adapter(volumes, protocol) -> None:
    predictor = DiskPredictor()
    predictor.intensity = IntensityMapping("contrast_limits", 0, 3000)
    (reference,) = volumes.read()
    brightest = int(reference.image.max())
    chosen = IntensityMapping("contrast_limits", 0, 2 * brightest)
    evaluate(volumes, predictor, protocol(intensity=chosen))
    assert max(plane.max() for plane in predictor.encoded) == 128


def test_maps_are_made_through_the_window_of_the_adapter(volumes, network) -> None:
    class Adapted(type(network)):
        intensity = IntensityMapping("contrast_limits", 0, 3000)

    adapted = object.__new__(Adapted)
    vars(adapted).update(vars(network))
    (pair,) = volumes.pairs
    found = pair.read()
    image = found.image.astype(np.uint16) * 10  # up to 2000
    steps = judge_prompt_free(
        Reference("two", image, found.labels), adapted, PromptFree(plane_step=1)
    )
    assert max(step.case.image.max() for step in steps) == 170


def test_each_plane_of_a_volume_can_have_a_window_of_its_own(volumes) -> None:
    (pair,) = volumes.pairs
    found = pair.read()
    predictor = DiskPredictor()
    predictor.intensity = IntensityMapping(PLANE)
    image = found.image.astype(np.uint16) * 10
    image[found.labels == 2] = 800
    dimmer = dataset_of("balls", [Reference("two", image, found.labels)])
    evaluate(dimmer, predictor, Interactive(plane_step=1))
    assert {plane.max() for plane in predictor.encoded} == {255}


@pytest.mark.parametrize("protocol", [Interactive(), PromptFree()], ids=type)
def test_a_grey_picture_of_8_bits_is_seen_as_a_session_sees_it(
    pictures, network, protocol
) -> None:
    class Recording(type(network)):
        def encode(self, image):
            seen.append(image)
            return super().encode(image)

    recording = object.__new__(Recording)
    vars(recording).update(vars(network))
    dim = pictures.pairs[0].read()
    image = (90 + dim.image // 8).astype(np.uint8)
    seen = []
    evaluate(
        dataset_of("dim", [Reference("dim", image, dim.labels)]), recording, protocol
    )
    session = Session(image)
    expected = session.volume.read_uint8(Plane((0, 1), ()))
    assert (expected.min(), expected.max()) == (0, 255)
    assert np.array_equal(seen[0], expected)


def test_corrections_go_where_the_answer_is_wrong(pictures) -> None:
    found = evaluate(pictures, Blind(), Interactive(corrections=3))
    assert found.mean("iou_2") == 0
    assert found.mean("iou_3") == found.mean("msa_4") == 1
    assert found.mean("prompts_to_0.8") == 3
    assert found.mean("missed_0.8") == 0


def test_corrections_that_are_not_understood_are_left_out(pictures) -> None:
    limited = Blind()
    limited.capabilities = Capabilities(negative_points=False, max_points=2)
    evaluation = evaluate(pictures, limited, Interactive(corrections=5))
    assert not evaluation.broken
    asked = [prompts.all_points() for prompts, _ in limited.predicted]
    assert max(len(points) for points, _ in asked) == 2
    assert all(signs.all() for _, signs in asked)


def test_objects_that_are_never_found_count_all_prompts(pictures) -> None:
    found = evaluate(pictures, Blind(), Interactive(corrections=1))
    assert found.mean("prompts_to_0.9") == 2
    assert found.mean("missed_0.9") == 1


def test_a_box_asks_once_and_boxes_need_no_point(pictures) -> None:
    predictor = DiskPredictor()
    evaluate(pictures, predictor, Interactive(start="box", corrections=0))
    prompts = [prompts for prompts, _ in predictor.predicted]
    assert len(prompts) == 5
    assert all(p.box is not None and not len(p.points) for p in prompts)


def test_the_choice_of_objects_depends_on_seed_and_image_alone(pictures) -> None:
    few = Interactive(objects=2, corrections=0)
    whole = evaluate(pictures, DiskPredictor(), few)
    again = evaluate(pictures, DiskPredictor(), few)
    assert whole.objects == again.objects
    assert whole.summarise() == again.summarise()
    chosen = {
        tuple(
            row.object_id
            for row in evaluate(
                pictures,
                DiskPredictor(),
                Interactive(objects=2, corrections=0, seed=seed),
            ).objects.rows
        )
        for seed in range(6)
    }
    assert len(chosen) > 1


def test_accuracy_is_shown_for_numbered_objects_only(pictures, volumes) -> None:
    def columns(dataset, **settings):
        protocol = Interactive(corrections=0, **settings)
        found = evaluate(dataset, DiskPredictor(), protocol)
        return {summary.column for summary in found.summarise()}

    assert {"msa_1", "sa50_1"} <= columns(pictures)
    assert "msa_1" in columns(pictures, objects=1)
    assert "msa_1" not in columns(volumes)
    assert "msa_1" in columns(volumes, instances=True)


def test_volumes_are_asked_plane_by_plane(volumes) -> None:
    found = evaluate(volumes, DiskPredictor(), Interactive(corrections=0, plane_step=4))
    places = {row.place for row in found.images.rows}
    assert {place[0] for place in places} == set("zyx")
    assert "z=4" in places


def test_propagation_follows_every_object_on_its_own(volumes) -> None:
    found = evaluate(volumes, DiskPredictor(), Propagation())
    assert [row.object_id for row in found.objects.rows] == [1, 2]
    assert found.mean("seed_iou") == 1
    assert found.mean("iou") > 0.8
    assert found.mean("stopped_late") == 0
    assert found.images.rows[0].values[0] == 2


def test_objects_are_followed_by_the_spacing_of_the_volume(volumes) -> None:
    (found,) = volumes.read()
    asked = {}
    for way in (1.0, 6.0):
        predictor = DiskPredictor()
        reference = Reference("two", found.image, found.labels, (way, 1.0, 1.0))
        evaluate(dataset_of("balls", [reference]), predictor, Propagation())
        asked[way] = {str(prompts.box) for prompts, _ in predictor.predicted}
    assert asked[1.0] != asked[6.0]


def test_volumes_that_cannot_be_followed_are_listed(volumes) -> None:
    (good,) = volumes.read()
    complex_ones = Reference("complex", good.image * 1j, good.labels)
    every = dataset_of("all", [complex_ones, good])
    found = evaluate(every, DiskPredictor(), Propagation())
    assert [broken.name for broken in found.broken] == ["complex"]
    assert len(found.objects.rows) == 2


class Failing(DiskPredictor):
    """Fails at the first question."""

    def predict(self, embedding, prompts, previous=None):
        answer = super().predict(embedding, prompts, previous)
        if len(self.predicted) == 1:
            raise ImageError("Expected an image with structure.")
        return answer


def test_an_object_that_cannot_be_followed_is_out_of_the_way_of_the_next() -> None:
    labels = np.zeros((9, 32, 40), np.uint8)
    labels[2:8, 8:20, 8:20], labels[2:8, 8:20, 20:32] = 1, 2
    touching = dataset_of("both", [Reference("both", bright(labels), labels)])
    whole = evaluate(touching, DiskPredictor(), Propagation())
    found = evaluate(touching, Failing(), Propagation())
    assert [broken.name for broken in found.broken] == ["both z=5 #1"]
    assert found.objects.rows == whole.objects.rows[1:]
    assert whole.objects.rows[1].values[0] > 0.5


def test_slices_that_are_missed_and_slices_too_many_are_told_apart() -> None:
    truth, answer = np.zeros((2, 10, 4, 4), bool)
    truth[2:6, 1:3, 1:3] = True
    answer[4:9, 1:3, 1:3] = True
    values = judge_volume(answer, truth, 4)
    dice, iou, _, early, late, seed_iou, slices = values
    assert (dice, iou) == (pytest.approx(4 / 9), pytest.approx(2 / 7))
    assert (early, late, seed_iou, slices) == (0.5, 0.6, 1, 4)


def test_pictures_cannot_be_followed_and_are_listed(pictures) -> None:
    with pytest.raises(EvaluationError, match="four: Expected a volume"):
        evaluate(pictures, DiskPredictor(), Propagation())


def test_prompt_free_measures_every_picture(pictures, network) -> None:
    found = evaluate(pictures, network, PromptFree())
    assert [row.source for row in found.images.rows] == ["four", "one"]
    assert not found.objects.rows
    assert 0 <= found.mean("s_measure") <= 1
    assert found.images.columns[-1] == "ber"


def test_a_perfect_map_gets_full_marks() -> None:
    truth = disk((10, 12), 6, (24, 24))
    dice, iou, s, e, f, mae, ber = judge_map(0.6 * truth, truth)
    assert (dice, iou, mae, ber) == (1, 1, 0, 0)
    assert min(s, e, f) > 0.99


def test_planes_without_structure_are_listed(network, pictures) -> None:
    flat = Reference("flat", np.full((20, 20), 3), labels_of(disk((9, 9), 6, (20, 20))))
    both = type(pictures)("all", (*dataset_of("", [flat]).pairs, *pictures.pairs))
    found = evaluate(both, network, PromptFree(stretch=False))
    assert [broken.name for broken in found.broken] == ["flat"]
    assert len(found.images.rows) == 2


def test_colour_volumes_are_followed(volumes) -> None:
    (grey,) = volumes.read()
    colour = Reference("rgb", np.stack([grey.image] * 3, axis=-1), grey.labels)
    found = evaluate(dataset_of("rgb", [colour]), DiskPredictor(), Propagation("box"))
    assert found.mean("seed_iou") == 1


def test_prompt_free_needs_a_network(pictures) -> None:
    with pytest.raises(EvaluationError, match="load_predictor"):
        evaluate(pictures, DiskPredictor(), PromptFree())


def test_unusable_images_are_listed_and_the_others_judged(pictures) -> None:
    def fail() -> Reference:
        raise ImageError("Expected a file that can be read.")

    pairs = (Pair("bad", fail), *pictures.pairs)
    flat = Reference("flat", np.full((20, 20), 3), labels_of(disk((9, 9), 6, (20, 20))))
    dataset = dataset_of("all", [flat])
    both = type(dataset)("all", (*pairs, *dataset.pairs))
    found = evaluate(both, Refusing(), Interactive(corrections=0))
    assert [broken.name for broken in found.broken] == ["bad", "flat"]
    assert len(found.objects.rows) == 5


class Refusing(DiskPredictor):
    """Refuses constant planes, as networks do."""

    def encode(self, image):
        if np.ptp(image) == 0:
            raise ImageError("Expected an image with structure.")
        return super().encode(image)


def test_progress_counts_images_and_ends_with_the_result(pictures) -> None:
    steps = list(evaluation_steps(pictures, DiskPredictor(), Interactive()))
    assert [step.result is None for step in steps] == [True] * (len(steps) - 1) + [
        False
    ]
    assert (steps[-1].done, steps[-1].total, steps[-1].judged) == (2, 2, 5)


@pytest.mark.parametrize("protocol", [Interactive(plane_step=4), PromptFree(4)])
def test_progress_counts_the_planes_of_a_volume(volumes, network, protocol) -> None:
    steps = list(evaluation_steps(volumes, network, protocol))
    planes = [step.plane for step in steps if step.planes]
    assert planes == sorted(planes)
    assert (planes[0], planes[-1]) == (0, steps[1].planes)
    assert steps[1].planes == 12


def test_the_worst_cases_come_first() -> None:
    shape = (40, 80)
    good, bad = disk((20, 20), 8, shape), disk((20, 60), 8, shape)
    labels = labels_of(good, bad)
    image = bright(labels_of(good))
    protocol = Interactive(corrections=0)
    found = evaluate(
        dataset_of("one", [Reference("a", image, labels)]), DiskPredictor(), protocol
    )
    assert [case.name for case in found.worst] == ["a #2", "a #1"]


@pytest.mark.parametrize(
    ("protocol", "wrong"),
    [
        (Interactive, {"start": "line"}),
        (Interactive, {"corrections": -1}),
        (Interactive, {"objects": 0}),
        (PromptFree, {"plane_step": 0}),
        (Propagation, {"smallest_object": 0}),
        (Propagation, {"seed": -1}),
    ],
)
def test_settings_out_of_range_are_refused(protocol, wrong) -> None:
    with pytest.raises(EvaluationError, match="Expected"):
        protocol(**wrong)


@pytest.mark.parametrize(
    ("protocol", "told"),
    [
        (Interactive(smallest_object=1), "Left out are planes of volumes with fewer"),
        (Interactive(smallest_object=9), "fewer than 9 pixels and planes of volumes"),
        (Propagation(smallest_object=99), "Left out are objects of fewer than 99"),
    ],
)
def test_what_is_left_out_is_told_where_nothing_is_left(protocol, told: str) -> None:
    labels = np.zeros((12, 40, 40), np.int32)
    labels[3:9, 10:14, 10:14] = 1
    image = np.random.default_rng(0).integers(0, 255, labels.shape, np.uint8)
    dataset = dataset_of("tiny objects", [Reference("v", image, labels)])
    with pytest.raises(EvaluationError, match=told):
        evaluate(dataset, DiskPredictor(), protocol)
