"""Entries as they stand in a journal.

The entries of a group become text one by one: very many would else be as many Python
objects at once, for which Python's search for garbage stops everything.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

import numpy as np

from napari_sam_adapter.errors import SamAdapterError, SessionError
from napari_sam_adapter.follow_rule import FollowRule
from napari_sam_adapter.intensity import IntensityMapping
from napari_sam_adapter.prompts import Polygon, Prompts, Scribble
from napari_sam_adapter.volume.asking.packing import PackedArray
from napari_sam_adapter.volume.document.edits import Edit
from napari_sam_adapter.volume.document.journal_entries import (
    EditGroup,
    Entry,
    EntryGroup,
)
from napari_sam_adapter.volume.planes.plane import Plane
from napari_sam_adapter.volume.propagation.propagation_request import (
    PropagationRange,
    PropagationSettings,
)
from napari_sam_adapter.volume.propagation.stop_rule import StopRule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

FEW_POINTS = 8
NEVER_CUT = {"min_level": 0.0}
"""Lines of earlier versions do not name it: masks were not cut then."""


@dataclass(frozen=True)
class WrittenGroup:
    """An `EntryGroup` whose entries are text already.

    Parameters
    ----------
    texts : tuple of str
        From `entry_text`, in order.
    """

    texts: tuple[str, ...]


Recordable: TypeAlias = Entry | WrittenGroup
"""What a recorder takes."""


def entry_line(entry: Recordable) -> bytes:
    """Return an entry as a line of a journal.

    Parameters
    ----------
    entry : Entry or WrittenGroup
        What to record.

    Returns
    -------
    bytes
        JSON and a line feed.
    """
    if isinstance(entry, WrittenGroup):
        return _group(EntryGroup, "entries", entry.texts).encode() + b"\n"
    return entry_text(entry).encode() + b"\n"


def entry_text(entry: Entry) -> str:
    """Return an entry as JSON.

    Parameters
    ----------
    entry : Entry
        An edit or what else the labels depend on.

    Returns
    -------
    str
        That of `edit_to_json`; an `EditGroup` says its `run` only if it has one.
    """
    match entry:
        case EditGroup():
            return _group(EditGroup, "edits", map(entry_text, entry.edits), entry.run)
        case EntryGroup():
            return _group(EntryGroup, "entries", map(entry_text, entry.entries))
    return json.dumps(edit_to_json(entry))


def prompts_text(prompts: Prompts) -> str:
    """Return prompts as JSON, for the functions below.

    Parameters
    ----------
    prompts : Prompts
        Any.

    Returns
    -------
    str
        As they stand in an entry.
    """
    return json.dumps(_of_prompts(prompts))


def new_objects_text(
    plane: Plane, prompts: Iterable[tuple[int, str]], run: int = 0
) -> str:
    """Return the edits that make objects with prompts on a plane, as JSON.

    Parameters
    ----------
    plane : Plane
        Where.
    prompts : iterable of (int, str)
        New objects, and `prompts_text` of each.
    run : int
        As of `EditGroup`.

    Returns
    -------
    str
        That of an `EditGroup` of `NewObject` and `SetPrompts` for each.
    """
    where = json.dumps(_to_json(plane))
    texts = (
        f'{{"kind": "NewObject", "object_id": {number}}}, '
        f'{{"kind": "SetPrompts", "object_id": {number}, "plane": {where}, '
        f'"prompts": {text}}}'
        for number, text in prompts
    )
    return _group(EditGroup, "edits", texts, run)


def predicted_text(
    plane: Plane,
    asked: Iterable[str],
    object_ids: Iterable[int],
    spared_from: int,
) -> str:
    """Return that masks were computed in one pass and committed, as JSON.

    Parameters
    ----------
    plane, object_ids, spared_from
        As of `PredictTogether`.
    asked : iterable of str
        `prompts_text` of each.

    Returns
    -------
    str
        That of a `PredictTogether`.
    """
    return (
        f'{{"kind": "PredictTogether", "plane": {json.dumps(_to_json(plane))}, '
        f'"asked": [{", ".join(asked)}], "object_ids": {list(object_ids)}, '
        f'"spared_from": {spared_from}}}'
    )


def _group(kind: type, name: str, texts: Iterable[str], run: int = 0) -> str:
    more = f', "run": {run}' if run else ""
    return f'{{"kind": "{kind.__name__}", "{name}": [{", ".join(texts)}]{more}}}'


def edit_to_json(entry: Entry) -> dict[str, Any]:
    """Return an edit, or another journal entry, as values that JSON can hold.

    Parameters
    ----------
    entry : Entry
        What to write.

    Returns
    -------
    dict
        ``"kind"`` and one value per field.
    """
    kind: Any = type(entry)
    values = {name: _to_json(getattr(entry, name)) for name in _recorded(kind)}
    return {"kind": kind.__name__, **values}


def edit_from_json(values: Mapping[str, Any]) -> Entry:
    """Return what `edit_to_json` wrote.

    Parameters
    ----------
    values : mapping
        ``"kind"`` and one value per field.

    Returns
    -------
    Entry
        The edit or other journal entry.

    Raises
    ------
    SessionError
        If the kind is unknown or a field is missing or malformed.
    """
    try:
        kind = _KINDS[values["kind"]]
        names = [field.name for field in fields(kind)]
        known = [name for name in names if name in values]
        entry: Entry = kind(**{name: _from_json(name, values[name]) for name in known})
    except (KeyError, TypeError, ValueError, SamAdapterError) as error:
        raise SessionError(
            f"Expected an edit of this version, got {dict(values)}: {error}. "
            "Replay it with the version that wrote it."
        ) from error
    return entry


@cache
def _recorded(kind: type) -> tuple[str, ...]:
    """Return the names of the fields that are written."""
    own = fields(kind)
    return tuple(f.name for f in own if f.metadata.get("recorded", True))


def _to_json(value: Any) -> Any:
    if value is None or type(value) in (int, float, str):
        return value
    match value:
        case np.ndarray():
            return PackedArray.of(value).to_json()
        case np.generic():
            return value.item()
        case Plane():
            return {"axes": list(value.axes), "position": list(value.position)}
        case Prompts():
            return _of_prompts(value)
        case Scribble() | Polygon() | PropagationRange():
            return {f.name: _to_json(getattr(value, f.name)) for f in fields(value)}
        case PropagationSettings() | IntensityMapping():
            return asdict(value)
        case tuple() | list():
            return [_to_json(part) for part in value]
        case _ if type(value) in _KINDS.values():
            return edit_to_json(value)
    return value


def _of_prompts(prompts: Prompts) -> dict[str, Any]:
    """Return prompts; few points are smaller as numbers, a mask boxed."""
    mask = prompts.boxed_mask
    is_few = 0 < len(prompts.points) <= FEW_POINTS
    points, signs = prompts.points, prompts.signs
    return {
        "points": points.tolist() if is_few else _to_json(points),
        "polarities": signs.tolist() if is_few else _to_json(signs),
        "box": _to_json(prompts.box),
        "scribbles": _to_json(prompts.scribbles),
        "mask": None if mask is None else PackedArray.of_mask(mask).to_json(),
        "polygons": _to_json(prompts.polygons),
        "reduction": prompts.reduction,
    }


def _from_json(name: str, value: Any) -> Any:
    decode = _DECODERS.get(name)
    return value if value is None or decode is None else decode(value)


def _plane(value: Mapping[str, Any]) -> Plane:
    return Plane(tuple(value["axes"]), tuple(value["position"]))


def _prompts(value: Mapping[str, Any]) -> Prompts:
    return Prompts(**{name: _from_json(name, part) for name, part in value.items()})


def _scribbles(values: list[Mapping[str, Any]]) -> tuple[Scribble, ...]:
    return tuple(Scribble(_array(v["path"]), v["positive"]) for v in values)


def _polygons(values: list[Mapping[str, Any]]) -> tuple[Polygon, ...]:
    return tuple(Polygon(_array(v["corners"]), v["positive"]) for v in values)


def _settings(values: Mapping[str, Any]) -> PropagationSettings:
    follow, stop = values["follow"], NEVER_CUT | values["stop"]
    return PropagationSettings(FollowRule(**follow), StopRule(**stop), values["method"])


def _array(value: Any) -> Any:
    return PackedArray.from_json(value).unpack() if isinstance(value, dict) else value


def _tuple(value: Any) -> tuple[Any, ...]:
    return tuple(_array(value))


_KINDS: dict[str, Any] = {
    kind.__name__: kind for group in (Edit, Entry) for kind in get_args(group)
}
_DECODERS: dict[str, Callable[[Any], Any]] = {
    "asked": lambda values: tuple(map(_prompts, values)),
    "axes": _tuple,
    "box": _tuple,
    "corner": tuple,
    "intensity": lambda values: IntensityMapping(**values),
    "edits": lambda values: tuple(map(edit_from_json, values)),
    "entries": lambda values: tuple(map(edit_from_json, values)),
    "mask": _array,
    "object_ids": _tuple,
    "path": _array,
    "pixels": _array,
    "plane": _plane,
    "point": _tuple,
    "points": _array,
    "polarities": _array,
    "polygons": _polygons,
    "prompts": _prompts,
    "scribbles": _scribbles,
    "seed": _plane,
    "settings": _settings,
    "spacing": _tuple,
    "values": _array,
    "where": lambda values: PropagationRange(
        **{name: _from_json(name, part) for name, part in values.items()}
    ),
}
