"""The sizes of a SAM network, named or read off a state dict."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.model.agreement import agreed, count_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_WINDOW = 14
_MOST_MASKS = 16
_POSITION_AXES = 4


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
    decoder_mlp_width, mask_tokens : int
        MLP width and number of masks of the decoder.
    mask_channels : int
        Inner channels of the prompt encoder's mask branch.
    judges_masks : bool
        Whether the decoder judges masks by what they look like.
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
    judges_masks: bool = False

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
    width: int, depth: int, heads: int, global_blocks: tuple[int, ...]
) -> SamShape:
    """Return the shape of a published ViT-SAM.

    Parameters
    ----------
    width, depth, heads : int
        Encoder width, blocks and heads.
    global_blocks : tuple of int
        Blocks that attend over the whole map.

    Returns
    -------
    SamShape
        With windows of 14 tokens in the other blocks, for inputs of 1024 pixels.
    """
    windows = tuple(0 if i in global_blocks else _WINDOW for i in range(depth))
    return SamShape(1024, width, heads, windows, 4 * width)


VIT_B = vit_shape(768, 12, 12, (2, 5, 8, 11))
VIT_L = vit_shape(1024, 24, 16, (5, 11, 17, 23))
VIT_H = vit_shape(1280, 32, 16, (7, 15, 23, 31))
_SMALL_WINDOW = 16


def small_shape(
    width: int,
    depth: int,
    size: int,
    decoder_mlp_width: int,
    judges_masks: bool = True,
) -> SamShape:
    """Return the shape of a SAM with a convolutional stem, such as ``tiny``.

    Parameters
    ----------
    width, depth : int
        Encoder width and blocks; heads are 64 wide, every third block is global.
    size : int
        Side of the input in pixels.
    decoder_mlp_width : int
        MLP width of the decoder.
    judges_masks : bool
        Whether the decoder judges masks by what they look like; the first small models
        did not.

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
        judges_masks=judges_masks,
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
            f"({_reason(error)}). Choose a checkpoint of SAM, or of another network "
            "that docs/models.md lists."
        ) from error


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error.args[0]} is missing"
    return str(error) if isinstance(error, ValueError) else "they contradict each other"


_ENCODER, _MASKS = "image_encoder.", "mask_decoder."
_BLOCK = f"{_ENCODER}blocks.*."
_DECODER_MLP = f"{_MASKS}transformer.layers.*.mlp."
_DOWNSCALING = "prompt_encoder.mask_downscaling."
_SCORES = f"{_MASKS}iou_prediction_head.layers.2."


def _read_sizes(sizes: Mapping[str, tuple[int, ...]]) -> SamShape:
    conv_stem = any(key.startswith(f"{_ENCODER}patch_embed.stride2.") for key in sizes)
    width = agreed(
        sizes,
        (f"{_ENCODER}pos_embed", -1),
        (f"{_BLOCK}norm1.weight", 0),
        (f"{_ENCODER}neck.0.weight", 1),
    )
    grid, windows = _grid_and_windows(sizes)
    if not grid or not width:
        raise ValueError(f"positions for {grid} x {grid} tokens of width {width}")
    masks = agreed(
        sizes,
        (f"{_MASKS}mask_tokens.weight", 0),
        (f"{_SCORES}weight", 0),
        (f"{_SCORES}bias", 0),
    )
    if masks > _MOST_MASKS:
        raise ValueError(f"{masks} mask tokens")
    decoder_mlp_width = _hidden(sizes, _DECODER_MLP)
    patch = 16
    if conv_stem:
        depth = count_of(sizes, f"{_ENCODER}blocks.")
        judges = any(key.startswith(f"{_MASKS}quality.") for key in sizes)
        return small_shape(width, depth, grid * patch, decoder_mlp_width, judges)
    if not windows:
        raise ValueError("no relative positions")
    if f"{_ENCODER}patch_embed.proj.weight" in sizes:
        patch = agreed(sizes, (f"{_ENCODER}patch_embed.proj.weight", -1))
    head_width = agreed(sizes, *((f"{_BLOCK}attn.rel_pos_{side}", 1) for side in "hw"))
    return SamShape(
        image_size=grid * patch,
        width=width,
        heads=width // head_width,
        windows=windows,
        mlp_width=_hidden(sizes, f"{_BLOCK}mlp."),
        patch=patch,
        decoder_mlp_width=decoder_mlp_width,
        mask_tokens=masks,
        mask_channels=agreed(
            sizes,
            (f"{_DOWNSCALING}3.weight", 0),
            (f"{_DOWNSCALING}3.bias", 0),
            (f"{_DOWNSCALING}4.weight", 0),
        ),
    )


def _hidden(sizes: Mapping[str, tuple[int, ...]], mlp: str) -> int:
    """Return the inner width of an MLP."""
    places = (("lin1.weight", 0), ("lin1.bias", 0), ("lin2.weight", 1))
    return agreed(sizes, *((mlp + name, axis) for name, axis in places))


def _grid_and_windows(
    sizes: Mapping[str, tuple[int, ...]],
) -> tuple[int, tuple[int, ...]]:
    """Return the side of the token grid, and the window of each block."""
    sides = [
        [(length + 1) // 2 for length in _table_lengths(sizes, block)]
        for block in range(count_of(sizes, f"{_ENCODER}blocks."))
    ]
    told = Counter(side for block in sides for side in block)
    if not told and f"{_ENCODER}pos_embed" not in sizes:
        raise KeyError(f"{_ENCODER}pos_embed")
    positions = sizes.get(f"{_ENCODER}pos_embed", ())
    grid = max(told, default=0)
    if len(positions) == _POSITION_AXES and positions[1] == positions[2]:
        grid = positions[1]
    if not told:
        return grid, ()
    if not all(sides):
        raise ValueError(f"block {sides.index([])} has no relative positions")
    # both tables of a block tell its window; the usual one is right where they differ
    chosen = (max(block, key=told.__getitem__) for block in sides)
    return grid, tuple(0 if side == grid else side for side in chosen)


def _table_lengths(sizes: Mapping[str, tuple[int, ...]], block: int) -> list[int]:
    keys = (f"{_ENCODER}blocks.{block}.attn.rel_pos_{side}" for side in "hw")
    return [sizes[key][0] for key in keys if sizes.get(key)]
