"""What a data set is made of: pairs of an image and its reference labels."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import DatasetError, SamAdapterError
from napari_sam_adapter.image_io.labels.plausible import looks_like_an_image
from napari_sam_adapter.wording import counted, sized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

COLOURS = 3
MOST_AXES = 5
LARGEST_KEPT = np.iinfo(np.uint16).max
"""Objects are counted in a list of all numbers up to the largest."""
VALIDATION, TRAINING = "val", "train"
PARTS = {
    **dict.fromkeys((TRAINING, "training"), TRAINING),
    **dict.fromkeys((VALIDATION, "valid", "validation"), VALIDATION),
}
"""What parts are called, in lower case, and which part it is."""


def role_of(split: str) -> str:
    """Return the usual name of a split.

    Parameters
    ----------
    split : str
        As a folder, an index or a list calls it.

    Returns
    -------
    str
        ``"train"`` or ``"val"`` for all ways to say so; others as they are.
    """
    split = split.strip()
    return PARTS.get(split.lower(), split)


def numbers_of_colours(pixels: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    """Return labels that were saved as a grey picture in colour.

    Parameters
    ----------
    pixels : (..., H, W, 3) or (..., H, W, 4) array
        Red, green and blue, and perhaps how opaque they are.
    name : str
        For messages.

    Returns
    -------
    (..., H, W) array
        The numbers.

    Raises
    ------
    DatasetError
        If there are other colours than grey.
    """
    colours = pixels[..., :COLOURS]
    if (colours != colours[..., :1]).any():
        raise DatasetError(
            f"Expected labels as numbers, got a colour picture in {name}. Save the "
            "numbers, not their colours."
        )
    return colours[..., 0]


@dataclass(frozen=True, eq=False)
class Reference:
    """An image or a volume with its reference labels.

    Parameters
    ----------
    name : str
        Of the image in its set.
    image : (H, W), (H, W, 3), (..., Z, H, W) or (..., Z, H, W, 3) array
        Intensities as stored.
    labels : (H, W) or (..., Z, H, W) array
        0 for background; other whole numbers are objects or classes. Kept as int32;
        if one is above 65,535, all are replaced by their ranks.
    spacing : tuple of float
        Distance between neighbours along each axis of the labels; 1 where empty.

    Raises
    ------
    DatasetError
        If the shapes do not belong together, the labels are not whole numbers, or
        below 0, or all 0, or a spacing is not above 0.
    """

    name: str
    image: npt.NDArray[Any]
    labels: npt.NDArray[np.int32]
    spacing: tuple[float, ...] = ()

    def __repr__(self) -> str:
        return f"<Reference {self.name}, {sized(self.labels.shape)}>"

    def __post_init__(self) -> None:
        labels = np.asarray(self.labels)
        self._check_shapes(labels)
        self._check_numbers(labels)
        object.__setattr__(self, "labels", _as_int32(labels))
        if not self.spacing:
            object.__setattr__(self, "spacing", (1.0,) * labels.ndim)
        self._check_spacing(labels.ndim)

    @property
    def is_volume(self) -> bool:
        """Whether it is one volume: planes along one axis."""
        return self.labels.ndim == 3

    def _check_shapes(self, labels: npt.NDArray[Any]) -> None:
        shape = self.image.shape
        if not 2 <= labels.ndim <= MOST_AXES:
            raise DatasetError(
                f"Expected labels of 2 to {MOST_AXES} axes for {self.name}, got "
                f"{labels.ndim}."
            )
        if shape not in (labels.shape, (*labels.shape, COLOURS)):
            raise DatasetError(
                f"Expected image and labels of one size for {self.name}, got {shape} "
                f"and {labels.shape}."
            )

    def _check_spacing(self, axes: int) -> None:
        if len(self.spacing) != axes or not all(0 < s < np.inf for s in self.spacing):
            raise DatasetError(
                f"Expected a spacing above 0 for each of the {axes} axes of "
                f"{self.name}, got {', '.join(f'{side:g}' for side in self.spacing)}."
            )

    def _check_numbers(self, labels: npt.NDArray[Any]) -> None:
        is_float = labels.dtype.kind == "f"
        has_fractions = is_float and not np.array_equal(labels, np.rint(labels))
        if has_fractions or labels.dtype.kind not in "buif":
            raise DatasetError(
                f"Expected whole numbers as labels of {self.name}, got {labels.dtype}"
                f"{' with fractions' if has_fractions else ''}. Save the labels as "
                "integers."
            )
        if not labels.any():
            raise DatasetError(
                f"Expected an object in the labels of {self.name}, got only background."
            )
        if labels.min() < 0:
            raise DatasetError(
                f"Expected labels from 0 in {self.name}, got {int(labels.min())}."
            )
        if looks_like_an_image(labels):
            raise DatasetError(
                f"Expected labels for {self.name}, got numbers that change from pixel "
                "to pixel as in an image. Are images and labels swapped?"
            )


def _as_int32(labels: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """Return the numbers, or their ranks where one is large; 0 stays 0."""
    if labels.dtype != np.bool_ and labels.max() > LARGEST_KEPT:
        numbers, ranks = np.unique(labels, return_inverse=True)
        labels = ranks.reshape(labels.shape) + int(numbers[0] != 0)
    return labels.astype(np.int32)


@dataclass(frozen=True)
class BrokenPair:
    """A pair that cannot be used.

    Parameters
    ----------
    name : str
        Of the image.
    reason : str
        What was expected and what came.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class Pair:
    """An image and its labels on disk.

    Parameters
    ----------
    name : str
        Of the image in its set; what is read is called so, too.
    load : callable
        Reads both, anew at every call.
    split : str
        Part of the set that it belongs to, ``"train"`` or ``"val"``; empty where the
        set does not say.
    """

    name: str
    load: Callable[[], Reference] = field(repr=False)
    split: str = ""

    def read(self) -> Reference | BrokenPair:
        """Read the pair, or say why that cannot be done.

        Returns
        -------
        Reference or BrokenPair
            Never raises for bad files.
        """
        try:
            found = self.load()
            named = found.name == self.name
            return found if named else replace(found, name=self.name)
        except SamAdapterError as error:
            return BrokenPair(self.name, str(error))
        except Exception as error:  # noqa: BLE001 - libraries raise anything on bad files
            return BrokenPair(self.name, " ".join(f"{error!r}".split()))


