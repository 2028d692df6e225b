"""Batches through the image encoder: smaller ones where memory runs out."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import torch

from napari_sam_adapter.errors import DeviceError
from napari_sam_adapter.model.adapter import AdaptedImageEncoder
from napari_sam_adapter.model.image_encoder import EncodedImage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn

_log = logging.getLogger(__name__)


def encode_in_parts(
    encode: Callable[[Tensor], EncodedImage],
    batch: Tensor,
    fall_back: Callable[[], torch.device],
) -> list[EncodedImage]:
    """Encode a batch in as few parts as the device's memory allows.

    Parameters
    ----------
    encode : callable
        Encodes (B, 3, S, S).
    batch : (B, 3, S, S) tensor
        Normalised images on the device.
    fall_back : callable
        Moves the encoder to the CPU and returns that device; called when not even one
        image fits.

    Returns
    -------
    list of EncodedImage
        The parts in order.

    Raises
    ------
    DeviceError
        If one image does not fit on the CPU either.
    """
    try:
        return [encode(batch)]
    except torch.OutOfMemoryError as error:
        if len(batch) == 1:
            return [_on_cpu(encode, batch, fall_back, error)]
    half = (len(batch) + 1) // 2
    first, second = batch[:half], batch[half:]
    _log.warning("Out of memory: encoding %d images at a time.", len(first))
    parts = encode_in_parts(encode, first, fall_back)
    return parts + encode_in_parts(encode, second.to(_device_of(parts)), fall_back)


def _on_cpu(
    encode: Callable[[Tensor], EncodedImage],
    image: Tensor,
    fall_back: Callable[[], torch.device],
    error: Exception,
) -> EncodedImage:
    device = fall_back()
    _log.warning("One image does not fit into %s: going on on the CPU.", image.device)
    try:
        return encode(image.to(device))
    except torch.OutOfMemoryError:
        raise DeviceError(
            "Expected enough memory to encode one image, got too little on "
            f"{image.device} and on the CPU. Close other programs or use a smaller "
            "model."
        ) from error


def _device_of(parts: list[EncodedImage]) -> torch.device:
    return parts[-1].embedding.device


def run_encoder(
    encoder: nn.Module, batch: Tensor, valid: tuple[int, int], dtype: torch.dtype
) -> EncodedImage:
    """Run an image encoder in a number format.

    Parameters
    ----------
    encoder : nn.Module
        With an adapter or without.
    batch : (B, 3, S, S) tensor
        Normalised images on its device.
    valid : (rows, columns)
        The part of each that is not padding, for an adapter.
    dtype : torch.dtype
        Of the products; sums and norms stay in float32.

    Returns
    -------
    EncodedImage
        Of all images.
    """
    is_adapted = isinstance(encoder, AdaptedImageEncoder)
    is_half = dtype != torch.float32
    with torch.autocast(batch.device.type, dtype, enabled=is_half):
        encoded = encoder(*((batch, valid) if is_adapted else (batch,)))
    return EncodedImage(*encoded)


def one_by_one(encoded: EncodedImage) -> Iterator[tuple[Tensor, tuple[Tensor, ...]]]:
    """Split a batch.

    Parameters
    ----------
    encoded : EncodedImage
        Of B images.

    Yields
    ------
    features : (1, 256, h, w) tensor
        In float32.
    skips : tuple of tensors
        In float32.
    """
    for i in range(len(encoded.embedding)):
        skips = tuple(skip[i : i + 1].float() for skip in encoded.skips)
        yield encoded.embedding[i : i + 1].float(), skips
