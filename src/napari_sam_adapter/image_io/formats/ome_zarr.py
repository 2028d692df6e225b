"""OME-Zarr images (0.1 to 0.5) and plain zarr arrays."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.image_io.image.lazy_array import LazyArray
from napari_sam_adapter.image_io.image.levels import fitting_levels, left_out
from napari_sam_adapter.image_io.image.opened_image import OpenedImage, describe
from napari_sam_adapter.image_io.image.units import NO_UNIT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UNNAMED_AXES = "tczyx"
"""Axes of OME-Zarr 0.1 and 0.2, which do not name them."""
CHUNK = 512
"""Largest chunk along y and x, in pixels; along the others it is one."""
UNIT_WORDS = {
    "um": "micrometer",
    "nm": "nanometer",
    "mm": "millimeter",
    "cm": "centimeter",
    "dm": "decimeter",
    "pm": "picometer",
    "angstrom": "angstrom",
    "inch": "inch",
    "foot": "foot",
    "m": "meter",
    "s": "second",
    "ms": "millisecond",
    "min": "minute",
    "h": "hour",
}
"""The spelling that the format asks for."""


def open_zarr(path: Path) -> OpenedImage:
    """Open an OME-Zarr image with all its levels, or a zarr array.

    Parameters
    ----------
    path : Path
        The folder.

    Returns
    -------
    OpenedImage
        Nothing but the metadata is read.

    Raises
    ------
    ImageError
        If the folder is not an image of this kind.
    """
    import zarr

    node = zarr.open(path, mode="r")
    if isinstance(node, zarr.Array):
        return _plain(node, path)
    attributes: dict[str, Any] = dict(node.attrs)
    images = attributes.get("ome", attributes).get("multiscales")
    if not images:
        raise ImageError(
            f"Expected an OME-Zarr image, but {path} is a group without one. Give the "
            "folder of one image or array inside it."
        )
    return _multiscale(node, images[0], path)


def write_zarr(path: Path, image: OpenedImage) -> None:
    """Write labels as OME-Zarr 0.4; large ones with coarser levels.

    A level has every other row and column of the one before, until it is one chunk.

    Parameters
    ----------
    path : Path
        The folder, which must not exist.
    image : OpenedImage
        Labels.
    """
    import zarr

    levels = [np.asarray(image.data)]
    while max(levels[-1].shape[-2:]) > CHUNK:
        levels.append(levels[-1][..., ::2, ::2])
    group = zarr.open_group(path, mode="w-", zarr_format=2)
    group.attrs.update(_metadata(image, len(levels)))
    for number, data in enumerate(levels):
        _write_level(group, str(number), data)


def _write_level(group: Any, name: str, data: Any) -> None:
    chunks = (1,) * (data.ndim - 2) + tuple(min(CHUNK, n) for n in data.shape[-2:])
    array = group.create_array(
        name,
        shape=data.shape,
        dtype=data.dtype,
        chunks=chunks,
        chunk_key_encoding={"name": "v2", "separator": "/"},
    )
    for region in _regions(data.shape, chunks):
        array[region] = data[region]


def _regions(
    shape: tuple[int, ...], chunks: tuple[int, ...]
) -> Iterator[tuple[slice, ...]]:
    # One chunk at a time: zarr writes several in threads that outlive a full disk.
    starts = [range(0, n, step) for n, step in zip(shape, chunks, strict=True)]
    for corner in itertools.product(*starts):
        yield tuple(slice(a, a + step) for a, step in zip(corner, chunks, strict=True))


def _plain(array: Any, path: Path) -> OpenedImage:
    names = getattr(array.metadata, "dimension_names", None) or ()
    letters = "".join(str(name)[:1] or "q" for name in names)
    spatial = "q" * (array.ndim - 2) + "yx"
    axes = letters if set("yx") <= set(letters) else spatial
    return describe(LazyArray(array, str(path)), axes, {}, path)


def _multiscale(group: Any, image: dict[str, Any], path: Path) -> OpenedImage:
    first, *others = image["datasets"]
    array = group[first["path"]]
    axes, units = _axes(image.get("axes"), array.ndim)
    factors = _scales(first, array.ndim) * _scales(image, array.ndim)
    sizes = {
        letter: (float(factor), unit)
        for letter, factor, unit in zip(axes, factors, units, strict=True)
    }
    full = describe(LazyArray(array, str(path)), axes, sizes, path)
    return _with_levels(full, group, [entry["path"] for entry in others])


def _with_levels(full: OpenedImage, group: Any, names: list[str]) -> OpenedImage:
    """Add the coarser levels that are there and fit, and say which ones do not."""
    assert isinstance(full.data, LazyArray)
    found: list[LazyArray] = []
    problem = ""
    for number, name in enumerate(names, start=1):
        try:
            found.append(full.data.like(group[name]))
        except Exception as error:  # noqa: BLE001  zarr raises anything
            problem = left_out(number, full.name, error)
            break
    shapes = [level.shape for level in (full.data, *found)]
    alike = [axis for axis, letter in enumerate(full.axes) if letter == "c"]
    count, mismatch = fitting_levels(shapes, full.name, alike)
    problems = " ".join(filter(None, (full.problem, mismatch or problem)))
    return replace(full, levels=tuple(found[:count]), problem=problems)


def _axes(axes: Any, ndim: int) -> tuple[str, list[str]]:
    if axes is None:
        return UNNAMED_AXES[-ndim:], [NO_UNIT] * ndim
    named = [axis if isinstance(axis, dict) else {"name": axis} for axis in axes]
    letters = "".join(str(axis["name"])[:1] for axis in named)
    return letters, [str(axis.get("unit", NO_UNIT)) for axis in named]


def _scales(entry: dict[str, Any], ndim: int) -> Any:
    product = np.ones(ndim)
    for transformation in entry.get("coordinateTransformations", ()):
        product *= np.asarray(transformation.get("scale", 1.0), dtype=float)
    return product


def _metadata(image: OpenedImage, levels: int) -> dict[str, Any]:
    # Specification: https://ngff.openmicroscopy.org/0.4/
    kinds = {"t": "time", "c": "channel", **dict.fromkeys("zyx", "space")}
    axes = []
    for letter, unit in zip(image.axes, image.units, strict=True):
        axis = {"name": letter}
        if letter in kinds:
            axis["type"] = kinds[letter]
        if unit in UNIT_WORDS:
            axis["unit"] = UNIT_WORDS[unit]
        axes.append(axis)
    datasets = [_dataset(number, image.scale) for number in range(levels)]
    multiscale = {
        "version": "0.4",
        "name": image.name,
        "axes": axes,
        "datasets": datasets,
    }
    return {"multiscales": [multiscale], "image-label": {"version": "0.4"}}


def _dataset(number: int, scale: tuple[float, ...]) -> dict[str, Any]:
    factors = [1] * (len(scale) - 2) + [2**number] * 2
    sizes = [size * factor for size, factor in zip(scale, factors, strict=True)]
    transformation = {"type": "scale", "scale": sizes}
    return {"path": str(number), "coordinateTransformations": [transformation]}
