"""Labels as COCO annotations.

Format: https://cocodataset.org/#format-data, "object detection". Masks are run-length
encoded without compression, so that they are exact and every reader of the format,
or a few lines of NumPy, can read them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam_adapter.image_io.image.opened_image import OpenedImage

NO_CLASS = "object"
"""Category of objects without a class."""


def write_coco(
    path: Path, labels: OpenedImage, classes: Mapping[int, str], name: str
) -> None:
    """Write one image entry per plane and one annotation per object and plane.

    Parameters
    ----------
    path : Path
        The file.
    labels : OpenedImage
        Labels with rows and columns as the last two axes.
    classes : mapping of int to str
        Classes of the objects that have one; they become the categories.
    name : str
        File name of the image; planes of a volume add their position.
    """
    data = np.asarray(labels.data)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for place in np.ndindex(*data.shape[:-2]):
        position = dict(zip(labels.axes[:-2], place, strict=True))
        image = _image(len(images) + 1, name, position, data.shape)
        images.append(image)
        for found in _annotations(data[place]):
            ids = {"id": len(annotations) + 1, "image_id": image["id"]}
            annotations.append({**ids, **found})
    categories = _categories(annotations, classes)
    content = {
        "info": {"description": f"Objects of {name}"},
        "images": images,
        "annotations": annotations,
        "categories": [{"id": i, "name": known} for known, i in categories.items()],
    }
    with path.open("w", encoding="utf-8") as file:
        json.dump(content, file)  # in small pieces: a long one would stop all threads
        file.write("\n")


def run_lengths(
    mask: npt.NDArray[np.bool_], corner: tuple[int, int], shape: Any
) -> Any:
    """Encode a mask that lies in a plane.

    Parameters
    ----------
    mask : (h, w) bool array
        A part of the plane with all pixels of the object; at least one.
    corner : (row, column)
        Where the part begins.
    shape : (rows, columns)
        Of the plane.

    Returns
    -------
    list of int
        Lengths of runs down the columns, in turns outside and inside, outside first.
    """
    columns, rows = np.nonzero(mask.T)
    places = (columns + corner[1]) * shape[0] + rows + corner[0]
    breaks = np.flatnonzero(np.diff(places) != 1)
    starts = places[np.concatenate([[0], breaks + 1])]
    stops = places[np.concatenate([breaks, [len(places) - 1]])] + 1
    edges = np.stack([starts, stops], axis=1).ravel()
    runs = np.diff(np.concatenate([[0], edges, [shape[0] * shape[1]]]))
    return runs.tolist() if runs[-1] else runs[:-1].tolist()


def _categories(
    annotations: list[dict[str, Any]], classes: Mapping[int, str]
) -> dict[str, int]:
    """Return a number for every class that occurs, and put it into annotations."""
    names = [classes.get(found["object_id"]) or NO_CLASS for found in annotations]
    numbers = {name: number for number, name in enumerate(sorted(set(names)), start=1)}
    for found, name in zip(annotations, names, strict=True):
        found["category_id"] = numbers[name]
    return numbers


def _image(
    number: int, name: str, position: dict[str, int], shape: tuple[int, ...]
) -> dict[str, Any]:
    where = "".join(f"_{axis}{index:04d}" for axis, index in position.items())
    stem, dot, suffix = name.partition(".")
    entry = {"id": number, "file_name": f"{stem}{where}{dot}{suffix}"}
    size = {"height": int(shape[-2]), "width": int(shape[-1])}
    return {**entry, **size, **({"position": position} if position else {})}


def _annotations(plane: npt.NDArray[np.integer[Any]]) -> Iterator[dict[str, Any]]:
    values = np.union1d([0], plane)
    numbered = np.searchsorted(values, plane)
    for number, box in enumerate(ndimage.find_objects(numbered), start=1):
        rows, columns = box
        mask = numbered[box] == number
        counts = run_lengths(mask, (rows.start, columns.start), plane.shape)
        height, width = mask.shape
        yield {
            "segmentation": {"size": list(plane.shape), "counts": counts},
            "area": int(mask.sum()),
            "bbox": [columns.start, rows.start, width, height],
            "iscrowd": 0,
            "object_id": int(values[number]),
        }
