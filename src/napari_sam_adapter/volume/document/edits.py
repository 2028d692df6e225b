"""Everything a user does is one of these edits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from napari_sam_adapter.volume.document.object_edits import ObjectEdit

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_sam_adapter.prompts import Prompts
    from napari_sam_adapter.volume.planes.plane import Plane


@dataclass(frozen=True)
class NewObject:
    """Make an object.

    Parameters
    ----------
    object_id : int
        Label value, above 0 and not in use.
    """

    object_id: int


@dataclass(frozen=True)
class DeleteObject:
    """Remove an object, its prompts and all its pixels.

    Parameters
    ----------
    object_id : int
        The object; not locked.
    """

    object_id: int


@dataclass(frozen=True)
class Accept:
    """Declare an object finished.

    Parameters
    ----------
    object_id : int
        The object.
    """

    object_id: int


@dataclass(frozen=True)
class AddPoint:
    """Add a point prompt.

    Parameters
    ----------
    object_id : int
        The object.
    plane : Plane
        Where.
    point : (row, column)
        Pixels of the plane.
    positive : bool
        Whether the point belongs to the object.
    """

    object_id: int
    plane: Plane
    point: tuple[float, float]
    positive: bool = True


@dataclass(frozen=True)
class MovePoint:
    """Move a point prompt.

    Parameters
    ----------
    object_id : int
        The object.
    plane : Plane
        Where.
    number : int
        Which point, from 0.
    point : (row, column)
        New position in pixels of the plane.
    """

    object_id: int
    plane: Plane
    number: int
    point: tuple[float, float]


@dataclass(frozen=True)
class RemovePoint:
    """Remove a point prompt.

    Parameters
    ----------
    object_id : int
        The object.
    plane : Plane
        Where.
    number : int
        Which point, from 0.
    """

    object_id: int
    plane: Plane
    number: int


@dataclass(frozen=True)
class SetBox:
    """Set or remove the box prompt.

    Parameters
    ----------
    object_id : int
        The object.
    plane : Plane
        Where.
    box : (row_min, column_min, row_max, column_max) or None
        Pixels of the plane; None removes the box.
    """

    object_id: int
    plane: Plane
    box: tuple[float, float, float, float] | None


@dataclass(frozen=True, eq=False)
class AddScribble:
    """Add a free-hand line.

    Parameters
    ----------
    object_id : int
        The object.
    plane : Plane
        Where.
    path : (K, 2) float array
        Vertices in (row, column) pixels.
    positive : bool
        Whether the line runs over the object.
    """

    object_id: int
    plane: Plane
    path: npt.NDArray[np.float64]
    positive: bool = True


@dataclass(frozen=True, eq=False)
class SetMaskPrompt:
    """Set or remove the rough mask.

    Parameters
    ----------
    object_id : int
        The object.
    plane : Plane
        Where.
    mask : (H, W) bool array or None
        None removes it.
    """

    object_id: int
    plane: Plane
    mask: npt.NDArray[np.bool_] | None


@dataclass(frozen=True, eq=False)
class SetPrompts:
    """Replace all prompts of an object on a plane.

    Parameters
    ----------
    object_id : int
        The object.
    plane : Plane
        Where.
    prompts : Prompts
        What is asked from now on.
    """

    object_id: int
    plane: Plane
    prompts: Prompts


@dataclass(frozen=True)
class ChooseCandidate:
    """Take another of the masks that fit an ambiguous prompt.

    Parameters
    ----------
    object_id : int
        The object.
    plane : Plane
        Where.
    number : int
        Place in `Session.candidates`, from 0.
    remember : bool
        Whether later ambiguous prompts get the mask of the same place by size.
    """

    object_id: int
    plane: Plane
    number: int
    remember: bool = False


@dataclass(frozen=True, eq=False)
class Paint:
    """Set labels by hand; later masks of the same objects leave these pixels alone.

    Parameters
    ----------
    plane : Plane
        Where.
    pixels : (K, 2) int array or (H, W) bool array
        (row, column) of the pixels, or a mask of the plane: smaller if they are many.
    values : (K,) int array or int
        New labels, one for each or the same for all, 0 to erase; a value not in use
        makes an object. Those of a mask are in its order, row by row.
    """

    plane: Plane
    pixels: npt.NDArray[np.integer[Any]] | npt.NDArray[np.bool_]
    values: npt.NDArray[np.integer[Any]] | int


@dataclass(frozen=True)
class ReleasePaint:
    """Let masks change again what was painted of an object on a plane.

    Parameters
    ----------
    object_id : int
        The object.
    plane : Plane
        Where.
    """

    object_id: int
    plane: Plane


@dataclass(frozen=True)
class LockPlane:
    """Forbid to change an object on a plane, by clicks or propagation.

    Parameters
    ----------
    object_id : int
        The object.
    plane : Plane
        Where. If the object is not there, it ends here for propagation.
    """

    object_id: int
    plane: Plane


@dataclass(frozen=True)
class UnlockPlane:
    """Allow again to change an object on a plane.

    Parameters
    ----------
    object_id : int
        The object.
    plane : Plane
        Where.
    """

    object_id: int
    plane: Plane


@dataclass(frozen=True)
class EndHere:
    """Declare that an object is not on a plane: propagation ends before.

    Its pixels, also hand-painted ones, and its prompts there go; the plane is locked.

    Parameters
    ----------
    object_id : int
        The object.
    plane : Plane
        Where.
    """

    object_id: int
    plane: Plane


PromptEdit: TypeAlias = (
    AddPoint
    | MovePoint
    | RemovePoint
    | SetBox
    | AddScribble
    | SetMaskPrompt
    | SetPrompts
)
Edit: TypeAlias = (
    PromptEdit
    | ObjectEdit
    | NewObject
    | DeleteObject
    | Accept
    | ChooseCandidate
    | Paint
    | ReleasePaint
    | LockPlane
    | UnlockPlane
    | EndHere
)
