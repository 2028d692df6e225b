"""What training learns from: an image and its reference masks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_adapter.datasets.fingerprints import fingerprint
from napari_sam_adapter.wording import sized

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from napari_sam_adapter.intensity import IntensityMapping

MOST_LISTED = 4096
"""Labels of which an adapter keeps a fingerprint."""


@dataclass(frozen=True)
class Sample:
    """One image with its objects.

    Parameters
    ----------
    image : (H, W) or (H, W, 3) uint8 array
        Pixels as the network will see them.
    layers : tuple of (H, W) int arrays
        Label images, 0 for background. Objects of one layer are disjoint; objects of
        two layers may nest, as nuclei do in cells.
    prior : (H, W) int array or None
        The first layer on the plane before, of the same volume; same numbers.
    name : str
        For messages and reports.
    group : str
        Samples of one group are alike, as planes of a volume are, and are not divided
        between training and validation.
    weight : float
        How often it is drawn, relative to the others.
    intensity : IntensityMapping or None
        The window that made its 8 bits, where that is known.
    after : (H, W) int array or None
        The first layer on the plane after; same numbers.
    pixel : (float, float)
        Height and width of a pixel, in ways to the neighbouring planes.
    cut : (int, int) or None
        Of a volume that is cut along each axis: which one, z, y or x, and where.
    """

    image: npt.NDArray[np.uint8]
    layers: tuple[npt.NDArray[Any], ...]
    prior: npt.NDArray[Any] | None = None
    name: str = ""
    group: str = ""
    weight: float = 1.0
    intensity: IntensityMapping | None = None
    after: npt.NDArray[Any] | None = None
    pixel: tuple[float, float] = (1.0, 1.0)
    cut: tuple[int, int] | None = None

    def __repr__(self) -> str:
        name = f"{self.name}, " if self.name else ""
        return f"<Sample {name}{sized(self.image.shape)}>"

    @property
    def neighbours(self) -> tuple[npt.NDArray[Any], ...]:
        """The first layer on those neighbouring planes that are known."""
        known = (self.prior, self.after)
        return tuple(plane for plane in known if plane is not None)

    def transformed(
        self, change: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
    ) -> Sample:
        """Return a copy with image, layers and neighbours changed alike."""
        return replace(
            self,
            image=change(self.image),
            layers=tuple(change(layer) for layer in self.layers),
            prior=None if self.prior is None else change(self.prior),
            after=None if self.after is None else change(self.after),
        )


def labels_of(samples: Sequence[Sample]) -> list[str]:
    """Return fingerprints of what an adapter learns from.

    Parameters
    ----------
    samples : sequence of Sample
        All of them.

    Returns
    -------
    list of str
        Of at most `MOST_LISTED`, spread over all, so that its file stays small.
    """
    step = -(-len(samples) // MOST_LISTED)
    return sorted({fingerprint(s.layers[0]) for s in samples[:: max(1, step)]})


def digest_of(samples: Sequence[Sample]) -> str:
    """Return what tells samples from others.

    Parameters
    ----------
    samples : sequence of Sample
        Their order, pixels and labels count; names do not, since a folder may move.

    Returns
    -------
    str
        Hexadecimal digits of SHA-256.
    """
    found = sha256()
    for sample in samples:
        drawn = (sample.weight, sample.pixel, sample.intensity)
        found.update(repr(drawn).encode())
        for array in (sample.image, *sample.layers, *sample.neighbours):
            found.update(repr((array.shape, array.dtype.str)).encode())
            found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def shared_intensity(samples: Sequence[Sample]) -> IntensityMapping | None:
    """Return what an adapter says of the windows of its images.

    Parameters
    ----------
    samples : sequence of Sample
        What it learns from.

    Returns
    -------
    IntensityMapping or None
        Their common rule, with the median of the windows; None if they have no rule
        in common, or chosen windows that differ.
    """
    known = {s.intensity for s in samples if s.intensity is not None}
    if len({mapping.rule for mapping in known}) != 1:
        return None
    if len(known) > 1 and any(mapping.suits_others for mapping in known):
        return None
    low, high = (
        float(np.median([getattr(mapping, end) for mapping in known]))
        for end in ("low", "high")
    )
    return replace(next(iter(known)), low=low, high=high)
