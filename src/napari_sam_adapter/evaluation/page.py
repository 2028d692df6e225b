"""What the shell says of an evaluation: one page; all the rest goes to files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_adapter.evaluation.protocols import TARGETS, Interactive
from napari_sam_adapter.evaluation.reports import markdown, name_of
from napari_sam_adapter.evaluation.results import compare
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari_sam_adapter.evaluation.results import Difference, Evaluation
    from napari_sam_adapter.evaluation.tables import Summary
    from napari_sam_adapter.intensity import IntensityMapping

MEANINGS = {
    "dice": "overlap, 0 to 1",
    "iou": "overlap, 0 to 1, stricter",
    "s_measure": "likeness of structure, 0 to 1",
    "e_measure": "agreement of pixels and of the whole, 0 to 1",
    "weighted_f": "overlap, errors weighed by place, 0 to 1",
    "mae": "mean difference of the map; low is good",
    "ber": "pixels on the wrong side, in percent; low is good",
    "surface_dice": "borders that agree within one voxel, 0 to 1",
    "stopped_early": "share of the object's slices left out; low is good",
    "stopped_late": "share of the answer's slices without the object; low is good",
    "seed_iou": "overlap on the slice with the prompt",
    "slices": "slices that the object is on",
}
SET_MEASURES = {"msa": "mSA", "sa50": "SA50"}
"""Of images whose labels number objects: accuracy over thresholds, and at IoU 0.5."""


def as_text(evaluation: Evaluation) -> str:
    """Return the means that matter as a Markdown table.

    Parameters
    ----------
    evaluation : Evaluation
        One predictor on one set.

    Returns
    -------
    str
        About ten lines, the last one without a line break. Interactive evaluations
        have a line per number of prompts.
    """
    means = {summary.column: summary for summary in evaluation.summarise()}
    title = f"{name_of(evaluation)} on {_title(evaluation)}"
    protocol = evaluation.protocol
    if isinstance(protocol, Interactive):
        values = {name: (summary.mean,) for name, summary in means.items()}
        table = _by_prompts(protocol, means)
        return "\n".join([title, "", table, "", *_reached(protocol, values)])
    rows = [
        (s.column, f"{s.mean:.3f}", _interval(s), str(s.count), MEANINGS[s.column])
        for s in means.values()
    ]
    head = ("measure", "mean", "95 % interval", "rows", "what it is")
    return f"{title}\n\n{markdown(head, rows)}"


def comparison_as_text(first: Evaluation, second: Evaluation) -> str:
    """Return two predictors side by side as a Markdown table.

    Parameters
    ----------
    first, second : Evaluation
        Of one data set and one protocol.

    Returns
    -------
    str
        About ten lines, the last one without a line break. Of interactive evaluations
        the IoU after each number of prompts.
    """
    found = {difference.column: difference for difference in compare(first, second)}
    protocol = first.protocol
    names = [name_of(evaluation) for evaluation in (first, second)]
    head = (*names, "difference", "95 % interval", "second better")
    if not isinstance(protocol, Interactive):
        rows = [(d.column, *_compared(d)) for d in found.values()]
        return f"{_title(first)}\n\n{markdown(('measure', *head), rows)}"
    rows = [(str(n), *_compared(found[f"iou_{n}"])) for n in protocol.rounds]
    values = {name: (d.first, d.second) for name, d in found.items()}
    table = markdown(("IoU after", *head), rows)
    return "\n".join([_title(first), "", table, "", *_reached(protocol, values)])


def _by_prompts(protocol: Interactive, means: Mapping[str, Summary]) -> str:
    shown = {"iou": "IoU", "dice": "Dice"}
    shown |= {k: v for k, v in SET_MEASURES.items() if f"{k}_1" in means}
    rows = []
    for number in protocol.rounds:
        iou, *others = (means[f"{measure}_{number}"] for measure in shown)
        values = [f"{entry.mean:.3f}" for entry in others]
        rows.append((str(number), f"{iou.mean:.3f}", _interval(iou), *values))
    iou_name, *other_names = shown.values()
    return markdown(("prompts", iou_name, "95 % interval", *other_names), rows)


def _reached(
    protocol: Interactive, means: Mapping[str, tuple[float, ...]]
) -> Iterator[str]:
    """Say how many prompts it took; where it was in vain, all of them count."""
    if len(protocol.rounds) == 1:  # nothing to count
        return
    for target in TARGETS:
        prompts = " and ".join(f"{m:.1f}" for m in means[f"prompts_to_{target}"])
        never = " and ".join(f"{100 * m:.0f} %" for m in means[f"missed_{target}"])
        yield (
            f"IoU {target}: after {prompts} of {len(protocol.rounds)} prompts on "
            f"average, never for {never} of the objects"
        )


def _compared(found: Difference) -> tuple[str, ...]:
    change = found.change
    return (
        f"{found.first:.3f}", f"{found.second:.3f}", f"{change.mean:+.3f}",
        _interval(change, "+.3f"), f"{100 * found.wins:.0f} %",
    )  # fmt: skip


def _interval(summary: Summary, form: str = ".3f") -> str:
    if not summary.is_interval_sound:
        return f"none: n = {summary.drawn}"
    return f"{summary.low:{form}} to {summary.high:{form}}"


def _title(evaluation: Evaluation) -> str:
    protocol = evaluation.protocol
    start = f" from a {protocol.start}" if hasattr(protocol, "start") else ""
    images = len({row.source for row in evaluation.images.rows})
    objects = len(evaluation.objects.rows)
    counts = [counted(objects, "object")] * bool(objects) + [counted(images, "image")]
    window = "" if protocol.intensity is None else f", {_words(protocol.intensity)}"
    return (
        f"{evaluation.dataset}: {protocol.name}{start}, {' in '.join(counts)}{window}"
    )


def _words(window: IntensityMapping) -> str:
    if window.rule == "contrast_limits":
        return f"window {window.low:g} to {window.high:g}"
    return f"window {window.rule}"
