"""The prompt-free protocol: a probability map against all objects together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.datasets.planes import planes_of
from napari_sam_adapter.datasets.reference import BrokenPair
from napari_sam_adapter.errors import EvaluationError, ImageError
from napari_sam_adapter.evaluation import maps
from napari_sam_adapter.evaluation.judging import Case, Judgement
from napari_sam_adapter.evaluation.overlap import dice, iou
from napari_sam_adapter.evaluation.tables import Row
from napari_sam_adapter.inference.predictor.predictor import SamPredictor
from napari_sam_adapter.inference.whole_planes.semantic import segment_semantic
from napari_sam_adapter.predictions import trained_window

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from napari_sam_adapter.datasets.reference import Reference
    from napari_sam_adapter.evaluation.judging import Step
    from napari_sam_adapter.evaluation.protocols import PromptFree
    from napari_sam_adapter.predictions import Predictor


def judge_prompt_free(
    reference: Reference, predictor: Predictor, protocol: PromptFree
) -> Iterator[Step]:
    """Compare the network's map with all objects of a picture or of planes.

    Parameters
    ----------
    reference : Reference
        With labels.
    predictor : SamPredictor
        Makes the map.
    protocol : PromptFree
        Which planes.

    Yields
    ------
    Judgement, BrokenPair or None
        One per picture or plane.

    Raises
    ------
    EvaluationError
        If the predictor cannot answer without a prompt.
    """
    if not isinstance(predictor, SamPredictor):
        raise EvaluationError(
            "Expected a network that works without prompts, got "
            f"{type(predictor).__name__}. Use load_predictor."
        )
    window = protocol.intensity or trained_window(predictor, reference.image)
    for plane in planes_of(reference, protocol.plane_step, window):
        try:
            seen = plane.seen
            probability = segment_semantic(seen, predictor)
        except ImageError as error:
            yield BrokenPair(plane.name, str(error))
            continue
        truth, answer = plane.labels > 0, probability > 0.5
        values = judge_map(probability, truth, protocol.stretch)
        case = Case(plane.name, seen, truth, answer, iou(answer, truth))
        yield Judgement(Row(plane.source, plane.place, None, values), case)


def judge_map(
    probability: npt.NDArray[np.floating],
    truth: npt.NDArray[np.bool_],
    stretch: bool = True,
) -> tuple[float, ...]:
    """Return all metrics of a map.

    Parameters
    ----------
    probability : (H, W) float array
        0 to 1.
    truth : (H, W) bool array
        All objects.
    stretch : bool
        Whether the map is stretched to 0..1 for all but Dice, IoU and BER.

    Returns
    -------
    tuple of float
        Dice, IoU, S-measure, mean E-measure, weighted F, MAE, BER in percent.
    """
    answer = probability > 0.5
    values = probability.astype(np.float64)
    values = maps.stretched(values) if stretch else values
    return (
        dice(answer, truth),
        iou(answer, truth),
        maps.s_measure(values, truth),
        maps.mean_e_measure(values, truth),
        maps.weighted_f_measure(values, truth),
        maps.mean_absolute_error(values, truth),
        maps.balanced_error_rate(probability, truth),
    )
