"""Size, place, shape and brightness of labelled objects, in world units."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.image_io.image.lazy_array import (
    LazyArray,
    check_unmasked,
    is_array,
)
from napari_sam_adapter.image_io.image.opened_image import AXES_BY_NDIM, OpenedImage
from napari_sam_adapter.image_io.image.units import NO_UNIT
from napari_sam_adapter.volume.document.ledger import Ledger
from napari_sam_adapter.volume.measuring.brightness import (
    BRIGHTNESS,
    brightness_of,
    finite_grey,
)
from napari_sam_adapter.volume.measuring.hull import hull_share
from napari_sam_adapter.volume.measuring.measured_blocks import Box, together
from napari_sam_adapter.volume.measuring.measurement_table import MeasurementTable, Row
from napari_sam_adapter.volume.planes.axes import check_spacing
from napari_sam_adapter.volume.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt

    from napari_sam_adapter.image_io.image.lazy_array import ArrayLike


@dataclass(frozen=True, eq=False)
class Measuring:
    """What is to be measured.

    Parameters
    ----------
    labels : int array-like
        Objects; 0 is background. Read block by block.
    image : array-like or None
        Of the same shape, or with a last axis of 3 or 4 colours, whose mean counts.
    axes : str
        One letter per axis of the labels; those beside z, y and x come first, and
        each index on them is measured alone. By default from the number of axes.
    spacing : sequence of float or None
        Distance between neighbours on every axis; by default 1.
    unit : str
        Unit of the spacing along z, y and x. Without one it is "pixel", or "unknown"
        where neighbours are not 1 apart.
    names, classes : mapping of int to str
        Of the objects that have one.
    """

    labels: ArrayLike
    image: ArrayLike | None = None
    axes: str = ""
    spacing: Sequence[float] | None = None
    unit: str = NO_UNIT
    names: Mapping[int, str] = field(default_factory=dict)
    classes: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        labels: ArrayLike | OpenedImage | Session,
        image: ArrayLike | OpenedImage | None = None,
    ) -> Measuring:
        """Return what to measure, with what a session or opened image tells of it.

        Parameters
        ----------
        labels : int array-like, OpenedImage or Session
            Objects; those of a session with their names and classes, and with its axes
            and spacing as far as it was told them.
        image : array-like, OpenedImage or None
            What is segmented; opened, it tells axes, spacing and unit, and goes before
            opened labels.

        Returns
        -------
        Measuring
            Nothing is read.

        Raises
        ------
        ImageError, SessionError
            If they do not belong together.
        """
        if isinstance(labels, Session):
            return cls._of_session(labels, image)
        opened = [one for one in (image, labels) if isinstance(one, OpenedImage)]
        labels = labels.data if isinstance(labels, OpenedImage) else labels
        image = image.data if isinstance(image, OpenedImage) else image
        if not opened:
            return cls(labels, image)
        told = opened[0]
        return cls(labels, image, told.label_axes, told.spacing, told.unit)

    @classmethod
    def _of_session(
        cls, session: Session, image: ArrayLike | OpenedImage | None
    ) -> Measuring:
        about, own, volume = (
            cls.of(session.labels, image),
            session.objects,
            session.volume,
        )
        is_spaced = volume.spacing is not None or set(session.spacing) != {1}
        return replace(
            about,
            axes=volume.letters or about.axes,
            spacing=session.spacing if is_spaced else about.spacing,
            unit=image.unit if isinstance(image, OpenedImage) else volume.unit,
            names=own.names,
            classes=own.classes,
        )

    def __post_init__(self) -> None:
        arrays = (self.labels,) if self.image is None else (self.labels, self.image)
        for array in arrays:
            if not is_array(array):
                raise ImageError(
                    f"Expected arrays to measure, got {type(array).__name__}. Write "
                    "measure(labels, image) with arrays or what open_image returns."
                )
            check_unmasked(array)
        shape = tuple(self.labels.shape)
        if 0 in shape:
            raise ImageError(f"Expected labels with pixels, got shape {shape}.")
        if np.dtype(self.labels.dtype).kind not in "bui":
            raise ImageError(
                f"Expected labels of whole numbers, got {self.labels.dtype}. Convert "
                "them first, as in labels.astype(int)."
            )
        axes = self.axes or AXES_BY_NDIM.get(len(shape), "")
        if len(axes) != len(shape) or axes[-2:] != "yx" or len(set(axes)) < len(axes):
            raise ImageError(
                f"Expected one letter per axis with y and x at the end, got {axes!r} "
                f'for labels of shape {shape}. Write for example "zyx".'
            )
        if self.image is not None and shape != tuple(self.image.shape[: len(shape)]):
            raise ImageError(
                f"Expected labels and image of one shape, got {shape} and "
                f"{tuple(self.image.shape)}. Give the image that was segmented."
            )
        if self.image is not None and np.dtype(self.image.dtype).kind not in "buif":
            raise ImageError(
                f"Expected an image of real numbers, got {self.image.dtype}. Take its "
                "magnitude or its real part first."
            )
        object.__setattr__(self, "axes", axes)
        object.__setattr__(self, "spacing", check_spacing(self.spacing, len(shape)))
        if self.unit == NO_UNIT and set(self._steps) != {1}:
            object.__setattr__(self, "unit", "unknown")

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of the table."""
        places = ("centroid", "min", "max")
        return (
            "object",
            "name",
            "class",
            *self.axes[: -len(self._space)],
            "voxels",
            "area" if len(self._space) == 2 else "volume",
            *(f"{place}_{axis}" for place in places for axis in self._space),
            "equivalent_diameter",
            "solidity",
            *(() if self.image is None else BRIGHTNESS),
            "unit",
        )

    def blocks(self) -> Iterator[list[Row]]:
        """Measure block by block.

        Yields
        ------
        list of tuple
            Rows in the order of `columns`; those of a block of nearby objects.

        Raises
        ------
        ImageError
            If labels or image cannot be read, or objects cannot have such labels.
        """
        leading = tuple(self.labels.shape[: -len(self._space)])
        for frame in np.ndindex(*leading):
            labels = _taken(self.labels, frame)
            image = None if self.image is None else _taken(self.image, frame)
            ledger = Ledger(labels, is_strict=True)
            for objects, box in together(ledger, len(self._space)):
                yield self._measure(frame, objects, box, labels, image)

    @property
    def _space(self) -> str:
        return self.axes[-3:] if self.axes[-3:-2] == "z" else self.axes[-2:]

    @property
    def _steps(self) -> tuple[float, ...]:
        return tuple(self.spacing or ())[-len(self._space) :]

    def _measure(
        self,
        frame: tuple[int, ...],
        objects: npt.NDArray[np.int64],
        box: Box,
        labels: ArrayLike,
        image: ArrayLike | None,
    ) -> list[Row]:
        from skimage.measure import regionprops_table

        spacing = self._steps
        numbered = _numbered(np.asarray(labels[box]), objects)
        grey = is_finite = None
        if image is not None:
            grey, is_finite = finite_grey(np.asarray(image[box]), numbered.ndim)
        found = regionprops_table(  # type: ignore[no-untyped-call]
            numbered,
            grey,
            properties=(
                "label",
                "num_pixels",
                "area",
                "centroid",
                "bbox",
                "equivalent_diameter_area",
                *(() if image is None else BRIGHTNESS),
            ),
            spacing=spacing,
            extra_properties=(hull_share,),
        )
        if grey is not None and is_finite is not None and not is_finite.all():
            numbered = np.where(is_finite, numbered, 0)
            found |= brightness_of(numbered, grey, found["label"])
        corner = np.array([axis.start for axis in box]) * spacing
        return [
            self._row(frame, objects, found, number, corner, spacing)
            for number in range(len(found["label"]))
        ]

    def _row(
        self,
        frame: tuple[int, ...],
        objects: npt.NDArray[np.int64],
        found: Mapping[str, npt.NDArray[Any]],
        number: int,
        corner: npt.NDArray[np.float64],
        spacing: tuple[float, ...],
    ) -> Row:
        def several(name: str, first: int = 0) -> npt.NDArray[np.float64]:
            places = range(first, first + len(spacing))
            return np.array([found[f"{name}-{place}"][number] for place in places])

        object_id = int(objects[found["label"][number] - 1])
        edges = several("bbox"), several("bbox", len(spacing))
        low, high = (corner + (edge - 0.5) * spacing for edge in edges)
        brightness = () if self.image is None else BRIGHTNESS
        numbers = "equivalent_diameter_area", "hull_share", *brightness
        return (
            object_id,
            self.names.get(object_id, ""),
            self.classes.get(object_id, ""),
            *frame,
            int(found["num_pixels"][number]),
            float(found["area"][number]),
            *(corner + several("centroid")).tolist(),
            *low.tolist(),
            *high.tolist(),
            *(float(found[name][number]) for name in numbers),
            self.unit,
        )


