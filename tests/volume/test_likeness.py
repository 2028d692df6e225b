"""Only what is like examples."""

from __future__ import annotations

import numpy as np
import pytest
from tests.fakes import MarkingDiskPredictor

from napari_sam_adapter.errors import PromptError, SessionError
from napari_sam_adapter.volume.finding.examples import examples_at
from napari_sam_adapter.volume.finding.finding import (
    find_objects,
    find_steps,
    finding,
    take_in,
)
from napari_sam_adapter.volume.finding.likeness import are_like
from napari_sam_adapter.volume.planes.planes import Plane
from napari_sam_adapter.volume.saving.replaying import replay
from napari_sam_adapter.volume.session.session import Session

PLANE = Plane((0, 1))
LARGE = [(20, 20), (20, 60), (20, 100), (60, 20), (60, 60)]
SMALL = [(60, 95), (60, 110), (90, 15), (90, 30), (90, 45), (90, 60), (90, 75)]
DIM, BRIGHT = 130, 255


def picture(radii, levels=()):
    """Return disks at the centres of `radii`, bright ones unless `levels` tells."""
    rows, columns = np.ogrid[:110, :120]
    image = (rows + columns) % 3
    for (row, column), radius in radii.items():
        inside = (rows - row) ** 2 + (columns - column) ** 2 <= radius**2
        image = np.where(inside, dict(levels).get((row, column), BRIGHT), image)
    return image.astype(np.uint8)


def of_two_sizes(step=1):
    image = picture({**dict.fromkeys(LARGE, 14), **dict.fromkeys(SMALL, 4)})
    return image[..., None].repeat(3, axis=2) if step == 3 else image


def open_session(image, **options):
    axes = "yxc" if image.ndim == 3 else "yx"
    return Session(image, MarkingDiskPredictor(), axes=axes, **options)


def click(session, *points):
    """Make an object of what is at each point, as a user does."""
    for number in (numbers := [session.new_object() for _ in points]):
        session.add_point(number, PLANE, points[number - numbers[0]])
        session.mask(number, PLANE)
    return numbers


def at(session, centres):
    return [session.labels[centre] > 0 for centre in centres]


@pytest.mark.parametrize("step", [1, 3])
@pytest.mark.parametrize(("wanted", "others"), [(LARGE, SMALL), (SMALL, LARGE)])
@pytest.mark.parametrize("count", [1, 3])
def test_objects_of_another_size_are_left_out(step, wanted, others, count):
    session = open_session(of_two_sizes(step))
    examples = click(session, *wanted[:count])
    found = find_objects(session, PLANE, like=examples)
    assert len(found) == len(wanted) - count
    assert all(at(session, wanted))
    assert not any(at(session, others))


def test_objects_of_another_brightness_are_left_out():
    centres = [*LARGE, *SMALL]
    image = picture(dict.fromkeys(centres, 5), dict.fromkeys(SMALL, DIM))
    session = open_session(image)
    find_objects(session, PLANE, like=click(session, SMALL[0], SMALL[1]))
    assert all(at(session, SMALL))
    assert not any(at(session, LARGE))


def test_where_all_are_of_one_kind_all_are_found():
    rng = np.random.default_rng(0)
    radii = dict(zip([*LARGE, *SMALL], rng.uniform(4, 7, 12), strict=True))
    session = open_session(picture(radii))
    assert len(find_objects(session, PLANE, like=click(session, LARGE[0]))) == 11


def test_few_objects_tell_nothing_about_kinds():
    session = open_session(
        picture({LARGE[0]: 14, LARGE[1]: 14, SMALL[0]: 4, SMALL[3]: 4})
    )
    assert len(find_objects(session, PLANE, like=click(session, LARGE[0]))) == 3


def test_masks_are_examples_too():
    session = open_session(image := of_two_sizes())
    mask = np.zeros(image.shape, bool)
    mask[:40, :40] = image[:40, :40] > DIM
    found = find_objects(session, PLANE, like=[mask])
    assert len(found) == len(LARGE)
    assert all(at(session, LARGE))


def test_it_is_told_how_many_were_left_out():
    session = open_session(of_two_sizes())
    *_, found = find_steps(finding(session, PLANE, click(session, LARGE[0])))
    assert found.unlike == len(SMALL)
    take_in(session, found)
    assert len(session.object_ids) == len(LARGE)


