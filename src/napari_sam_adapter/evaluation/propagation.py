"""The propagation protocol: one prompt, then the object is followed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.datasets.planes import has_single_slices
from napari_sam_adapter.datasets.reference import BrokenPair
from napari_sam_adapter.errors import ImageError, SessionError
from napari_sam_adapter.evaluation.judging import (
    Case,
    Judgement,
    choose_objects,
    first_prompt,
    mean_row,
)
from napari_sam_adapter.evaluation.overlap import dice, iou, surface_dice
from napari_sam_adapter.evaluation.tables import Row
from napari_sam_adapter.volume.document.edits import DeleteObject
from napari_sam_adapter.volume.planes.planes import Plane, Volume
from napari_sam_adapter.volume.propagation.propagation import propagate
from napari_sam_adapter.volume.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import numpy.typing as npt

    from napari_sam_adapter.datasets.reference import Reference
    from napari_sam_adapter.evaluation.judging import Step
    from napari_sam_adapter.evaluation.protocols import Propagation
    from napari_sam_adapter.predictions import Predictor

    Mask = npt.NDArray[np.bool_]

SLICED = 0
"""Axis along which objects are followed."""


def judge_propagation(
    reference: Reference, predictor: Predictor, protocol: Propagation
) -> Iterator[Step]:
    """Follow the objects of a volume from their middle slices, each on its own.

    Parameters
    ----------
    reference : Reference
        A volume with labels.
    predictor : Predictor
        Answers.
    protocol : Propagation
        First prompt and objects.

    Yields
    ------
    Judgement, BrokenPair or None
        None after each slice, one judgement per object, one for the volume.
    """
    if not reference.is_volume:
        axes = reference.labels.ndim
        reason = f"Expected a volume of 3 axes, got labels of {axes}."
        yield BrokenPair(reference.name, reason)
        return
    if has_single_slices(reference.labels):
        yield BrokenPair(
            reference.name,
            "Expected objects that are labelled on all their slices, got labels on "
            "single slices. Choose another protocol, or label whole objects.",
        )
        return
    colour = "c" * (reference.image.ndim - 3)
    try:
        session = Session(
            reference.image,
            predictor,
            axes=f"zyx{colour}",
            intensity=protocol.intensity,
            spacing=reference.spacing,
        )
    except (ImageError, SessionError) as error:  # pixels, or spacing
        yield BrokenPair(reference.name, str(error))
        return
    rows = []
    for number in choose_objects(reference.labels, reference.name, protocol):
        truth = reference.labels == number
        seed = middle_slice(truth)
        try:
            answer = yield from _follow(session, truth, seed, protocol)
        except ImageError as error:
            yield BrokenPair(f"{reference.name} z={seed} #{number}", str(error))
            continue
        row = Row(reference.name, "", number, judge_volume(answer, truth, seed))
        rows.append(row)
        yield Judgement(row, _worst_slice(row.name, session.volume, truth, answer))
    if rows:
        yield Judgement(mean_row(reference.name, "", rows))


def middle_slice(truth: Mask) -> int:
    """Return the middle one of the slices in which an object is.

    Parameters
    ----------
    truth : (Z, H, W) bool array
        Not empty.

    Returns
    -------
    int
        Index along z.
    """
    slices = np.flatnonzero(truth.any(axis=(1, 2)))
    return int(slices[len(slices) // 2])


def judge_volume(answer: Mask, truth: Mask, seed: int) -> tuple[float, ...]:
    """Return the metrics of one object.

    Parameters
    ----------
    answer, truth : (Z, H, W) bool arrays
        The object as followed, and as it is.
    seed : int
        Slice of the prompt.

    Returns
    -------
    tuple of float
        Dice, IoU, surface Dice at one voxel; share of the object's slices that the
        answer leaves out, share of the answer's slices in which there is no object;
        IoU on the seed slice; number of the object's slices.
    """
    there, answered = (mask.any(axis=(1, 2)) for mask in (truth, answer))
    early = np.count_nonzero(there & ~answered) / np.count_nonzero(there)
    late = np.count_nonzero(answered & ~there) / max(int(answered.sum()), 1)
    return (
        dice(answer, truth),
        iou(answer, truth),
        surface_dice(answer, truth),
        float(early),
        float(late),
        iou(answer[seed], truth[seed]),
        float(np.count_nonzero(there)),
    )


def _follow(
    session: Session, truth: Mask, seed: int, protocol: Propagation
) -> Generator[None, None, Mask]:
    """Segment an object, take its mask, and leave the session empty in any case."""
    plane = Plane((1, 2), (seed,))
    object_id = session.new_object()
    try:
        session.set_prompts(object_id, plane, first_prompt(truth[seed], protocol.start))
        if session.mask(object_id, plane).any():
            for _ in propagate(session, object_id, axis=SLICED, seed=plane):
                yield None
        answer: Mask = session.labels == object_id
    finally:
        session.apply(DeleteObject(object_id))
    return answer


def _worst_slice(name: str, volume: Volume, truth: Mask, answer: Mask) -> Case:
    """Return the slice with the most wrong voxels."""
    wrong = np.count_nonzero(truth ^ answer, axis=(1, 2))
    z = int(np.argmax(wrong))
    image = volume.intensity.apply(volume.read(Plane((1, 2), (z,))))
    return Case(f"{name} z={z}", image, truth[z], answer[z], iou(answer, truth))