@dataclass(frozen=True)
class Dataset:
    """Images with reference labels, read one after the other.

    Parameters
    ----------
    name : str
        Of the set.
    pairs : tuple of Pair
        In a fixed order.
    broken : tuple of BrokenPair
        Images without labels and labels without image.
    """

    name: str
    pairs: tuple[Pair, ...]
    broken: tuple[BrokenPair, ...] = field(default=())

    def __repr__(self) -> str:
        broken = f", {len(self.broken)} broken" if self.broken else ""
        return f"<Dataset {self.name}, {counted(len(self), 'pair')}{broken}>"

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def has_parts(self) -> bool:
        """Whether its pairs belong to parts."""
        return any(pair.split for pair in self.pairs)

    def part(self, split: str) -> Dataset:
        """Return one part of the set.

        Parameters
        ----------
        split : str
            ``"train"``, ``"val"`` or another name of the set.

        Returns
        -------
        Dataset
            The whole set if it has no parts.
        """
        if not self.has_parts:
            return self
        kept = tuple(pair for pair in self.pairs if pair.split == split)
        return replace(self, pairs=kept)

    def read(self) -> Iterator[Reference | BrokenPair]:
        """Read every pair.

        Yields
        ------
        Reference or BrokenPair
            In the order of the pairs.
        """
        for pair in self.pairs:
            yield pair.read()

    def find_broken(self) -> list[BrokenPair]:
        """Read everything once and list what cannot be used.

        Returns
        -------
        list of BrokenPair
            Empty if the set is sound.
        """
        found = [entry for entry in self.read() if isinstance(entry, BrokenPair)]
        return [*self.broken, *found]
