"""Edits of whole objects, and of the rule between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from napari_sam_adapter.errors import SessionError
from napari_sam_adapter.plain_numbers import check_numbers
from napari_sam_adapter.volume.planes.plane import whole_numbers

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_sam_adapter.volume.document.piece_search import FoundPieces
    from napari_sam_adapter.volume.document.tidy_search import FoundTidying
    from napari_sam_adapter.volume.planes.plane import Plane

UNRECORDED = MappingProxyType({"recorded": False})
"""Of a field that a journal leaves out, because a replay finds it again."""
MOST_SMOOTHING = 100
"""Pixels: what is beyond is a slip of the hand."""


@dataclass(frozen=True)
class RenameObject:
    """Give an object a name.

    Parameters
    ----------
    object_id : int
        The object.
    name : str
        One line that is not empty; other objects may have the same.
    """

    object_id: int
    name: str


@dataclass(frozen=True)
class SetClass:
    """Say what kind of thing an object is.

    Parameters
    ----------
    object_id : int
        The object.
    class_name : str
        One line; empty for none.
    """

    object_id: int
    class_name: str


@dataclass(frozen=True)
class LockObject:
    """Forbid to change an object by masks or by hand, to delete, merge or split it.

    Masks of other objects take nothing from it under any rule, and strokes leave it
    out. Masks on their way get stale.

    Parameters
    ----------
    object_id : int
        The object.
    """

    object_id: int


@dataclass(frozen=True)
class UnlockObject:
    """Allow again to change an object.

    Parameters
    ----------
    object_id : int
        The object.
    """

    object_id: int


@dataclass(frozen=True)
class ReopenObject:
    """Declare that an object is not finished after all; its prompts are still there.

    Parameters
    ----------
    object_id : int
        The object.
    """

    object_id: int


@dataclass(frozen=True)
class MergeObjects:
    """Give the pixels of several objects to the first; the others are gone.

    It keeps its name, class and prompts. What it gains counts as painted by hand: its
    later masks leave it alone.

    Parameters
    ----------
    object_ids : tuple of int
        Two or more objects, none locked.
    """

    object_ids: tuple[int, ...]


@dataclass(frozen=True)
class SplitObject:
    """Make an object of every piece of an object that does not touch the others.

    Pixels touch along edges, voxels along faces. Where all touch, the object is cut in
    two at its waist. The largest piece keeps number, name and prompts, the others get
    the next free numbers, the largest first, and its class. They count as painted by
    hand.

    Parameters
    ----------
    object_id : int
        An object in at least two pieces or with a waist, not locked.
    spacing : tuple of float or None
        Distance between neighbouring voxels along each axis, for the waist; None for 1.
    found : FoundPieces or None
        Its pieces, if they were looked for ahead; no part of a journal.
    """

    object_id: int
    spacing: tuple[float, ...] | None = None
    found: FoundPieces | None = field(
        default=None, compare=False, repr=False, metadata=UNRECORDED
    )


@dataclass(frozen=True)
class TidyObject:
    """Fill small holes of an object and remove specks, slice by slice.

    What is a hole or a speck is seen on each slice alone. A hole is surrounded by the
    object there, within the slice; one that a background point lies in stays. A speck
    is a piece that touches the rest neither along an edge nor at a corner; one with a
    point on the object stays, and so does the largest piece of every slice. Pixels of
    other objects, of locked slices, and those painted by hand stay as they are.

    The object's pixels count as what they were: later masks may change them, so that
    this is best done at the end.

    Parameters
    ----------
    object_id : int
        The object; not locked.
    axes : (int, int) or None
        Axes along rows and columns of the slices; by default the last two.
    largest_hole : int or None
        Pixels up to which a hole is filled, 0 for none; by default a twentieth of the
        object's on that slice.
    smallest_piece : int or None
        Pixels from which a piece stays, 0 for all; by default a tenth of the largest
        piece on that slice.
    smoothing : float
        Width in pixels of the Gaussian that evens the outline out, up to 100; 0 leaves
        it.
    found : FoundTidying or None
        What is to be changed, if it was looked for ahead; no part of a journal.

    Raises
    ------
    SessionError
        If something is no number or out of range.
    """

    object_id: int
    axes: tuple[int, int] | None = None
    largest_hole: int | None = None
    smallest_piece: int | None = None
    smoothing: float = 0.0
    found: FoundTidying | None = field(
        default=None, compare=False, repr=False, metadata=UNRECORDED
    )

    def __post_init__(self) -> None:
        check_numbers(self, SessionError)
        if self.axes is not None:
            axes = whole_numbers(self.axes, "axes")
            object.__setattr__(self, "axes", axes)
        for name in ("largest_hole", "smallest_piece"):
            if (getattr(self, name) or 0) < 0:
                raise SessionError(
                    f"Expected {name} of 0 pixels or more, got {getattr(self, name)}."
                )
        if not 0 <= self.smoothing <= MOST_SMOOTHING:
            raise SessionError(
                f"Expected smoothing from 0 to {MOST_SMOOTHING} pixels, got "
                f"{self.smoothing}."
            )


@dataclass(frozen=True, eq=False)
class WriteLabels:
    """Give objects the pixels that labels from elsewhere say, where nobody has them.

    They are no strokes: later masks of the same objects may change them.

    Parameters
    ----------
    plane : Plane
        Where.
    corner : (row, column)
        Where `values` begin.
    values : (h, w) int array
        Numbers of objects, none locked; 0 leaves a pixel as it is.
    """

    plane: Plane
    corner: tuple[int, int]
    values: npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class SetOverlapRule:
    """Say who gets a pixel that a mask wants and another object has.

    Parameters
    ----------
    rule : str
        ``"keep"``: the other object keeps it. ``"cut"``: the mask gets it, but is cut
        off at finished and locked objects. ``"overwrite"``: the mask gets it, unless
        the other is locked; propagation spares finished objects even then. What was
        painted by hand, and locked planes, always stay.
    """

    rule: str


ObjectEdit: TypeAlias = (
    RenameObject
    | SetClass
    | LockObject
    | UnlockObject
    | ReopenObject
    | MergeObjects
    | SplitObject
    | TidyObject
    | WriteLabels
    | SetOverlapRule
)