def test_it_is_one_step_and_the_journal_repeats_it(tmp_path):
    path = tmp_path / "journal.jsonl"
    session = open_session(image := of_two_sizes(), journal=path)
    find_objects(session, PLANE, like=click(session, LARGE[0]))
    again = replay(path, image, MarkingDiskPredictor())
    assert np.array_equal(again.labels, session.labels)
    session.undo()
    assert session.object_ids == [1]


def test_examples_have_to_be_there():
    session = open_session(image := of_two_sizes())
    empty = session.new_object()
    for like, named in (
        ([], "got none"),
        ([empty], f"object {empty}"),
        ([np.zeros(image.shape, bool)], "an empty mask"),
        ([np.zeros((3, 3), bool)], r"\(3, 3\)"),
        ([image], "uint8"),
    ):
        with pytest.raises(SessionError, match=named):
            find_objects(session, PLANE, like=like)
    assert not session.labels.any()


def test_two_kinds_have_to_be_far_apart():
    rng = np.random.default_rng(1)
    ours, others = rng.normal(0, 0.5, (20, 4)), rng.normal(0, 0.5, (20, 4))
    for distance, expected in ((1.0, 40), (8.0, 20)):
        found = np.concatenate([ours, others + np.array([distance, 0, 0, 0])])
        assert are_like(found, ours[:3]).sum() == expected


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("wanted", [0, 1, 2])
def test_the_rest_may_be_of_several_kinds(wanted, count):
    groups = LARGE, SMALL, [(104, column) for column in range(8, 100, 12)]
    radii = {}
    for centres, radius in zip(groups, (14, 6, 3), strict=True):
        radii |= dict.fromkeys(centres, radius)
    session = open_session(picture(radii))
    find_objects(session, PLANE, like=click(session, *groups[wanted][:count]))
    for kind, centres in enumerate(groups):
        assert at(session, centres) == [kind == wanted] * len(centres)


def kinds_of(*kinds):
    """Return measures of objects, of which each kind has an area and a number."""
    rng = np.random.default_rng(0)
    means, numbers = zip(*kinds, strict=True)
    measures = rng.normal((0, 6, 7, 4), (0.4, 0.3, 0.3, 0), (sum(numbers), 4))
    measures[:, 0] += np.repeat(means, numbers)
    return measures, np.repeat(np.arange(len(kinds)), numbers)


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_three_kinds_are_told_apart_as_two_are(kind):
    found, kinds = kinds_of((4.5, 30), (7.5, 30), (10.5, 30))
    kept = are_like(found, found[kinds == kind][:3])
    assert np.array_equal(kept, kinds == kind)


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_a_few_clumps_do_not_hide_two_kinds(kind):
    found, kinds = kinds_of((7, 30), (10, 30), (13, 4))
    kept = are_like(found, found[kinds == kind][:3])
    assert np.array_equal(kept, kinds == kind)


@pytest.mark.parametrize("kind", [0, 1])
def test_a_few_clumps_are_left_out_and_kinds_that_are_near_kept(kind):
    found, kinds = kinds_of((7, 30), (8, 30), (12, 4))
    assert np.array_equal(are_like(found, found[kinds == kind][:3]), kinds < 2)


def test_one_wide_kind_is_no_several():
    rng = np.random.default_rng(0)
    for spread in (0.3, 1.0, 2.0):
        found = rng.normal(0, spread, (60, 4))
        for number in range(10):
            assert are_like(found, found[number : number + 3]).all()


@pytest.mark.parametrize(
    ("like", "told"),
    [(3, r"got 3. Give \[3\]"), (np.ones((110, 120), bool), r"Give \[mask\]")],
)
def test_examples_are_a_list(like, told):
    session = open_session(of_two_sizes())
    with pytest.raises(SessionError, match=told):
        find_objects(session, PLANE, like=like)


def test_points_on_one_object_are_one_example():
    session = open_session(of_two_sizes())
    points = [LARGE[0], (LARGE[0][0] + 4, LARGE[0][1] - 3.6), SMALL[0]]
    assert examples_at(session, PLANE, points) == [1, 2]
    assert session.object_ids == [1, 2]
    assert at(session, [LARGE[0], SMALL[0]]) == [True, True]


def test_background_is_no_example():
    session = open_session(picture({(55, 60): 60}))
    with pytest.raises(PromptError, match=r"column 60.5, found what covers most"):
        examples_at(session, PLANE, [(55, 60.5)])
    assert not session.object_ids
