"""What a data set is made of: pairs of an image and its reference labels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.errors import DatasetError, SamAdapterError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

COLOURS = 3


@dataclass(frozen=True, eq=False)
class Reference:
    """An image or a volume with its reference labels.

    Parameters
    ----------
    name : str
        Of the image in its set.
    image : (H, W), (H, W, 3), (Z, H, W) or (Z, H, W, 3) array
        Intensities as stored.
    labels : (H, W) or (Z, H, W) int32 array
        0 for background; other numbers are objects or classes.
    spacing : tuple of float
        Distance between neighbours along each axis of the labels.

    Raises
    ------
    DatasetError
        If the shapes do not belong together, or the labels are not whole numbers or
        all 0.
    """

    name: str
    image: npt.NDArray[Any]
    labels: npt.NDArray[np.int32]
    spacing: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        labels = np.asarray(self.labels)
        self._check_shapes(labels)
        if labels.dtype.kind not in "bui":
            raise DatasetError(
                f"Expected whole numbers as labels of {self.name}, got {labels.dtype}. "
                "Save the labels as integers."
            )
        if not labels.any():
            raise DatasetError(
                f"Expected an object in the labels of {self.name}, got only background."
            )
        object.__setattr__(self, "labels", labels.astype(np.int32))
        if not self.spacing:
            object.__setattr__(self, "spacing", (1.0,) * labels.ndim)

    @property
    def is_volume(self) -> bool:
        """Whether there is more than one plane."""
        return self.labels.ndim == 3

    def _check_shapes(self, labels: npt.NDArray[Any]) -> None:
        shape = self.image.shape
        if labels.ndim not in (2, 3):
            raise DatasetError(
                f"Expected {self.name} as a picture or a volume, got labels of "
                f"{labels.ndim} axes. Cut it into volumes."
            )
        if shape not in (labels.shape, (*labels.shape, COLOURS)):
            raise DatasetError(
                f"Expected image and labels of one size for {self.name}, got {shape} "
                f"and {labels.shape}."
            )


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
        Of the image in its set.
    load : callable
        Reads both, anew at every call.
    """

    name: str
    load: Callable[[], Reference]

    def read(self) -> Reference | BrokenPair:
        """Read the pair, or say why that cannot be done.

        Returns
        -------
        Reference or BrokenPair
            Never raises for bad files.
        """
        try:
            return self.load()
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

    def __len__(self) -> int:
        return len(self.pairs)

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


def dataset_of(name: str, references: list[Reference]) -> Dataset:
    """Make a data set of arrays in memory.

    Parameters
    ----------
    name : str
        Of the set.
    references : list of Reference
        The images.

    Returns
    -------
    Dataset
        With one pair for each.
    """
    return Dataset(name, tuple(Pair(r.name, _Held(r)) for r in references))


@dataclass(frozen=True, eq=False)
class _Held:
    reference: Reference

    def __call__(self) -> Reference:
        return self.reference
