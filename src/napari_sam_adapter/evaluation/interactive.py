"""The interactive protocol: prompt, judge, correct, judge again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.datasets.planes import ReferencePlane, planes_of
from napari_sam_adapter.datasets.reference import BrokenPair
from napari_sam_adapter.errors import ImageError, PromptError
from napari_sam_adapter.evaluation.judging import (
    Case,
    Judgement,
    choose_objects,
    first_prompt,
    mean_row,
)
from napari_sam_adapter.evaluation.matching import segmentation_accuracy, stack_masks
from napari_sam_adapter.evaluation.overlap import dice, iou
from napari_sam_adapter.evaluation.protocols import TARGETS
from napari_sam_adapter.evaluation.tables import Row
from napari_sam_adapter.evaluation.user import correction
from napari_sam_adapter.predictions import trained_window
from napari_sam_adapter.volume.asking.packing import PackedArray

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from napari_sam_adapter.datasets.reference import Reference
    from napari_sam_adapter.evaluation.judging import Step
    from napari_sam_adapter.evaluation.protocols import Interactive
    from napari_sam_adapter.predictions import Predictor
    from napari_sam_adapter.prompts import Prompts

    Mask = npt.NDArray[np.bool_]


def judge_interactive(
    reference: Reference, predictor: Predictor, protocol: Interactive
) -> Iterator[Step]:
    """Ask for the objects of a picture, or of planes of a volume.

    Parameters
    ----------
    reference : Reference
        With labels.
    predictor : Predictor
        Answers.
    protocol : Interactive
        How to ask.

    Yields
    ------
    Judgement, BrokenPair or None
        One per object, then one per picture or plane.
    """
    window = protocol.intensity or trained_window(predictor, reference.image)
    for plane in planes_of(reference, protocol.plane_step, window):
        try:
            seen = plane.seen
            embedding = predictor.encode(seen)
        except ImageError as error:
            yield BrokenPair(plane.name, str(error))
            continue
        yield None
        yield from _judge_plane(plane, seen, embedding, predictor, protocol)


def _judge_plane(
    plane: ReferencePlane,
    seen: npt.NDArray[np.uint8],
    embedding: Any,
    predictor: Predictor,
    protocol: Interactive,
) -> Iterator[Judgement]:
    numbers = choose_objects(plane.labels, plane.name, protocol)
    rows, packed = [], []
    for number in numbers:
        truth = plane.labels == number
        answers = ask(predictor, embedding, truth, protocol)
        row = Row(plane.source, plane.place, number, _judge(answers, truth))
        score = iou(answers[-1], truth)
        rows.append(row)
        packed.append([PackedArray.of(mask) for mask in answers])
        case = Case(row.name, seen, truth, answers[-1], score)
        yield Judgement(row, case)
    if rows:
        yield Judgement(_image_row(plane, numbers, rows, packed, protocol))


def ask(
    predictor: Predictor, embedding: Any, truth: Mask, protocol: Interactive
) -> list[Mask]:
    """Prompt for one object and correct the answers.

    Parameters
    ----------
    predictor : Predictor
        Answers.
    embedding : object
        Of the plane.
    truth : (H, W) bool array
        What the simulated user wants.
    protocol : Interactive
        First prompt and number of corrections.

    Returns
    -------
    list of (H, W) bool arrays
        One per round; an answer that is perfect, or whose correction the network does
        not understand, is kept.
    """
    prompts = first_prompt(truth, protocol.start)
    prediction = predictor.predict(embedding, prompts)
    answers = [prediction.mask]
    for _ in range(protocol.corrections):
        click = correction(prediction.mask, truth)
        asked = click and prompts.with_point(click.point, click.positive)
        if asked and _is_understood(predictor, asked):
            prompts = asked
            prediction = predictor.predict(embedding, prompts, prediction)
        answers.append(prediction.mask)
    return answers


def _is_understood(predictor: Predictor, prompts: Prompts) -> bool:
    try:
        predictor.capabilities.check(prompts)
    except PromptError:
        return False
    return True


def _judge(answers: Sequence[Mask], truth: Mask) -> tuple[float, ...]:
    """Return the values of an object, in the order of the columns."""
    ious = [iou(mask, truth) for mask in answers]
    counts = [value for target in TARGETS for value in _prompts_to(target, ious)]
    return (*ious, *(dice(mask, truth) for mask in answers), *counts)


def _prompts_to(target: float, ious: Sequence[float]) -> tuple[float, float]:
    """Return the prompts it took, all of them if in vain, and whether it was."""
    reached = [number for number, value in enumerate(ious, 1) if value >= target]
    return float(min(reached, default=len(ious))), float(not reached)


def _image_row(
    plane: ReferencePlane,
    numbers: Sequence[int],
    rows: Sequence[Row],
    packed: Sequence[Sequence[PackedArray]],
    protocol: Interactive,
) -> Row:
    """Return means over the objects, and the accuracy of all of them together."""
    truth = np.where(np.isin(plane.labels, numbers), plane.labels, 0)
    accuracies = [
        segmentation_accuracy(
            stack_masks([masks[i].unpack() for masks in packed], truth.shape), truth
        )
        for i in range(len(protocol.rounds))
    ]
    rounds = len(protocol.rounds)
    _, *means = mean_row(plane.source, plane.place, rows).values
    values = (
        float(np.count_nonzero(np.unique(plane.labels))),
        *means[: 2 * rounds],  # IoU, Dice
        *(accuracy.mean for accuracy in accuracies),
        *(accuracy.at_50 for accuracy in accuracies),
    )
    return Row(plane.source, plane.place, None, values)
