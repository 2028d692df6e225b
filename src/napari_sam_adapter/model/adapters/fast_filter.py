"""High frequencies straight into tokens: no filtered image of three channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sam_adapter.model.adapters.task_information import (
    REMOVED_AREA,
    high_frequencies,
    low_square,
)
from napari_sam_adapter.model.products import product

if TYPE_CHECKING:
    from napari_sam_adapter.model.adapters.task_information import Valid

_ROWS = 256
"""Rows of pixels that are transformed together, while they are in the cache."""
_LINES = 128
"""Frequencies of rows that are."""
_GAP = 8
"""Numbers between lines, because a cache is slow for distances of a power of two."""
_SAME_SHADE = 6e-6
"""Channels that differ less from scaled copies differ by rounding alone."""
_SAMPLED = 32
"""Rows and columns of an image that are looked at first."""


def can_embed_fast(layer: nn.Conv2d, image: Tensor) -> bool:
    """Tell whether `embed_high_frequencies` may stand for filter and convolution.

    Parameters
    ----------
    layer : nn.Conv2d
        The convolution.
    image : (B, C, H, W) tensor
        What is filtered.

    Returns
    -------
    bool
        True for float32 on the CPU in inference mode.
    """
    return (
        torch.is_inference_mode_enabled()
        and type(layer) is nn.Conv2d
        and image.device.type == "cpu"
        and image.dtype == layer.weight.dtype == torch.float32
    )


def embed_high_frequencies(layer: nn.Conv2d, image: Tensor, valid: Valid) -> Tensor:
    """Convolve the high frequencies of images, patch by patch.

    Parameters
    ----------
    layer : nn.Conv2d
        From C channels to K, with square patches that do not overlap.
    image : (B, C, H, W) float32 tensor
        Normalised pixels.
    valid : (rows, columns) or None
        The part at the top left that is not padding; None takes all.

    Returns
    -------
    (B, h, w, K) tensor
        ``layer(high_frequencies(image, valid))``, channels last.
    """
    side = layer.kernel_size[0]
    rows, columns = valid or (image.shape[-2], image.shape[-1])
    square = low_square(rows, columns, REMOVED_AREA, image.device)
    if not square.numel():  # a few pixels, with nothing to remove
        embedded: Tensor = layer(high_frequencies(image, valid))
        return embedded.permute(0, 2, 3, 1)
    h, w = image.shape[-2] // side, image.shape[-1] // side
    total = image.new_zeros(len(image), h, w, layer.out_channels)
    if layer.bias is not None:
        total += layer.bias
    for tokens, one in zip(total, image, strict=True):
        shades, planes = distinct_planes(one[:, :rows, :columns])
        # no product of matrices, which autocast would round
        weights = [(layer.weight * of[:, None, None]).sum(1) for of in shades]
        _add_embedded(tokens, planes, square, torch.stack(weights, 1))
    return total


def distinct_planes(image: Tensor) -> tuple[Tensor, Tensor]:
    """Return the channels of an image, or one for all if they are alike.

    Parameters
    ----------
    image : (C, rows, columns) float tensor
        Normalised pixels without padding.

    Returns
    -------
    shades : (P, C) tensor
        How much of each plane a channel has, but for brightness overall.
    planes : (P, rows, columns) tensor
        The channels, or the first of them.

    Notes
    -----
    Channels of a grey image are scaled and shifted copies of one another. A shift is
    frequency 0, which the filter takes away, so that one transform serves them all.
    """
    shades = grey_shades(image)
    if shades is None:
        return torch.eye(len(image)), image
    return shades[None], image[:1]


def grey_shades(image: Tensor) -> Tensor | None:
    """Tell by how much each channel of a grey image varies, compared with the first.

    Parameters
    ----------
    image : (C, rows, columns) float tensor
        Normalised pixels without padding.

    Returns
    -------
    (C,) tensor or None
        None if the channels are not scaled and shifted copies of one another, or if
        a sample of about 32 x 32 pixels is too flat to tell by how much.
    """
    steps = [max(1, length // _SAMPLED) for length in image.shape[1:]]
    sample = image[:, :: steps[0], :: steps[1]].flatten(1)
    darkest, brightest = sample[0].argmin(), sample[0].argmax()
    spans = (sample[:, brightest] - sample[:, darkest]).tolist()
    if spans[0] == 0:
        return None
    shades = [span / spans[0] for span in spans]
    if not (_are_alike(sample, shades) and _are_alike(image, shades)):
        return None
    return torch.tensor(shades)


def _are_alike(channels: Tensor, shades: list[float]) -> bool:
    for channel, shade in zip(channels[1:], shades[1:], strict=True):
        low, high = torch.add(channel, channels[0], alpha=-shade).aminmax()
        if not high - low <= _SAME_SHADE:  # or no number at all
            return False
    return True


def _add_embedded(
    tokens: Tensor, planes: Tensor, square: Tensor, weight: Tensor
) -> None:
    """Add embedded high frequencies of (P, rows, columns) to (h, w, K), in place."""
    side, w = weight.shape[-1], tokens.shape[1]
    step = max(1, _ROWS // side)
    parts, lines = _transformed(planes, square, step * side)
    _keep_low(lines, square)
    columns = planes.shape[2]
    spectrum = torch.zeros(*parts[0].shape[:2], columns // 2 + 1, dtype=lines.dtype)
    for out, part, line in zip(
        torch.split(tokens, step),
        parts,
        torch.split(lines, step * side, -1),
        strict=False,
    ):
        spectrum = spectrum[:, : part.shape[1]]
        spectrum[..., : line.shape[1]] = line.transpose(1, 2)
        low = torch.fft.irfft(spectrum, n=columns)
        high = torch.sub(part, low, out=low)
        patches = _magnitudes(high, (len(out), w, len(high), side, side))
        embedded = product(patches.flatten(0, 1).flatten(1), weight.flatten(1))
        out += embedded.view(out.shape)


def _transformed(
    planes: Tensor, square: Tensor, step: int
) -> tuple[list[Tensor], Tensor]:
    """Transform the rows of (P, rows, columns).

    Returns
    -------
    parts : list of (P, step, columns) tensors
        The planes, cut.
    lines : (P, n, rows) complex tensor
        The first n frequencies of each row.
    """
    count, rows = square.shape
    lines = torch.empty(len(planes), count, rows + _GAP, dtype=torch.complex64)
    lines, parts = lines[..., :rows], []
    for line, part in zip(
        torch.split(lines, step, -1), torch.split(planes, step, 1), strict=True
    ):
        parts.append(part.contiguous())
        line.copy_(torch.fft.rfft(parts[-1])[..., :count].transpose(1, 2))
    return parts, lines


def _keep_low(lines: Tensor, square: Tensor) -> None:
    """Weigh column frequencies of lines (P, n, rows) by (n, rows), in place."""
    weights = square[..., None].expand(-1, -1, 2)  # PyTorch would make them complex
    for some, weight in zip(
        torch.split(lines, _LINES, 1),
        torch.split(weights.flatten(1), _LINES),
        strict=True,
    ):
        spectrum = torch.fft.fft(some.contiguous())
        torch.view_as_real(spectrum).flatten(2).mul_(weight)
        some.copy_(torch.fft.ifft(spectrum))


def _magnitudes(planes: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Cut planes into patches (h, w, P, side, side), with zeros where pixels lack."""
    h, w, count, side, _ = shape
    below, right = h * side - planes.shape[1], w * side - planes.shape[2]
    if below or right:
        planes = F.pad(planes, (0, right, 0, below))  # or cut off, if negative
    cut = planes.view(count, h, side, w, side).permute(1, 3, 0, 2, 4)
    return torch.abs(cut, out=planes.new_empty(shape))
