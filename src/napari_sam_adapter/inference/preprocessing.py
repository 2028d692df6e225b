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

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import Tensor

PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)
"""SAM's statistics, on the 0..255 scale."""
MASK_STRIDE = 4
"""Input pixels per pixel of a low-resolution mask."""
CERTAIN = 8.0
"""Logit of a mask prompt that the user drew."""


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
    """

    original: tuple[int, int]
    resized: tuple[int, int]
    size: int
    is_centred: bool = False

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

    def to_mask_prompt(self, mask: npt.NDArray[np.bool_]) -> Tensor:
        """Turn an (H, W) mask into logits (1, S / 4, S / 4) in the square."""
        soft = torch.from_numpy(mask[None, None].astype(np.float32))
        soft = F.interpolate(soft, self.resized, mode="bilinear", antialias=True)
        rows, columns = self.resized
        soft = F.pad(soft, (0, self.size - columns, 0, self.size - rows))
        low = F.avg_pool2d(soft, MASK_STRIDE)
        return (2 * CERTAIN * (low - 0.5))[0]

    def to_masks(self, logits: Tensor) -> Tensor:
        """Scale logits (N, h, w) of the square to the image, (N, H, W)."""
        # two bilinear steps with a crop between, as published: one moves the borders
        square = F.interpolate(logits[:, None], (self.size, self.size), mode="bilinear")
        rows, columns = self.resized
        part = square[..., :rows, :columns]
        return F.interpolate(part, self.original, mode="bilinear")[:, 0]


def to_rgb(image: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return an image as 8-bit RGB.

    Parameters
    ----------
    image : (H, W) or (H, W, 3) array
        8-bit values are used as they are; others are stretched from the 0.5th to the
        99.5th percentile of this image.

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
        raise ImageError(
            f"Expected an image of shape (H, W) or (H, W, 3), got {image.shape}. "
            "Give one plane at a time."
        )
    check_pixels(image)
    if image.dtype != np.uint8:
        image = estimate_intensity([image]).apply(image)
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)


def frame_of(
    shape: tuple[int, int], size: int, stretch: bool = False, is_centred: bool = False
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

    Returns
    -------
    Frame
        The longest side becomes `size`; no side becomes less than one pixel.
    """
    if stretch:
        return Frame(shape, (size, size), size, is_centred)
    scale = size / max(shape)
    rows, columns = (max(1, int(side * scale + 0.5)) for side in shape)
    return Frame(shape, (rows, columns), size, is_centred)


def to_input(rgb: npt.NDArray[np.uint8], frame: Frame) -> Tensor:
    """Scale, normalise and pad an image.

    Parameters
    ----------
    rgb : (H, W, 3) uint8 array
        The image.
    frame : Frame
        Where it goes.

    Returns
    -------
    (3, S, S) float tensor
        Zero where padded, which is the mean colour. Channels last in memory.
    """
    rows, columns = frame.resized
    picture = Image.fromarray(rgb).resize((columns, rows), Image.Resampling.BILINEAR)
    pixels = torch.from_numpy(np.array(picture)).float()
    square = torch.zeros(frame.size, frame.size, 3)
    mean, std = torch.tensor(PIXEL_MEAN), torch.tensor(PIXEL_STD)
    square[:rows, :columns] = (pixels - mean) / std
    return square.permute(2, 0, 1)


def _flipped(points: npt.NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(points[:, ::-1])).float()
