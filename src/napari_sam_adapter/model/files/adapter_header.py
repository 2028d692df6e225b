"""What an adapter file says of itself."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

from napari_sam_adapter import __version__
from napari_sam_adapter.errors import CheckpointError, ImageError
from napari_sam_adapter.intensity import IntensityMapping
from napari_sam_adapter.model.adapters.adapter import SOURCES
from napari_sam_adapter.model.files.checkpoints import FORMAT_VERSION
from napari_sam_adapter.model.files.weight_files import read_header

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_sam_adapter.model.adapters.adapter import LearnedWeights, SamAdapter

KIND = "adapter"
LABELS = "labels"
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class AdapterNotes:
    """What whoever trains an adapter knows of it.

    Parameters
    ----------
    intensity : IntensityMapping or None
        How image values became 8-bit values.
    training : mapping
        The configuration: steps, learning rate, losses and so on.
    data : mapping
        A summary of the images: how many, of what kind, from where; `LABELS` lists the
        fingerprints of their labels.
    metrics : mapping of str to float
        What was measured, such as the IoU on images held back.
    licence : str
        Of the adapter.
    score_is_trusted : bool
        Whether the network's IoU estimate was trained along. Without it the score of
        a mask says nothing and is not shown.
    preprocessing : str
        How the base got its images during the training, by the name of a family; empty
        where it is not known.
    """

    intensity: IntensityMapping | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    licence: str = ""
    score_is_trusted: bool = True
    preprocessing: str = ""

    @property
    def learned_from(self) -> frozenset[str]:
        """Fingerprints of the labels that it was trained on; empty if unknown."""
        listed = self.data.get(LABELS)
        return frozenset(map(str, listed if isinstance(listed, list) else ()))

    @property
    def has_learned_nothing(self) -> bool:
        """Whether it is as before its first step; False if unknown."""
        return self.metrics.get("step") == 0


@dataclass(frozen=True)
class AdapterHeader:
    """Everything about an adapter but its tensors.

    Parameters
    ----------
    base, base_sha256 : str
        Name of the base model and hash of its file.
    sources : tuple of str
        Its task information; empty for LoRA alone.
    weights : mapping of str to float, or to one float per block
        The w_j.
    learned_weights : str
        How the w_j were learned, see `SamAdapter`.
    published_order : bool
        Whether it reads tokens and images as the published code does.
    notes : AdapterNotes
        From the training.
    version : str
        Of this package, when the file was written.
    """

    base: str
    base_sha256: str
    sources: tuple[str, ...] = SOURCES
    weights: Mapping[str, float | list[float]] = field(default_factory=dict)
    learned_weights: LearnedWeights = "none"
    published_order: bool = False
    notes: AdapterNotes = AdapterNotes()
    version: str = __version__

    @classmethod
    def of(
        cls,
        adapter: SamAdapter | None,
        base: str,
        base_sha256: str,
        notes: AdapterNotes,
    ) -> AdapterHeader:
        """Return the header of an adapter that was just trained."""
        if adapter is None:
            return cls(base, base_sha256, (), notes=notes)
        return cls(
            base,
            base_sha256,
            adapter.sources,
            adapter.weights,
            adapter.learned_weights,
            adapter.published_order,
            notes,
        )

    def to_text(self) -> dict[str, str]:
        """Return what a safetensors header takes: text by key."""
        notes = self.notes
        intensity = notes.intensity and dataclasses.asdict(notes.intensity)
        return {
            "format": FORMAT_VERSION,
            "kind": KIND,
            "base": self.base,
            "base_sha256": self.base_sha256,
            "licence": notes.licence,
            "preprocessing": notes.preprocessing,
            "version": self.version,
            "sources": json.dumps(self.sources),
            "weights": json.dumps(self.weights),
            "learned_weights": self.learned_weights,
            "published_order": json.dumps(self.published_order),
            "score_is_trusted": json.dumps(notes.score_is_trusted),
            "intensity": json.dumps(intensity),
            "training": json.dumps(notes.training),
            "data": json.dumps(notes.data),
            "metrics": json.dumps(notes.metrics),
        }

    @classmethod
    def from_text(cls, header: Mapping[str, str], path: Path) -> AdapterHeader:
        """Read the text by key of a safetensors header.

        Parameters
        ----------
        header : mapping of str to str
            The text.
        path : Path
            The file it comes from.

        Returns
        -------
        AdapterHeader
            What is absent has its default.

        Raises
        ------
        CheckpointError
            If the file is no adapter, of another format, or a text is malformed.
        """
        _check_format(header, path)
        return cls(
            header.get("base", ""),
            header.get("base_sha256", ""),
            _sources(header, path),
            _value(header, "weights", {}, path),
            cast("LearnedWeights", header.get("learned_weights", "none")),
            _value(header, "published_order", False, path),
            _notes(header, path),
            header.get("version", ""),
        )


def read_adapter_header(path: Path) -> AdapterHeader:
    """Read what an adapter file says of itself, without its tensors.

    Parameters
    ----------
    path : Path
        File of `save_adapter`.

    Returns
    -------
    AdapterHeader
        Base, sources, and the notes of the training.

    Raises
    ------
    CheckpointError
        If the file is no adapter.
    """
    if path.is_file() and zipfile.is_zipfile(path):
        raise CheckpointError(
            f"Expected an adapter, which ends in .safetensors, but {path} is a file of "
            "PyTorch. If it is a network, give it as the model."
        )
    return AdapterHeader.from_text(read_header(path), path)


def _check_format(header: Mapping[str, str], path: Path) -> None:
    if header.get("kind") != KIND:
        raise CheckpointError(
            f"Expected an adapter file at {path}, got something else. "
            "To use a base model or a published SAM-Adapter, give it as the model."
        )
    if header.get("format") != FORMAT_VERSION:
        raise CheckpointError(
            f"Expected format {FORMAT_VERSION} in {path}, got {header.get('format')}. "
            "Update napari-sam-adapter, or choose an adapter of this version."
        )


def _notes(header: Mapping[str, str], path: Path) -> AdapterNotes:
    return AdapterNotes(
        _intensity(header, path),
        _value(header, "training", {}, path),
        _value(header, "data", {}, path),
        _value(header, "metrics", {}, path),
        header.get("licence", ""),
        _value(header, "score_is_trusted", True, path),
        header.get("preprocessing", ""),
    )


def _sources(header: Mapping[str, str], path: Path) -> tuple[str, ...]:
    sources = _value(header, "sources", list(SOURCES), path)
    if not all(isinstance(source, str) for source in sources):
        raise _malformed("sources", header, path)
    return tuple(sources)


def _intensity(header: Mapping[str, str], path: Path) -> IntensityMapping | None:
    nothing: dict[str, Any] = {}
    fields = _value(header, "intensity", nothing, path, allow_none=True)
    try:
        return IntensityMapping(**fields) if fields else None
    except (TypeError, ImageError) as error:
        raise _malformed("intensity", header, path) from error


def _value(
    header: Mapping[str, str],
    key: str,
    default: _Value,
    path: Path,
    allow_none: bool = False,
) -> _Value:
    """Return a value of the default's type."""
    if key not in header:
        return default
    try:
        value = json.loads(header[key])
    except (ValueError, RecursionError) as error:
        raise _malformed(key, header, path) from error
    if value is None and allow_none:
        return default
    if not isinstance(value, type(default)):
        raise _malformed(key, header, path)
    return value


def _malformed(key: str, header: Mapping[str, str], path: Path) -> CheckpointError:
    return CheckpointError(
        f"Expected a readable {key!r} in the header of {path}, got "
        f"{header[key][:40]!r}. Copy the file again or choose another adapter."
    )
