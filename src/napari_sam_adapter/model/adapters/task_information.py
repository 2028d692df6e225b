"""What a SAM-Adapter is told about the image: the sources F_j.

References
----------
Chen et al., *SAM Fails to Segment Anything? SAM-Adapter*, 2023, section 3.
Liu et al., *Explicit Visual Prompting for Low-Level Structure Segmentations*, 2023,
for the other sources.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sam_adapter.errors import ImageError, SamAdapterError
from napari_sam_adapter.model.memory import tells_of_memory

if TYPE_CHECKING:
    from collections.abc import Callable

    Valid = tuple[int, int] | None
    ImageFilter = Callable[[Tensor], Tensor]
    Filter = Callable[[Tensor, Valid], Tensor]

REMOVED_AREA = 0.25
"""Share of the spectrum's area that the high-pass filter removes."""
_BINOMIAL = (1, 4, 6, 4, 1)
_RESIDUALS = (
    ((0, 0, 0), (1, -2, 1), (0, 0, 0)),
    ((-1, 2, -1), (2, -4, 2), (-1, 2, -1)),
    (
        (-1, 2, -2, 2, -1),
        (2, -6, 8, -6, 2),
        (-2, 8, -12, 8, -2),
        (2, -6, 8, -6, 2),
        (-1, 2, -2, 2, -1),
    ),
)
_RESIDUAL_UNITS = (2, 4, 12)
"""Largest weight of each, by which it is divided."""
_SHAPES = 4
"""Image sizes whose kept frequencies are remembered, 1 MB each at 1024 x 1024."""
_SHOWN = 200
"""Letters of another's message that are shown."""


def high_frequencies(
    image: Tensor, valid: Valid = None, rate: float = REMOVED_AREA
) -> Tensor:
    """Return the magnitude of an image's high-frequency part.

    Parameters
    ----------
    image : (B, C, H, W) float tensor
        Normalised pixels.
    valid : (rows, columns) or None
        The part at the top left that is not padding. Only that part is filtered,
        because the step at its edge is not part of the image; None takes all.
    rate : float
        Area of the low-frequency square, as a share of the spectrum.

    Returns
    -------
    (B, C, H, W) float tensor
        Zero where padded.

    Notes
    -----
    The removed square is half-open, from -L to L - 1 around frequency 0, so it is not
    symmetric and the filtered image has a small imaginary part, which is dropped. That
    equals filtering with the mean of the square and its mirror image.

    L is ``sqrt(rows * columns * rate) / 2`` bins on both axes. An oblong image so keeps
    what varies by more than ``sqrt(rate * columns / rows) / 2`` cycles a pixel from row
    to row, or by more than ``sqrt(rate * rows / columns) / 2`` from column to column.
    The published code stretches every image to a square first; it keeps what varies by
    more than ``sqrt(rate) / 2`` cycles a stretched pixel along either axis.
    """
    return _magnitude(image, valid, rate, is_low=False)


def low_frequencies(
    image: Tensor, valid: Valid = None, rate: float = REMOVED_AREA
) -> Tensor:
    """Return the magnitude of what `high_frequencies` removes.

    Parameters
    ----------
    image, valid, rate
        As there.

    Returns
    -------
    (B, C, H, W) float tensor
        Zero where padded.
    """
    return _magnitude(image, valid, rate, is_low=True)


def blurred(image: Tensor, valid: Valid = None) -> Tensor:
    """Return the image after a binomial filter of 5 x 5 pixels.

    Parameters
    ----------
    image, valid
        As in `high_frequencies`.

    Returns
    -------
    (B, C, H, W) float tensor
        Zero where padded.
    """
    return _padded(_blur(_part(image, valid)), image)


def noise_residuals(image: Tensor, valid: Valid = None) -> Tensor:
    """Return three residuals of the spatial rich model.

    Parameters
    ----------
    image, valid
        As in `high_frequencies`.

    Returns
    -------
    (B, 3, H, W) float tensor
        Second difference along rows, along both axes, and of a wider reach, each of
        the sum of the channels. Zero where padded.

    References
    ----------
    Zhou et al., *Learning Rich Features for Image Manipulation Detection*, 2018,
    section 3.2.
    """
    return _padded(_residuals(_part(image, valid)), image)


FILTERS: dict[str, Filter] = {
    "fft_highpass": high_frequencies,
    "fft_lowpass": low_frequencies,
    "gaussian": blurred,
    "srm": noise_residuals,
}
"""Sources that are computed from the image, by name."""


def filtered(image: Tensor, image_filter: ImageFilter, valid: Valid = None) -> Tensor:
    """Filter the part of an image that is not padding by a function of the user's.

    Parameters
    ----------
    image : (B, 3, H, W) float tensor
        Normalised pixels.
    image_filter : callable
        Turns (B, 3, rows, columns) float32 into the same shape. It may work in place:
        what it gets is its own.
    valid : (rows, columns) or None
        The part at the top left that is not padding; None takes all.

    Returns
    -------
    (B, 3, H, W) float32 tensor
        Zero where padded.

    Raises
    ------
    ImageError
        If the filter fails, or returns no tensor, another shape, or what is not finite.
    """
    part = _part(image, valid)
    result = _checked(_computed(image_filter, part.clone()), part)
    return _padded(result, image)


