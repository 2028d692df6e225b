"""All that a session remembers, as one file: opening it needs no repetition.

Records and steps share their parts; those are written once, and read back as one
object again, for identity tells whether a mask belongs to its prompts.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.prompts import Polygon, Prompts, Scribble
from napari_sam_adapter.volume.asking.answer import Answer, PackedCandidate
from napari_sam_adapter.volume.asking.packing import PackedArray
from napari_sam_adapter.volume.asking.results import Origin
from napari_sam_adapter.volume.document.changes import PackedChange
from napari_sam_adapter.volume.document.history import Key, Step
from napari_sam_adapter.volume.document.objects import (
    Derivation,
    ObjectRecord,
    PlaneRecord,
)
from napari_sam_adapter.volume.planes.plane import Plane

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

STATE_VERSION = 1
VALUES, BYTES = "state.json", "bytes"
"""Names inside the file."""
PARTS: dict[str, Any] = {
    part.__name__: part
    for part in (
        Derivation, ObjectRecord, Origin, PackedArray, PackedCandidate, Plane,
        PlaneRecord, Polygon, Prompts, Scribble, Step,
    )
} | {"Answer": Answer.from_kept, "PackedChange": PackedChange.from_kept}  # fmt: skip
"""What may be made from a file."""


@dataclass(frozen=True)
class SessionState:
    """What a session remembers besides its labels; nothing in it ever changes.

    Parameters
    ----------
    objects : mapping of int to ObjectRecord
        All objects.
    records : mapping of (int, Plane) to PlaneRecord
        What is known of objects on planes.
    refinable : tuple of (int, Plane)
        Where answers have logits, the newest last.
    done, undone : tuple of Step
        The history.
    number : int
        The next one for a predictor or propagation.
    descriptions : tuple of dict
        Of the predictors that were used, the last one last.
    overlap_rule : str
        See `SetOverlapRule`.
    preference : int or None
        See `Document.preference`.
    spacing : tuple of float or None
        Of the session; None where it was not kept yet.
    """

    objects: Mapping[int, ObjectRecord]
    records: Mapping[Key, PlaneRecord]
    refinable: tuple[Key, ...]
    done: tuple[Step, ...]
    undone: tuple[Step, ...]
    number: int
    descriptions: tuple[dict[str, str], ...]
    overlap_rule: str = "keep"
    preference: int | None = None
    spacing: tuple[float, ...] | None = None


def write_state(path: Path, state: SessionState, sums: Mapping[str, str]) -> None:
    """Write a state.

    Parameters
    ----------
    path : Path
        A zip file.
    state : SessionState
        What to keep.
    sums : mapping of str to str
        Which journal and labels it belongs to.

    Raises
    ------
    SessionError
        If the state holds something that has no place in the file.
    """
    packer = _Packer()
    values = {
        field.name: packer.pack(getattr(state, field.name)) for field in fields(state)
    }
    content = {"version": STATE_VERSION, "sums": dict(sums), "state": values}
    text = f'{{"parts": [{", ".join(packer.parts)}], {json.dumps(content)[1:]}'
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(VALUES, text, zipfile.ZIP_DEFLATED, 1)
        with file.open(BYTES, "w", force_zip64=True) as part:
            for data in packer.data:
                part.write(data)


def read_state(path: Path, sums: Mapping[str, str]) -> SessionState:
    """Read a state.

    Parameters
    ----------
    path : Path
        From `write_state`.
    sums : mapping of str to str
        Of the journal and labels that it shall belong to.

    Returns
    -------
    SessionState
        Exactly what was written.

    Raises
    ------
    SessionError
        If it belongs to others, or is missing, damaged or of another version.
    """
    try:
        found, state = _read(path)
    except (OSError, LookupError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise SessionError(
            f"Expected a state in {path}, got: {error}. Replay the journal."
        ) from error
    if found != dict(sums):
        raise SessionError(
            f"Expected the state of this journal and these labels in {path}, got that "
            "of others. Replay the journal."
        )
    return state


def _read(path: Path) -> tuple[dict[str, str], SessionState]:
    with zipfile.ZipFile(path) as file:
        content = json.loads(file.read(VALUES))
        if content["version"] != STATE_VERSION:
            raise ValueError(f"version {content['version']}")
        unpacker = _Unpacker(content["parts"], file.read(BYTES))
    values = {name: unpacker.unpack(v) for name, v in content["state"].items()}
    return content["sums"], SessionState(**values)


class _Packer:
    """Turns values into JSON, with shared parts and bytes on the side.

    Parts are text at once: very many lists make Python search for garbage.
    """

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.data: list[bytes] = []
        self._size = 0
        self._numbers: dict[int, int] = {}
        self._kept: list[Any] = []  # so that no id is given out twice

    def pack(self, value: Any) -> Any:
        """Return JSON: plain values as they are, others as a list with a mark."""
        match value:
            case None | bool() | int() | float() | str():
                return value
            case np.generic():
                return value.item()
            case tuple() | list():
                return ["tuple", *map(self.pack, value)]
            case dict():
                pairs = value.items()
                return ["dict", *([self.pack(k), self.pack(v)] for k, v in pairs)]
        if id(value) not in self._numbers:
            part = json.dumps(self._part(value))
            self._numbers[id(value)] = len(self.parts)
            self.parts.append(part)
            self._kept.append(value)
        return ["part", self._numbers[id(value)]]

    def _part(self, value: Any) -> Any:
        if isinstance(value, bytes):
            return ["bytes", *self._store(value)]
        if isinstance(value, np.ndarray):
            place = self._store(np.ascontiguousarray(value).tobytes())
            return ["array", value.dtype.str, list(value.shape), *place]
        values = _values_of(value)
        of_part = [self.pack(part) for part in values.values()]
        return [type(value).__name__, list(values), of_part]

    def _store(self, data: bytes) -> tuple[int, int]:
        start, self._size = self._size, self._size + len(data)
        self.data.append(data)
        return start, self._size


def _values_of(part: Any) -> dict[str, Any]:
    """Return what a part is made of, by name."""
    if isinstance(part, Answer | PackedChange):
        return part.kept()
    name = type(part).__name__
    if not is_dataclass(part) or name not in PARTS:
        raise SessionError(f"Expected a part of a session, got {name}.")
    return {field.name: getattr(part, field.name) for field in fields(part)}


class _Unpacker:
    """Turns JSON back into values; parts come after the parts they need."""

    def __init__(self, parts: list[Any], data: bytes) -> None:
        self._data = data
        self._parts: list[Any] = []
        for part in parts:
            self._parts.append(self._make(part))

    def unpack(self, value: Any) -> Any:
        """Return the value."""
        if not isinstance(value, list):
            return value
        mark, *rest = value
        if mark == "part":
            return self._parts[rest[0]]
        if mark == "dict":
            return {self.unpack(k): self.unpack(v) for k, v in rest}
        return tuple(map(self.unpack, rest))

    def _make(self, part: Any) -> Any:
        match part:
            case ["bytes", start, stop]:
                return self._data[start:stop]
            case ["array", dtype, shape, start, stop]:
                array = np.frombuffer(self._data[start:stop], dtype)
                return array.reshape(shape).copy()  # networks want it writable
            case [str(name), list(names), list(values)]:
                kind = PARTS[name]
                return kind(**dict(zip(names, map(self.unpack, values), strict=True)))
        raise ValueError(f"unknown part {part}")
