"""A sentence for the methods section of a paper: what was used, and how much of it."""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import TYPE_CHECKING

from napari_sam_adapter import __version__
from napari_sam_adapter.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from napari_sam_adapter.prompts import Prompts
    from napari_sam_adapter.volume.session.session import Session

SHORT_SUM = 12
"""Digits of a hash that are quoted."""


def methods_sentence(session: Session) -> str:
    """Say how the objects of a session were segmented.

    Parameters
    ----------
    session : Session
        With all its edits.

    Returns
    -------
    str
        One or more sentences: version, models and adapters with their hashes, prompts
        per object, propagated slices, and slices that were painted by hand.
    """
    return " ".join([_tools(session), *_prompts(session), *_other_work(session)])


def _tools(session: Session) -> str:
    models = list(dict.fromkeys(map(_model, session.log.descriptions)))
    using = f" using {_listed(models)}" if models else " by hand"
    count = counted(len(session.object_ids), "object")
    verb = "was" if len(session.object_ids) == 1 else "were"
    return f"{count} {verb} segmented with napari-sam-adapter {__version__}{using}."


def _model(description: Mapping[str, str]) -> str:
    name = f"the model {_named(description, 'model')}"
    if "adapter" in description:
        name += f" with the adapter {_named(description, 'adapter')}"
    machine = [description[key] for key in ("device", "dtype") if key in description]
    return f"{name} on {', '.join(machine)}" if machine else name


def _named(description: Mapping[str, str], part: str) -> str:
    known = description.get(f"{part}_sha256")
    name = description[part]
    return f"{name} (SHA-256 {known[:SHORT_SUM]})" if known else name


def _prompts(session: Session) -> list[str]:
    kinds: Counter[str] = Counter()
    per_object = []
    for object_id in session.object_ids:
        asked = [session.prompts(object_id, p) for p in session.anchors(object_id)]
        found = sum(map(_kinds, asked), Counter[str]())
        kinds += found
        per_object.append(found.total())
    if not kinds:
        return []
    low, high = min(per_object), max(per_object)
    spread = "" if low == high else f" (range {low} to {high})"
    parts = _listed([counted(n, kind) for kind, n in kinds.items()])
    return [
        f"Prompts per object: median {median(per_object):g}{spread}; in all {parts}."
    ]


def _kinds(prompts: Prompts) -> Counter[str]:
    positive = int(prompts.signs.sum())
    return Counter(
        {
            "positive point": positive,
            "negative point": len(prompts.points) - positive,
            "box": int(prompts.box is not None),
            "scribble": len(prompts.scribbles),
            "polygon": len(prompts.polygons),
            "mask prompt": int(prompts.boxed_mask is not None),
        }
    )


def _other_work(session: Session) -> list[str]:
    records = list(session.state.records.values())
    derived = sum(record.is_derived for record in records)
    painted = sum(record.painted is not None for record in records)
    said = []
    if derived:
        by = "came by propagation from slice to slice"
        said.append(f"{counted(derived, 'mask')} {by}.")
    if painted:
        verb = "was" if painted == 1 else "were"
        said.append(f"{counted(painted, 'mask')} {verb} corrected by hand.")
    return said


def _listed(parts: Iterable[str]) -> str:
    *most, last = parts
    return f"{', '.join(most)} and {last}" if most else last
