"""Pixels and prompts into the network's frame, and masks back.

The only place that knows x, y order and the padded square.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from napari_sam_adapter.errors import ImageError
from napari_sam_adapter.intensity import check_pixels, estimate_intensity
from napari_sam_adapter.model.families.preparation import SAM

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from torch import Tensor

    from napari_sam_adapter.model.families.preparation import Family

FLAT = 2.0
"""Added to the standard deviation of an image, in 8-bit levels."""
MASK_STRIDE = 4
"""Input pixels per pixel of a low-resolution mask."""


@dataclass(frozen=True)
class Frame:
    """How an image lies in the network's square.

    Parameters
    ----------
    original : (rows, columns)
        Size of the image.
    resized : (rows, columns)
        Size after scaling; the rest of the square is padding.
    size : int
        Side of the square in pixels.
    is_centred : bool
        Map pixel centres to pixel centres, and boxes to the pixels they enclose, as
        the small model was trained. The published networks scale numbers as they are.
    mask_stride : int
        Pixels of the square per pixel of a low-resolution mask.
    """

    original: tuple[int, int]
    resized: tuple[int, int]
    size: int
    is_centred: bool = False
    mask_stride: int = MASK_STRIDE

    def to_xy(self, points: npt.NDArray[np.float64]) -> Tensor:
        """Turn (N, 2) row, column pixels of the image into x, y of the square."""
        shift = 0.5 if self.is_centred else 0.0
        return _flipped((points + shift) * self._scale - shift)

    def to_box_xy(self, box: tuple[float, float, float, float]) -> Tensor:
        """Turn a box of pixels, both corners included, into x, y, x, y."""
        last = 1.0 if self.is_centred else 0.0
        first_corner = np.array(box[:2]) * self._scale
        last_corner = (np.array(box[2:]) + last) * self._scale - last
        return _flipped(np.stack([first_corner, last_corner])).flatten()

    @property
    def _scale(self) -> npt.NDArray[np.float64]:
        return np.divide(self.resized, self.original)

    def to_masks(self, logits: Tensor) -> Tensor:
        """Scale logits (N, h, w) of the square to the image, (N, H, W)."""
        # two bilinear steps with a crop between, as published: one moves the borders
        square = F.interpolate(logits[:, None], (self.size, self.size), mode="bilinear")
        rows, columns = self.resized
        part = square[..., :rows, :columns]
        return F.interpolate(part, self.original, mode="bilinear")[:, 0]


def to_rgb(image: npt.NDArray[Any], intensity: str = "as_is") -> npt.NDArray[np.uint8]:
    """Return an image as 8-bit RGB.

    Parameters
    ----------
    image : (H, W) or (H, W, 3) array
        8-bit values are used as they are; others are stretched from the 0.5th to the
        99.5th percentile of this image.
    intensity : str
        See `Family`; ``"channel_min_max"`` stretches each channel, of any type, from
        its smallest to its largest value instead.

    Returns
    -------
    (H, W, 3) uint8 array
        Grey images have three equal channels.

    Raises
    ------
    ImageError
        If the shape is wrong or the pixels cannot be segmented.
    """
    image = np.asarray(image)
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        advice = "Give one plane at a time."
        if not image.ndim:
            advice = "Read files with open_image."
        elif image.ndim == 3 and image.shape[2] == 4:
            advice = "Leave out the fourth channel: image[..., :3]."
        raise ImageError(
            f"Expected an image of shape (H, W) or (H, W, 3), got {image.shape}. "
            f"{advice}"
        )
    check_pixels(image)
    if intensity == "channel_min_max":
        image = _stretch_channels(image)
    elif image.dtype != np.uint8:
        image = estimate_intensity([image]).apply(image)
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)


def _stretch_channels(image: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    finite = np.where(np.isfinite(image), image, np.nan).astype(np.float64)
    low, high = np.nanmin(finite, axis=(0, 1)), np.nanmax(finite, axis=(0, 1))
    span = np.where(high > low, high - low, 1.0)
    stretched: npt.NDArray[np.uint8] = (
        np.nan_to_num((finite - low) / span) * 255
    ).astype(np.uint8)
    return stretched


def frame_of(
    shape: tuple[int, int],
    size: int,
    stretch: bool = False,
    is_centred: bool = False,
    mask_stride: int = MASK_STRIDE,
) -> Frame:
    """Return how an image of this shape lies in the square.

    Parameters
    ----------
    shape : (rows, columns)
        Size of the image.
    size : int
        Side of the square in pixels.
    stretch : bool
        Fill the square instead of keeping the aspect ratio.
    is_centred : bool
        See `Frame`.
    mask_stride : int
        See `Frame`.

    Returns
    -------
    Frame
        The longest side becomes `size`; no side becomes less than one pixel.
    """
    if stretch:
        return Frame(shape, (size, size), size, is_centred, mask_stride)
    scale = size / max(shape)
    rows, columns = (max(1, int(side * scale + 0.5)) for side in shape)
    return Frame(shape, (rows, columns), size, is_centred, mask_stride)


def normalise(pixels: Tensor, family: Family) -> Tensor:
    """Give pixels the values that a family of networks expects.

    Parameters
    ----------
    pixels : (3, H, W) float tensor
        Values from 0 to 255, without padding.
    family : Family
        How the network wants them.

    Returns
    -------
    (3, H, W) float tensor
        About zero on average.
    """
    if family.intensity == "standardised":
        # colours keep their differences; nearly constant images are not blown up
        return (pixels - pixels.mean()) / (pixels.std(correction=0) + FLAT)
    if family.intensity == "min_max":
        low, high = pixels.amin(), pixels.amax()
        pixels = (pixels - low) / (high - low).clamp(min=1) * 255
    mean, std = (
        _moved(torch.tensor(values), pixels.device)[:, None, None]
        for values in (family.mean, family.std)
    )
    return (pixels - mean) / std


@dataclass(frozen=True)
class Pictures:
    """Images that become the network's input on the device that computes.

    Attributes
    ----------
    resized : sequence of (3, rows, columns) tensors
        See `resize`.
    frames : sequence of Frame
        Where each goes; of one size.
    family : Family
        How the network wants them.
    """

    resized: Sequence[Tensor]
    frames: Sequence[Frame]
    family: Family = SAM

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.resized)

    def __getitem__(self, part: slice) -> Pictures:
        """Return some of them."""
        return Pictures(self.resized[part], self.frames[part], self.family)

    def to(self, device: torch.device) -> Tensor:
        """Return the input of the network.

        Parameters
        ----------
        device : torch.device
            Where it is made.

        Returns
        -------
        (B, 3, S, S) float tensor
            Channels last in memory, as convolutions like it.
        """
        inputs = [
            _padded(normalise(_moved(pixels, device).float(), self.family), frame)
            for pixels, frame in zip(self.resized, self.frames, strict=True)
        ]
        return torch.stack(inputs).permute(0, 3, 1, 2)


def _moved(pixels: Tensor, device: torch.device) -> Tensor:
    """Copy to the device; nobody waits for what a GPU still has to do."""
    if device.type != "cuda":
        return pixels.to(device)
    return pixels.pin_memory().to(device, non_blocking=True)


def _padded(pixels: Tensor, frame: Frame) -> Tensor:
    """Turn (3, rows, columns) into (S, S, 3), zero beyond."""
    rows, columns = frame.resized
    square = pixels.new_zeros(frame.size, frame.size, 3)
    square[:rows, :columns] = pixels.permute(1, 2, 0)
    return square


def to_input(rgb: npt.NDArray[np.uint8], frame: Frame, family: Family = SAM) -> Tensor:
    """Scale, normalise and pad an image.

    Parameters
    ----------
    rgb : (H, W, 3) uint8 array
        The image.
    frame : Frame
        Where it goes.
    family : Family
        How the network wants it.

    Returns
    -------
    (3, S, S) float tensor
        Zero where padded, which is the mean colour. Channels last in memory.
    """
    resized = resize(rgb, frame.resized, family.resampling)
    return Pictures([resized], [frame], family).to(torch.device("cpu"))[0]


def resize(
    rgb: npt.NDArray[np.uint8], size: tuple[int, int], resampling: str
) -> Tensor:
    """Resize an image by the rule of a family.

    Parameters
    ----------
    rgb : (H, W, 3) uint8 array
        The image.
    size : (rows, columns)
        The new size.
    resampling : str
        See `Family`.

    Returns
    -------
    (3, rows, columns) tensor
        Values from 0 to 255, in 8 bits where the rule rounds.
    """
    if resampling in ("nearest", "bilinear"):
        pixels = torch.from_numpy(rgb).permute(2, 0, 1)[None].float()
        return F.interpolate(pixels, size, mode=resampling)[0]
    if resampling == "cubic":
        resized = _cubic(rgb, size)
    else:
        shrinks = max(size) < max(rgb.shape[:2])
        is_area = resampling == "area" and shrinks
        rule = Image.Resampling.BOX if is_area else Image.Resampling.BILINEAR
        resized = np.array(Image.fromarray(rgb).resize(size[::-1], rule))
    return torch.from_numpy(resized).permute(2, 0, 1)


def _cubic(rgb: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    from skimage import transform

    rule: dict[str, Any] = {"order": 3, "anti_aliasing": True, "preserve_range": True}
    spline_resize: Any = transform.resize
    return np.asarray(spline_resize(rgb, size, **rule)).astype(np.uint8)


def _flipped(points: npt.NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(points[:, ::-1])).float()
