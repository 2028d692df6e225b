"""Show what was written into labels: the changed box, a bounded part at a time."""

from __future__ import annotations

import contextlib
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from qtpy.QtCore import QTimer

from napari_sam_adapter.plugin.timers import stop_for_good

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt
    from napari.layers import Labels

    from napari_sam_adapter.volume.document.written import Region

MOST_PIXELS = 1 << 21
"""Pixels that are shown in one turn of the event loop: some 10 ms."""
_OF_THE_BRUSH = "_slice_input", "_accumulate_updated_slice", "_partial_labels_refresh"


class LabelsPainter:
    """Makes a Labels layer show what a session wrote.

    `Layer.refresh` converts the whole slice in view, which takes longer the larger it
    is. This shows the changed box only, in parts if it is large.
    """

    def __init__(self) -> None:
        self._parts: deque[_Part] = deque()
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._paint_next)

    def paint(
        self, layer: Labels, labels: npt.NDArray[Any], region: Region | None
    ) -> None:
        """Show what was written into labels.

        Parameters
        ----------
        layer : Labels
            The layer; one that was given other data gets the labels back.
        labels : int array
            What it shows, without a copy.
        region : tuple of slice or None
            What was written, one slice per axis; None shows nothing new.
        """
        if layer.data is not labels:
            self._drop_parts_of(layer)
            layer.data = labels
        elif region is not None:
            self._parts = deque(p for p in self._parts if not _covers(region, p))
            parts = _cut(layer, region) if _can_be_painted(layer) else [region]
            self._parts.extendleft(_Part(layer, labels, part) for part in parts)
            self._paint_next()

    def exchange(self, layer: Labels, labels: npt.NDArray[Any]) -> None:
        """Give a layer other labels at once, and show them a turn later.

        Making all of a slice takes napari as long as all else that opens a session.

        Parameters
        ----------
        layer : Labels
            The layer.
        labels : int array
            What it shows, without a copy.
        """
        self._drop_parts_of(layer)
        if layer.data.shape != labels.shape:
            layer.data = labels  # extent and axes change, too
        elif layer.data is not labels:
            with getattr(layer, "_block_refresh", contextlib.nullcontext)():
                layer.data = labels
            self._parts.append(_Part(layer, labels, None))
            self._timer.start(0)

    def close(self) -> None:
        """Show what is left of large boxes, and nothing more: the layers stay."""
        stop_for_good(self._timer)
        for layer in {part.layer for part in self._parts}:
            _refresh(layer)
        self._parts.clear()

    def _paint_next(self) -> None:
        if not self._parts:  # dropped meanwhile
            return
        part = self._parts.popleft()
        if _paint_part(part):
            self._drop_parts_of(part.layer)
        if self._parts:
            self._timer.start(0)

    def _drop_parts_of(self, layer: Labels) -> None:
        self._parts = deque(part for part in self._parts if part.layer is not layer)


class _Part(NamedTuple):
    """A box of labels that is to be shown by a layer; None for all, if they are new."""

    layer: Labels
    labels: npt.NDArray[Any]
    region: Region | None


def _covers(region: Region, part: _Part) -> bool:
    return part.region is not None and all(
        whole.start <= axis.start and axis.stop <= whole.stop
        for whole, axis in zip(region, part.region, strict=True)
    )


def _cut(layer: Labels, region: Region) -> Iterator[Region]:
    """Cut a region across the first axis that is shown."""
    first, *others = layer._slice_input.displayed
    across = np.prod([region[axis].stop - region[axis].start for axis in others])
    step = max(1, MOST_PIXELS // int(across))
    whole = region[first]
    for start in range(whole.start, whole.stop, step):
        part = slice(start, min(start + step, whole.stop))
        yield (*region[:first], part, *region[first + 1 :])


def _paint_part(part: _Part) -> bool:
    """Show a part; whether napari made, or will make, all of the slice anew."""
    layer, labels, region = part
    if not layer.visible or layer.data is not labels:
        return True
    if not _can_be_painted(layer):
        _refresh(layer)
        return True
    if region is None:  # napari stepped meanwhile
        return False
    slice_ = layer._slice
    shown = slice_.image
    box = tuple(region[axis] for axis in layer._slice_input.displayed)
    if not layer.contour:  # whose outlines napari draws itself
        shown.view[box] = layer.colormap._data_to_texture(shown.raw[box])
    layer._accumulate_updated_slice(region)
    layer._partial_labels_refresh()  # of all where a texture cannot hold the slice
    return layer._slice is not slice_ or not layer.loaded


def _refresh(layer: Labels) -> None:
    layer.refresh(highlight=False, extent=False)


def _can_be_painted(layer: Labels) -> bool:
    """Whether napari has what its brush uses, without a public name, and can use it."""
    has_names = all(hasattr(layer, name) for name in _OF_THE_BRUSH)
    if not (has_names and layer.loaded):
        return False
    return bool(np.may_share_memory(layer._slice.image.raw, layer.data))
