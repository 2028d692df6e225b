"""The sizes of a SAM network, named or read off a state dict."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_sam_adapter.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Mapping

_WINDOW = 14
_MOST_MASKS = 16


@dataclass(frozen=True)
class SamShape:
    """Everything that fixes the tensors of a SAM network.

    Parameters
    ----------
    image_size : int
        Side of the padded square input in pixels.
    width, heads : int
        Token width and attention heads of the encoder.
    windows : tuple of int
        Window side of each block in tokens, 0 for global attention.
    mlp_width : int
        MLP width of the encoder.
    use_rel_pos : bool
        Whether attention has relative-position tables.
    conv_stem : bool
        Whether tokens come from the small model's convolutions.
    patch : int
        Side of a token in pixels.
    """

    image_size: int
    width: int
    heads: int
    windows: tuple[int, ...]
    mlp_width: int
    use_rel_pos: bool = True
    conv_stem: bool = False
    patch: int = 16
    decoder_mlp_width: int = 2048
    mask_tokens: int = 4
    mask_channels: int = 16

    @property
    def grid(self) -> int:
        """Side of the token grid."""
        return self.image_size // self.patch

    def table_side(self, window: int) -> int | None:
        """Return the side that a block's relative-position tables serve."""
        if not self.use_rel_pos:
            return None
        return window or self.grid


def vit_shape(
    width: int, depth: int, heads: int, global_blocks: tuple[int, ...], size: int = 1024
) -> SamShape:
    """Return the shape of a published ViT-SAM.

    Parameters
    ----------
    width, depth, heads : int
        Encoder width, blocks and heads.
    global_blocks : tuple of int
        Blocks that attend over the whole map.
    size : int
        Side of the input in pixels.

    Returns
    -------
    SamShape
        With windows of 14 tokens in the other blocks.
    """
    windows = tuple(0 if i in global_blocks else _WINDOW for i in range(depth))
    return SamShape(size, width, heads, windows, 4 * width)


VIT_B = vit_shape(768, 12, 12, (2, 5, 8, 11))
VIT_L = vit_shape(1024, 24, 16, (5, 11, 17, 23))
VIT_H = vit_shape(1280, 32, 16, (7, 15, 23, 31))
_SMALL_WINDOW = 16


def small_shape(width: int, depth: int, size: int, decoder_mlp_width: int) -> SamShape:
    """Return the shape of a SAM with a convolutional stem, such as ``tiny``.

    Parameters
    ----------
    width, depth : int
        Encoder width and blocks; heads are 64 wide, every third block is global.
    size : int
        Side of the input in pixels.
    decoder_mlp_width : int
        MLP width of the decoder.

    Returns
    -------
    SamShape
        Without relative positions.
    """
    windows = tuple(0 if i % 3 == 2 else _SMALL_WINDOW for i in range(depth))
    return SamShape(
        size,
        width,
        max(1, width // 64),
        windows,
        4 * width,
        use_rel_pos=False,
        conv_stem=True,
        decoder_mlp_width=decoder_mlp_width,
    )


TINY = small_shape(192, 6, 512, 512)


def infer_shape(sizes: Mapping[str, tuple[int, ...]]) -> SamShape:
    """Read the shape of a ViT-SAM off its tensors.

    Parameters
    ----------
    sizes : mapping of str to tuple of int
        Key and shape of every tensor, with SAM's published names.

    Returns
    -------
    SamShape
        What `build_sam` needs to make a network that the tensors fit.

    Raises
    ------
    CheckpointError
        If a tensor that tells a size is missing or of an impossible shape.
    """
    try:
        return _read_sizes(sizes)
    except (KeyError, IndexError, ZeroDivisionError, ValueError) as error:
        raise CheckpointError(
            "Expected the weights of a SAM network, but its sizes cannot be read "
            f"({error}). Choose a checkpoint of SAM vit_b, vit_l or vit_h."
        ) from error


def _read_sizes(sizes: Mapping[str, tuple[int, ...]]) -> SamShape:
    encoder = "image_encoder."
    conv_stem = f"{encoder}patch_embed.stride2.0.weight" in sizes
    _, grid, columns, width = sizes[f"{encoder}pos_embed"]
    if grid != columns or not grid or not width:
        raise ValueError(f"positions for {grid} x {columns} tokens of width {width}")
    found = (re.match(r"image_encoder\.blocks\.(\d+)\.", key) for key in sizes)
    depth = len({match[1] for match in found if match})
    use_rel_pos = f"{encoder}blocks.0.attn.rel_pos_h" in sizes
    patch = 16 if conv_stem else sizes[f"{encoder}patch_embed.proj.weight"][-1]
    masks = sizes["mask_decoder.mask_tokens.weight"][0]
    if masks > _MOST_MASKS:
        raise ValueError(f"{masks} mask tokens")
    shared: dict[str, Any] = {
        "image_size": grid * patch,
        "width": width,
        "patch": patch,
        "mlp_width": sizes[f"{encoder}blocks.0.mlp.lin1.weight"][0],
        "use_rel_pos": use_rel_pos,
        "conv_stem": conv_stem,
        "decoder_mlp_width": sizes["mask_decoder.transformer.layers.0.mlp.lin1.weight"][
            0
        ],
        "mask_tokens": masks,
        "mask_channels": sizes["prompt_encoder.mask_downscaling.3.weight"][0],
    }
    if conv_stem:
        decoder_width = shared["decoder_mlp_width"]
        return small_shape(width, depth, shared["image_size"], decoder_width)
    if not use_rel_pos:
        raise ValueError("no relative positions")
    tables = [sizes[f"{encoder}blocks.{i}.attn.rel_pos_h"] for i in range(depth)]
    sides = [(length + 1) // 2 for length, _ in tables]
    windows = tuple(0 if side == grid else side for side in sides)
    return SamShape(heads=width // tables[0][1], windows=windows, **shared)
