"""Run a protocol over a data set."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from napari_sam_adapter.datasets import Dataset, open_dataset
from napari_sam_adapter.datasets.fingerprints import fingerprints
from napari_sam_adapter.datasets.planes import (
    MIN_FOREGROUND,
    count_planes,
    has_single_slices,
)
from napari_sam_adapter.datasets.reference import BrokenPair, Reference
from napari_sam_adapter.errors import EvaluationError
from napari_sam_adapter.evaluation.interactive import judge_interactive
from napari_sam_adapter.evaluation.judging import Judgement
from napari_sam_adapter.evaluation.prompt_free import judge_prompt_free
from napari_sam_adapter.evaluation.propagation import judge_propagation
from napari_sam_adapter.evaluation.protocols import (
    Interactive,
    PromptFree,
    Propagation,
)
from napari_sam_adapter.evaluation.results import Evaluation
from napari_sam_adapter.evaluation.tables import Row, Table
from napari_sam_adapter.predictions import learned_from

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike

    from napari_sam_adapter.evaluation.judging import Case, Step
    from napari_sam_adapter.evaluation.protocols import EvaluationProtocol
    from napari_sam_adapter.predictions import Predictor

WORST_CASES = 20


@dataclass(frozen=True, eq=False)
class EvaluationProgress:
    """Where an evaluation stands.

    Parameters
    ----------
    done, total : int
        Images finished, and all.
    source : str
        Image that is looked at.
    judged : int
        Objects, or images without prompts, judged so far.
    result : Evaluation or None
        With the last one.
    planes : int
        Of a volume that is cut into planes: how many of them are looked at, else 0.
    plane : int
        How many of them were begun.
    is_sliced : bool
        Whether these are all that is labelled of the volume: single slices.
    """

    done: int
    total: int
    source: str
    judged: int
    result: Evaluation | None = None
    planes: int = 0
    plane: int = 0
    is_sliced: bool = False


def evaluate(
    dataset: Dataset | str | PathLike[str],
    predictor: Predictor,
    protocol: EvaluationProtocol | None = None,
) -> Evaluation:
    """Measure how good a predictor is on a data set.

    Parameters
    ----------
    dataset : Dataset, str or path
        From `open_dataset`, or the path for it, of which all is used.
    predictor : Predictor
        From `load_predictor`; for `Interactive` and `Propagation` any other, too.
    protocol : Interactive, PromptFree, Propagation or None
        What to measure; by default one point, and seven clicks to correct.

    Returns
    -------
    Evaluation
        Rows per object and per image, and their means; the same for the same seed.

    Raises
    ------
    DatasetError, EvaluationError
        If nothing of the set can be used, or the predictor does not do this.
    """
    *_, last = evaluation_steps(dataset, predictor, protocol)
    assert last.result is not None  # as evaluation_steps promises
    return last.result


def evaluation_steps(
    dataset: Dataset | str | PathLike[str],
    predictor: Predictor,
    protocol: EvaluationProtocol | None = None,
) -> Iterator[EvaluationProgress]:
    """Do the same step by step.

    Parameters
    ----------
    dataset, predictor, protocol
        As in `evaluate`.

    Yields
    ------
    EvaluationProgress
        After every answer; the last one has the result.

    Raises
    ------
    DatasetError, EvaluationError
        If nothing of the set can be used, or the predictor does not do this.
    """
    protocol = protocol or Interactive()
    if not isinstance(dataset, Dataset):
        dataset = open_dataset(dataset)
    found, total = _Found(broken=list(dataset.broken)), len(dataset)
    known = learned_from(predictor)
    for done, (pair, reference) in enumerate(
        zip(dataset.pairs, dataset.read(), strict=True)
    ):
        yield EvaluationProgress(done, total, pair.name, found.judged)
        if isinstance(reference, BrokenPair):
            found.broken.append(reference)
            continue
        if known and not known.isdisjoint(fingerprints(reference.labels)):
            found.learned.append(pair.name)
        at = EvaluationProgress(
            done,
            total,
            pair.name,
            found.judged,
            planes=_planes_of(reference, protocol),
            is_sliced=has_single_slices(reference.labels),
        )
        yield at
        for step in _judge(reference, predictor, protocol):
            found.take(step)
            plane = at.plane + _begins_plane(step)
            at = replace(at, judged=found.judged, plane=plane)
            yield at
    result = found.result(dataset, predictor, protocol)
    yield EvaluationProgress(total, total, "", found.judged, result)


def _left_out(protocol: EvaluationProtocol) -> str:
    """Say what is not looked at, and what to do about it."""
    smallest = 1 if isinstance(protocol, PromptFree) else protocol.smallest_object
    objects = f"objects of fewer than {smallest} pixels" if smallest > 1 else ""
    planes = f"planes of volumes with fewer than {MIN_FOREGROUND} labelled pixels"
    rules = [objects, "" if isinstance(protocol, Propagation) else planes]
    advice = "Allow smaller objects." if objects else "Give such planes as pictures."
    return f"Left out are {' and '.join(filter(None, rules))}. {advice}"


def _begins_plane(step: Step) -> bool:
    """Whether a plane was read, or, without prompts, judged."""
    is_image = isinstance(step, Judgement) and step.case and not step.row.object_id
    return step is None or isinstance(step, BrokenPair) or bool(is_image)


def _planes_of(reference: Reference, protocol: EvaluationProtocol) -> int:
    if reference.labels.ndim == 2 or isinstance(protocol, Propagation):
        return 0
    return count_planes(reference.labels, protocol.plane_step)


def _judge(
    reference: Reference, predictor: Predictor, protocol: EvaluationProtocol
) -> Iterator[Step]:
    if isinstance(protocol, Interactive):
        return judge_interactive(reference, predictor, protocol)
    if isinstance(protocol, PromptFree):
        return judge_prompt_free(reference, predictor, protocol)
    return judge_propagation(reference, predictor, protocol)


@dataclass
class _Found:
    """What has come in so far."""

    broken: list[BrokenPair]
    objects: list[Row] = field(default_factory=list)
    images: list[Row] = field(default_factory=list)
    worst: list[Case] = field(default_factory=list)
    learned: list[str] = field(default_factory=list)
    judged: int = 0

    def take(self, step: Step) -> None:
        if isinstance(step, BrokenPair):
            self.broken.append(step)
        elif isinstance(step, Judgement):
            rows = self.images if step.row.object_id is None else self.objects
            rows.append(step.row)
            if step.case is not None:
                self.judged += 1
                self.worst.append(step.case)
                self.worst.sort(key=lambda case: case.score)
                del self.worst[WORST_CASES:]

    def result(
        self, dataset: Dataset, predictor: Predictor, protocol: EvaluationProtocol
    ) -> Evaluation:
        if not self.judged:
            reasons = "; ".join(f"{b.name}: {b.reason}" for b in self.broken[:3])
            raise EvaluationError(
                f"Expected an object to ask for in {dataset.name}, found none. "
                f"{reasons or _left_out(protocol)}"
            )
        return Evaluation(
            dataset.name,
            protocol,
            dict(predictor.description),
            Table(protocol.object_columns, tuple(self.objects)),
            Table(protocol.image_columns, tuple(self.images)),
            tuple(self.broken),
            tuple(self.worst),
            tuple(self.learned),
        )
