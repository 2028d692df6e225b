"""What a journal holds, and how it is written as JSON.

Besides the edits of the user these are the moments at which computed masks came in,
undo, redo, and the choice of a predictor or an intensity window: all that the labels
depend on.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

import numpy as np

from napari_sam_adapter.errors import SamAdapterError, SessionError
from napari_sam_adapter.follow_rule import FollowRule
from napari_sam_adapter.intensity import IntensityMapping
from napari_sam_adapter.prompts import Polygon, Prompts, Scribble
from napari_sam_adapter.volume.edits import Edit
from napari_sam_adapter.volume.packing import PackedArray
from napari_sam_adapter.volume.plane import Plane
from napari_sam_adapter.volume.propagation_request import (
    PropagationRange,
    PropagationSettings,
)
from napari_sam_adapter.volume.stop_rule import StopRule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class Predict:
    """The mask of an object on a plane was computed and committed.

    Parameters
    ----------
    object_id : int
        The object.
    plane : Plane
        Where.
    """

    object_id: int
    plane: Plane


@dataclass(frozen=True, eq=False)
class PredictTogether:
    """Masks of several objects on a plane were computed in one pass and committed.

    Parameters
    ----------
    plane : Plane
        Where.
    asked : tuple of Prompts
        All that shared the pass.
    object_ids : tuple of int
        The object of each; 0 where the answer was stale.
    spared_from : int or None
        As of `JointResult`.
    """

    plane: Plane
    asked: tuple[Prompts, ...]
    object_ids: tuple[int, ...]
    spared_from: int | None = None


@dataclass(frozen=True)
class StartPropagation:
    """A propagation was asked for.

    Parameters
    ----------
    number : int
        Tells propagations of one session apart.
    object_ids : tuple of int
        The objects.
    where : PropagationRange
        Seed plane, axis and range.
    settings : PropagationSettings
        How it was done.
    again : bool
        Whether what was up to date was done once more.
    spacing : tuple of float or None
        As of `Session` at that time; None where it is that of the journal's header.
    """

    number: int
    object_ids: tuple[int, ...]
    where: PropagationRange
    settings: PropagationSettings
    again: bool = False
    spacing: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Propagated:
    """One mask of a propagation was committed.

    Parameters
    ----------
    number : int
        The propagation.
    object_id : int
        The object.
    plane : Plane
        Where.
    """

    number: int
    object_id: int
    plane: Plane


@dataclass(frozen=True)
class FinishPropagation:
    """Nothing more comes of a propagation.

    Parameters
    ----------
    number : int
        The propagation.
    """

    number: int


@dataclass(frozen=True)
class Undo:
    """The last step was taken back."""


@dataclass(frozen=True)
class Redo:
    """The last undone step was done again."""


@dataclass(frozen=True)
class UsePredictor:
    """Another model or adapter was chosen.

    Parameters
    ----------
    description : dict
        `Predictor.description`.
    """

    description: dict[str, str]


@dataclass(frozen=True)
class UseIntensity:
    """Image values were mapped to 8 bits in another way from here on.

    Parameters
    ----------
    intensity : IntensityMapping
        The new window.
    """

    intensity: IntensityMapping


@dataclass(frozen=True)
class EditGroup:
    """Several edits that are one step.

    Parameters
    ----------
    edits : tuple of Edit
        In order.
    """

    edits: tuple[Edit, ...]


@dataclass(frozen=True)
class EntryGroup:
    """Several entries on one line: a journal that breaks off holds all or none of them.

    Parameters
    ----------
    entries : tuple of Entry
        In order.
    """

    entries: tuple[Entry, ...]


Entry: TypeAlias = (
    Edit
    | EditGroup
    | EntryGroup
    | Predict
    | PredictTogether
    | StartPropagation
    | Propagated
    | FinishPropagation
    | Undo
    | Redo
    | UsePredictor
    | UseIntensity
)


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
    values = {
        field.name: _to_json(getattr(entry, field.name))
        for field in fields(entry)
        if field.metadata.get("recorded", True)
    }
    return {"kind": type(entry).__name__, **values}


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


def _to_json(value: Any) -> Any:
    match value:
        case np.ndarray():
            return PackedArray.of(value).to_json()
        case np.generic():
            return value.item()
        case Plane():
            return {"axes": list(value.axes), "position": list(value.position)}
        case Prompts() | Scribble() | Polygon() | PropagationRange():
            return {f.name: _to_json(getattr(value, f.name)) for f in fields(value)}
        case PropagationSettings() | IntensityMapping():
            return asdict(value)
        case tuple() | list():
            return [_to_json(part) for part in value]
        case _ if type(value) in _KINDS.values():
            return edit_to_json(value)
    return value


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
    follow, stop = FollowRule(**values["follow"]), StopRule(**values["stop"])
    return PropagationSettings(follow, stop, values["method"])


def _array(value: Any) -> Any:
    return PackedArray.from_json(value).unpack() if isinstance(value, dict) else value


_KINDS: dict[str, Any] = {
    kind.__name__: kind for group in (Edit, Entry) for kind in get_args(group)
}
_DECODERS: dict[str, Callable[[Any], Any]] = {
    "asked": lambda values: tuple(map(_prompts, values)),
    "box": lambda value: tuple(_array(value)),
    "intensity": lambda values: IntensityMapping(**values),
    "edits": lambda values: tuple(map(edit_from_json, values)),
    "entries": lambda values: tuple(map(edit_from_json, values)),
    "mask": _array,
    "object_ids": tuple,
    "path": _array,
    "pixels": _array,
    "plane": _plane,
    "point": lambda value: tuple(_array(value)),
    "points": _array,
    "polarities": _array,
    "polygons": _polygons,
    "prompts": _prompts,
    "scribbles": _scribbles,
    "seed": _plane,
    "settings": _settings,
    "spacing": tuple,
    "values": _array,
    "where": lambda values: PropagationRange(
        **{name: _from_json(name, part) for name, part in values.items()}
    ),
}