def _computed(image_filter: ImageFilter, part: Tensor) -> Any:
    try:
        return image_filter(part)
    except SamAdapterError:
        raise
    except Exception as error:
        if tells_of_memory(error):
            raise  # fewer images at once may do
        told = " ".join(str(error).split())[:_SHOWN]
        raise _wrong("from your function", f"{type(error).__name__}: {told}") from error


def _checked(result: Any, part: Tensor) -> Tensor:
    if not isinstance(result, Tensor):
        raise _wrong("as a tensor", type(result).__name__)
    if result.shape != part.shape:
        raise _wrong(f"of shape {tuple(part.shape)}", str(tuple(result.shape)))
    if result.layout != torch.strided or result.is_meta or result.is_complex():
        raise _wrong("as real numbers", f"{result.dtype}, {result.layout}")
    numbers = result.float()
    if not numbers.isfinite().all():
        raise _wrong("of finite numbers", "NaN or infinity")
    return numbers


def _wrong(expected: str, got: str) -> ImageError:
    return ImageError(
        f"Expected task information {expected}, got {got}. Correct the function that "
        "computes it."
    )


def _magnitude(image: Tensor, valid: Valid, rate: float, is_low: bool) -> Tensor:
    part = _part(image, valid).contiguous()
    square = low_square(part.shape[-2], part.shape[-1], rate, part.device)
    filtered_part = _low_part(part, square) if is_low else _high_part(part, square)
    return _padded(filtered_part.abs_(), image)


def _part(image: Tensor, valid: Valid) -> Tensor:
    """Return what is not padding; a view of the image, if that is float32."""
    rows, columns = valid or (image.shape[-2], image.shape[-1])
    return image[..., :rows, :columns].float()


def _high_part(part: Tensor, square: Tensor) -> Tensor:
    if not square.numel():
        return part.clone()
    lines = _weighed(torch.fft.rfft(part), 1 - square)
    high: Tensor = torch.fft.irfft(lines, n=part.shape[-1])
    return high


def _low_part(part: Tensor, square: Tensor) -> Tensor:
    if not square.numel():
        return torch.zeros_like(part)
    lines = _weighed(torch.fft.rfft(part), square)
    lines[..., len(square) :] = 0
    low: Tensor = torch.fft.irfft(lines, n=part.shape[-1])
    return low


def _weighed(lines: Tensor, weights: Tensor) -> Tensor:
    """Weigh column frequencies of the first n lines by (n, rows), in place."""
    used = lines[..., : len(weights)]
    spectrum = torch.fft.fft(used.transpose(-2, -1).contiguous())
    spectrum *= weights
    used.copy_(torch.fft.ifft(spectrum).transpose(-2, -1))
    return lines


def _padded(part: Tensor, image: Tensor) -> Tensor:
    below = image.shape[-2] - part.shape[-2]
    if part.shape[-2:] == image.shape[-2:]:
        return part
    return F.pad(part, (0, image.shape[-1] - part.shape[-1], 0, below))


def _blur(part: Tensor) -> Tensor:
    line = part.new_tensor(_BINOMIAL) / sum(_BINOMIAL)
    kernel = (line[:, None] * line).expand(part.shape[1], 1, -1, -1)
    bordered = F.pad(part, (2, 2, 2, 2), mode="replicate")
    return F.conv2d(bordered, kernel, groups=part.shape[1])


def _residuals(part: Tensor) -> Tensor:
    total = F.pad(part.sum(1, keepdim=True), (2, 2, 2, 2), mode="replicate")
    kernel = part.new_zeros(3, 1, 5, 5)
    for i, (weights, unit) in enumerate(zip(_RESIDUALS, _RESIDUAL_UNITS, strict=True)):
        margin = (5 - len(weights)) // 2
        centre = slice(margin, 5 - margin)
        kernel[i, 0, centre, centre] = part.new_tensor(weights) / unit
    return F.conv2d(total, kernel)


@lru_cache(maxsize=_SHAPES)
def low_square(rows: int, columns: int, rate: float, device: torch.device) -> Tensor:
    """Return the share of each low frequency that is removed, 0 first.

    Parameters
    ----------
    rows, columns : int
        Size of the image in pixels.
    rate : float
        As in `high_frequencies`.
    device : torch.device
        Where to make it; the last few are remembered.

    Returns
    -------
    (n, rows) tensor
        Of the first n columns of a real transform; all others would be 0.
    """
    with torch.inference_mode(False):
        reach = int(math.sqrt(rows * columns * rate) // 2)
        square = torch.zeros(rows, columns, device=device)
        row, column = rows // 2, columns // 2
        square[
            max(0, row - reach) : row + reach, max(0, column - reach) : column + reach
        ] = 1
        square = torch.fft.ifftshift(square)
        mirrored = torch.roll(square.flip(0, 1), (1, 1), (0, 1))
        half: Tensor = ((square + mirrored) / 2)[:, : columns // 2 + 1]
        return half[:, : int(half.any(dim=0).sum())].T.contiguous()
