"""The Labels layer that shows the masks, and the strokes painted into it by hand."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels

from napari_sam_adapter.plugin.object_look import object_colours
from napari_sam_adapter.plugin.prompt_layers import transform_of
from napari_sam_adapter.volume.edits import Paint
from napari_sam_adapter.volume.planes import Plane
from napari_sam_adapter.volume.written import Region, around

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy.typing as npt
    from napari.layers import Layer

WRITERS = "paint", "fill", "paint_polygon", "data_setitem"
"""What napari's tools and scripts write into a Labels layer with."""
LOCKED = (
    "Expected a stroke that changes something, got one over locked objects. Unlock "
    "them first."
)


def build_labels_layer(image: Layer, labels: npt.NDArray[Any]) -> Labels:
    """Return a Labels layer that shows an array of a session, without a copy.

    Parameters
    ----------
    image : Layer
        Where it shall lie.
    labels : int array
        The labels of the session, written in place by it.

    Returns
    -------
    Labels
        Not yet in a viewer.
    """
    name = f"{image.name} masks"
    layer = Labels(labels, name=name, colormap=object_colours(), **transform_of(image))
    for writer in WRITERS:
        setattr(layer, writer, _told_after(layer, getattr(layer, writer)))
    return layer


def _told_after(layer: Labels, write: Callable[..., None]) -> Callable[..., None]:
    """Have napari tell of what is written after it was written.

    Else it writes once more after the session refused it, or spared a locked object.

    Parameters
    ----------
    layer : Labels
        The layer.
    write : callable
        One of its methods.

    Returns
    -------
    callable
        In its place.
    """

    @wraps(write)
    def written(*args: Any, **kwargs: Any) -> None:
        is_in_stroke = layer._block_history
        with contextlib.nullcontext() if is_in_stroke else layer.block_history():
            write(*args, **kwargs)

    return written


def select(layer: Labels, object_id: int) -> None:
    """Let the user paint with the label of an object.

    Parameters
    ----------
    layer : Labels
        From `build_labels_layer`.
    object_id : int
        The object.
    """
    # napari cannot draw an unfinished polygon with corners on top of each other
    with contextlib.suppress(IndexError, ValueError):
        layer.selected_label = object_id


def has_open_outline(layer: Labels) -> bool:
    """Whether an outline is being drawn with the brush's right button.

    Parameters
    ----------
    layer : Labels
        napari writes the outline into it bit by bit, over many moves and clicks, and
        tells of it when it is closed.

    Returns
    -------
    bool
        False for strokes that end with the button.
    """
    return bool(layer._overlays["brush_stroke"].active)


def drop_outline(layer: Labels) -> None:
    """Take back an outline that is not closed, as napari's Escape does.

    Parameters
    ----------
    layer : Labels
        Left alone if there is none.
    """
    if has_open_outline(layer):
        layer._overlays["brush_stroke"].abort(layer)


def fitting_layers(
    layers: Iterable[Layer], shape: tuple[int, ...], own: Labels | None
) -> list[Labels]:
    """Return the Labels layers of the user that fit an image.

    Parameters
    ----------
    layers : iterable of Layer
        Of the viewer.
    shape : tuple of int
        Of the image, without colours.
    own : Labels or None
        The one that shows our masks; left out.

    Returns
    -------
    list of Labels
        In the order of the viewer; none with several levels.
    """
    return [
        layer
        for layer in layers
        if isinstance(layer, Labels)
        and layer is not own
        and not layer.multiscale
        and tuple(layer.data.shape) == shape
    ]


def take_stroke(
    layer: Labels, atoms: Sequence[Any], axes: tuple[int, int]
) -> list[Paint]:
    """Take a stroke of napari's tools back and return it as edits.

    Parameters
    ----------
    layer : Labels
        The layer that was painted on.
    atoms : sequence
        Value of the event `Labels.events.paint`: the parts of the stroke in order.
    axes : (int, int)
        Axes of the plane in view.

    Returns
    -------
    list of Paint
        One edit for every plane that changed.

    Notes
    -----
    napari tells of a stroke after it was written.
    """
    parts = [_read_part(atom) for atom in atoms]
    region = around([part.box for part in parts])
    before = np.array(layer.data[region])
    for part in reversed(parts):
        part.write(before, region, part.before)
    after = before.copy()
    for part in parts:
        part.write(after, region, part.after)
    layer.data[region] = before
    pixels = np.argwhere(after != before)
    start = [axis.start for axis in region]
    return _as_edits(pixels + start, after[tuple(pixels.T)], axes)


@dataclass(frozen=True)
class _Part:
    """One part of a stroke: the box it lies in, which pixels, and their values."""

    box: Region
    where: Any
    before: Any
    after: Any

    def write(self, pixels: npt.NDArray[Any], region: Region, values: Any) -> None:
        """Write values into the pixels of a region around the box."""
        inside = tuple(
            slice(own.start - outer.start, own.stop - outer.start)
            for own, outer in zip(self.box, region, strict=True)
        )
        pixels[inside][self.where] = values


def _read_part(atom: Any) -> _Part:
    # napari has two kinds: brush, fill and polygon give a box and a mask in it, or None
    # for all of it; `data_setitem` gives one array of indices per axis.
    box = getattr(atom, "slice_key", None)
    if box is not None:
        where = ... if atom.mask is None else atom.mask
        return _Part(tuple(box), where, atom.old_values, atom.new_value)
    indices, before, after = atom
    indices = [np.asarray(axis) for axis in indices]
    box = tuple(slice(int(i.min()), int(i.max()) + 1) for i in indices)
    where = tuple(i - axis.start for i, axis in zip(indices, box, strict=True))
    return _Part(box, where, before, after)


def _as_edits(
    indices: npt.NDArray[np.intp], values: npt.NDArray[Any], axes: tuple[int, int]
) -> list[Paint]:
    edits = []
    others = [axis for axis in range(indices.shape[1]) if axis not in axes]
    positions, groups = np.unique(indices[:, others], axis=0, return_inverse=True)
    for number, position in enumerate(positions):
        members = groups.ravel() == number
        plane = Plane(axes, tuple(position.tolist()))
        edits.append(Paint(plane, indices[members][:, list(axes)], values[members]))
    return edits