def measure(
    labels: ArrayLike | OpenedImage | Session | Measuring,
    image: ArrayLike | OpenedImage | None = None,
) -> MeasurementTable:
    """Measure all objects.

    Parameters
    ----------
    labels : int array-like, OpenedImage, Session or Measuring
        Objects, those of a session with their names and classes, and with its axes and
        spacing; or all that is to be known of them.
    image : array-like, OpenedImage or None
        What is segmented; opened, it tells unit, axes and spacing, of which a session
        that was told others keeps its own.

    Returns
    -------
    MeasurementTable
        Per object its size in voxels and in world units, the centroid, the box around
        it (outer edges of its voxels), the diameter of a disk or ball of its size, its
        share of its convex hull, and the brightness of the image in it, of pixels that
        are finite. Positions count from the centre of the first voxel.

    Raises
    ------
    ImageError
        If labels or image cannot be read or do not belong together.
    """
    measuring = labels if isinstance(labels, Measuring) else Measuring.of(labels, image)
    rows = [row for block in measuring.blocks() for row in block]
    return table_of(measuring, rows)


def table_of(measuring: Measuring, rows: Sequence[Row]) -> MeasurementTable:
    """Put measured rows in order.

    Parameters
    ----------
    measuring : Measuring
        What was measured.
    rows : sequence of tuple
        From `Measuring.blocks`.

    Returns
    -------
    MeasurementTable
        By object.
    """
    return MeasurementTable(measuring.columns, tuple(sorted(rows, key=itemgetter(0))))


def _taken(array: ArrayLike, frame: tuple[int, ...]) -> ArrayLike:
    if isinstance(array, LazyArray):
        for index in frame:
            array = array.take(0, index)
        return array
    taken: ArrayLike = array[frame] if frame else array
    return taken


def _numbered(
    labels: npt.NDArray[np.integer[Any]], objects: npt.NDArray[np.int64]
) -> npt.NDArray[np.int32]:
    # Numbers from 1, so that nothing grows with the largest label.
    places = np.minimum(np.searchsorted(objects, labels), len(objects) - 1)
    known = objects[places] == labels
    return np.where(known, places + 1, 0).astype(np.int32)
