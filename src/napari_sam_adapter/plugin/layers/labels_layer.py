"""The Labels layer that shows the masks, and the strokes painted into it by hand."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels

from napari_sam_adapter.plugin.layers.object_look import object_colours
from napari_sam_adapter.plugin.layers.prompt_layers import transform_of
from napari_sam_adapter.volume.asking.packing import slices_of
from napari_sam_adapter.volume.document.edits import Paint
from napari_sam_adapter.volume.document.written import Region, around
from napari_sam_adapter.volume.planes.planes import Plane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import numpy.typing as npt
    from napari.layers import Layer

WRITERS = "paint", "fill", "paint_polygon", "data_setitem"
"""What napari's tools and scripts write into a Labels layer with."""
MASK_FROM = 64
"""One pixel of so many of a plane: from here on a mask is smaller than a list."""
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
    outline = layer._overlays.get("brush_stroke")  # napari 0.7 has none
    return outline is not None and bool(outline.active)


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
    start = tuple(axis.start for axis in region)
    planes = _changed_planes(before, after, start, axes)
    return [_as_edit(*found, layer.data.shape) for found in planes]


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


def _changed_planes(
    before: npt.NDArray[Any],
    after: npt.NDArray[Any],
    start: tuple[int, ...],
    axes: tuple[int, int],
) -> Iterator[tuple[Plane, tuple[int, int], npt.NDArray[np.bool_], npt.NDArray[Any]]]:
    """Compare a region plane by plane: where, its corner, what changed, the labels."""
    others = [axis for axis in range(before.ndim) if axis not in axes]
    corner = start[axes[0]], start[axes[1]]
    for position in np.ndindex(*(before.shape[axis] for axis in others)):
        part = Plane(axes, position)
        now = part.view(after)
        changed = now != part.view(before)
        if changed.any():
            there = (
                start[axis] + at for axis, at in zip(others, position, strict=True)
            )
            yield Plane(axes, tuple(there)), corner, changed, now


def _as_edit(
    plane: Plane,
    corner: tuple[int, int],
    changed: npt.NDArray[np.bool_],
    now: npt.NDArray[Any],
    shape: tuple[int, ...],
) -> Paint:
    """Return an edit that gives the changed pixels their labels: one mask for many."""
    values = now[changed]
    label = int(values[0]) if values.min() == values.max() else values
    whole = plane.shape(shape)
    if values.size * MASK_FROM < whole[0] * whole[1]:
        return Paint(plane, np.argwhere(changed) + corner, label)
    mask = np.zeros(whole, dtype=bool)
    box = *corner, corner[0] + changed.shape[0], corner[1] + changed.shape[1]
    mask[slices_of(box)] = changed
    return Paint(plane, mask, label)
