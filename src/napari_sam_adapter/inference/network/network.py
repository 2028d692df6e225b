"""A network on its device; where memory runs out it does less at once, then moves."""

from __future__ import annotations

import threading
import warnings
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

import torch

from napari_sam_adapter.inference.network.decoding import Decoding
from napari_sam_adapter.inference.network.full_precision import full_precision
from napari_sam_adapter.inference.network.in_parts import Things, in_parts
from napari_sam_adapter.inference.network.recorded_encoder import RecordedEncoder
from napari_sam_adapter.model.adapters.adapted_encoder import AdaptedImageEncoder
from napari_sam_adapter.model.encoder.conv_stem import ConvStem
from napari_sam_adapter.model.encoder.image_encoder import EncodedImage, ImageEncoder
from napari_sam_adapter.model.steady import steady_call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from napari_sam_adapter.model.files.checkpoints import Checkpoint

    Answer = TypeVar("Answer")


class Images(Things, Protocol):
    """Normalised images, or what becomes them: a tensor, or `Pictures`."""

    def to(self, device: torch.device, /) -> Tensor:
        """Return (B, 3, S, S) on a device."""


class Network:
    """Encoder and decoder of a checkpoint, all of it on one device.

    Networks may share tensors, such as a base and its adapters. When one of them moves
    to the CPU the shared tensors go with it, and the others follow before their next
    step: each looks where its image encoder is. Threads that ask at once are answered
    one after the other, for the decoder's memory is used again.

    Parameters
    ----------
    checkpoint : Checkpoint
        Its modules are moved.
    device : str
        A device of this machine.
    dtype : torch.dtype
        Number format of the image encoder.
    """

    def __init__(self, checkpoint: Checkpoint, device: str, dtype: torch.dtype) -> None:
        self.sam, self.dtype = checkpoint.sam, dtype
        self.encoder = checkpoint.image_encoder
        self._asks = threading.RLock()
        self._move(torch.device(device))

    @property
    def device(self) -> torch.device:
        """Where the image encoder is now."""
        device: torch.device = next(self.sam.image_encoder.parameters()).device
        return device

    @property
    def decoding(self) -> Decoding:
        """The decoder, on the device where the image encoder is."""
        self._follow()
        return self._decoding

    @torch.inference_mode()
    def encode(self, batch: Images, valid: tuple[int, int]) -> list[EncodedImage]:
        """Encode images in as few parts as memory allows.

        Parameters
        ----------
        batch : (B, 3, S, S) tensor or Pictures
            Normalised.
        valid : tuple of int
            Rows and columns that are not padding.

        Returns
        -------
        list of EncodedImage
            The parts in order.

        Raises
        ------
        DeviceError
            If not even one image fits on the CPU.
        """

        def encode(part: Images) -> EncodedImage:
            return self._encode(part.to(self.device), valid)

        self._follow()
        return in_parts(encode, batch, self._fall_back, "images")

    @property
    def has_finer_maps(self) -> bool:
        """Whether the decoder looks at more than the image embedding."""
        stem = getattr(self.sam.image_encoder, "patch_embed", None)
        return isinstance(stem, ConvStem)

    @torch.inference_mode()
    def sides_of(self, batch: Images) -> tuple[Tensor, ...]:
        """Run only what the finer maps of the small model need of the images.

        Parameters
        ----------
        batch : (B, 3, S, S) tensor or Pictures
            The images, normalised.

        Returns
        -------
        tuple of tensors
            As in `EncodedImage`.
        """
        self._follow()
        stem = cast("ConvStem", self.sam.image_encoder.patch_embed)
        with self._number_format(self.device.type), full_precision(self.device):
            return stem.sides(batch.to(self.device))

    @torch.inference_mode()
    def finer_maps(
        self, features: Tensor, sides: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...]:
        """Make finer maps from embeddings (B, 256, h, w) and what `sides_of` gives."""
        if not sides:
            return ()
        device = features.device
        with self._number_format(device.type), full_precision(device):
            maps = self.sam.image_encoder.finer(features, sides)
        return tuple(skip.float() for skip in maps)

    @torch.inference_mode()
    def decode(
        self, decode: Callable[[Decoding, slice], tuple[Tensor, Tensor]], count: int
    ) -> tuple[Tensor, Tensor]:
        """Decode objects in as few parts as memory allows.

        Parameters
        ----------
        decode : callable
            Masks and scores of some of the objects.
        count : int
            Number of objects.

        Returns
        -------
        masks, scores : tensors
            Of all objects.

        Raises
        ------
        DeviceError
            If not even one object fits on the CPU.
        """
        parts = self.ask(decode, count)
        if len(parts) == 1:
            return parts[0]
        masks, scores = zip(*parts, strict=True)
        return (
            torch.cat([mask.to(self.device) for mask in masks]),
            torch.cat([score.to(self.device) for score in scores]),
        )

    @torch.inference_mode()
    def ask(self, ask: Callable[[Decoding, slice], Answer], count: int) -> list[Answer]:
        """Ask about objects in as few parts as memory allows.

        Parameters
        ----------
        ask : callable
            Gives the answer for some of the objects.
        count : int
            Number of objects.

        Returns
        -------
        list
            The answer of each part, in order.

        Raises
        ------
        DeviceError
            If not even one object fits on the CPU.
        """

        def ask_part(part: range) -> Answer:
            device = self._decoding.device
            with full_precision(device), steady_call(device):
                return ask(self._decoding, slice(part.start, part.stop))

        with self._asks:
            self._follow()
            return in_parts(ask_part, range(count), self._fall_back, "objects")

    def _encode(self, batch: Tensor, valid: tuple[int, int]) -> EncodedImage:
        encoder = self.encoder
        with self._number_format(batch.device.type), full_precision(batch.device):
            if isinstance(encoder, AdaptedImageEncoder):
                started = encoder.start(batch, valid)
            elif isinstance(encoder, ImageEncoder):
                started = encoder.start(batch)
            else:
                return EncodedImage(*encoder(batch))
            if batch.is_cuda and len(batch) == 1:
                with self._asks:  # a recording has one place for images
                    return self._recorded.complete(encoder, started)
            return encoder.complete(started)

    def _number_format(self, device: str) -> torch.autocast:
        # casts that are kept would be gone when a recording is replayed
        is_half = self.dtype != torch.float32
        return torch.autocast(device, self.dtype, is_half, cache_enabled=False)

    def _fall_back(self) -> None:
        if self.device.type != "cpu":
            warnings.warn(
                f"Too little memory on {self.device}: going on on the CPU.",
                RuntimeWarning,
                stacklevel=2,
            )
            self._move(torch.device("cpu"))

    def _follow(self) -> None:
        if self._decoding.device != self.device:
            self._move(self.device)

    def _move(self, device: torch.device) -> None:
        # tensors made in inference mode could not be shared with a training later
        with torch.inference_mode(False):
            self.sam.to(device)
            self.encoder.to(device)
        self._decoding = Decoding(self.sam)
        self._recorded = RecordedEncoder()


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
