"""What a journal holds, and how it is written as JSON.

Besides the edits of the user these are the moments at which computed masks came in,
undo, redo, and the choice of a predictor or an intensity window: all that the labels
depend on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.volume.document.edits import Edit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_sam_adapter.intensity import IntensityMapping
    from napari_sam_adapter.predictions import Predictor
    from napari_sam_adapter.prompts import Prompts
    from napari_sam_adapter.volume.planes.plane import Plane
    from napari_sam_adapter.volume.propagation.propagation_request import (
        PropagationRange,
        PropagationSettings,
    )


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
        Tells propagations of one session apart; those of one search share its number.
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
    spares_all : bool
        Whether no pixel of another object is taken, whatever the overlap rule says.
    """

    number: int
    object_ids: tuple[int, ...]
    where: PropagationRange
    settings: PropagationSettings
    again: bool = False
    spacing: tuple[float, ...] | None = None
    spares_all: bool = False


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

    @classmethod
    def of(cls, predictor: Predictor) -> UsePredictor:
        """Return the entry of a predictor.

        Parameters
        ----------
        predictor : Predictor
            The one to use.

        Returns
        -------
        UsePredictor
            With what it says of itself.

        Raises
        ------
        SessionError
            If it is something else, such as the name of a network.
        """
        description = getattr(predictor, "description", None)
        if not isinstance(description, Mapping):
            raise SessionError(
                f"Expected a predictor, got {predictor!r}. Load one with "
                "load_predictor(model, adapter)."
            )
        return cls(dict(description))


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
    edits : iterable of Edit
        In order, as often as somebody asks.
    run : int
        As of `Step.propagation`: it joins the step before if that has the same.
    """

    edits: Iterable[Edit]
    run: int = 0


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
