"""SAM-Adapter: task information added before every block of a frozen encoder.

References
----------
Chen et al., *SAM Fails to Segment Anything? SAM-Adapter*, 2023, equations 1 and 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.model.task_information import high_frequencies

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari_sam_adapter.model.image_encoder import EncodedImage, ImageEncoder

SOURCES = ("patch_embedding", "fft_highpass")
REDUCTION = 32
"""Token width divided by bottleneck width, as published."""


class _HighPassEmbed(nn.Module):
    """One convolution from the high-frequency image to tokens."""

    def __init__(self, bottleneck: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, bottleneck, kernel_size=patch, stride=patch)

    def forward(self, image: Tensor) -> Tensor:
        """Turn (B, 3, H, W) into (B, h, w, bottleneck)."""
        tokens: Tensor = self.proj(image).permute(0, 2, 3, 1)
        return tokens


class SamAdapter(nn.Module):
    """The trained part: sources, one light MLP per block, one shared projection.

    The prompt of block i is ``up(GELU(tune_i(sum of w_j F_j)))``.

    Parameters
    ----------
    width, depth : int
        Token width and number of blocks of the encoder.
    bottleneck : int or None
        Inner width; None takes the published ``width // 32``.
    weights : mapping of str to float, optional
        Weight w_j of each source; absent means 1.
    patch : int
        Side of a token in pixels.
    published_order : bool
        Read the patch embedding as the published code does, see Notes.

    Raises
    ------
    CheckpointError
        If a source is unknown.

    Notes
    -----
    The published code reshapes the channels-last tokens (B, h, w, D) to (B, D, h * w)
    without moving the axes first, so its linear layer sees numbers of several tokens
    mixed. Weights trained that way need it; our own adapters see each token by itself.
    """

    def __init__(
        self,
        width: int,
        depth: int,
        bottleneck: int | None = None,
        weights: Mapping[str, float] | None = None,
        patch: int = 16,
        published_order: bool = False,
    ) -> None:
        super().__init__()
        inner = bottleneck or width // REDUCTION
        unknown = set(weights or {}) - set(SOURCES)
        if unknown:
            raise CheckpointError(
                f"Expected task information among {', '.join(SOURCES)}, "
                f"got {', '.join(sorted(unknown))}."
            )
        self.weights = dict.fromkeys(SOURCES, 1.0) | dict(weights or {})
        self.prompt_generator = _HighPassEmbed(inner, patch)
        self.embedding_generator = nn.Linear(width, inner)
        for i in range(depth):
            self.add_module(
                f"lightweight_mlp_{i}",
                nn.Sequential(nn.Linear(inner, inner), nn.GELU()),
            )
        self.shared_mlp = nn.Linear(inner, width)
        self.depth = depth
        self.published_order = published_order
        self._initialise()

    def forward(
        self, image: Tensor, tokens: Tensor, valid: tuple[int, int] | None = None
    ) -> Iterator[Tensor]:
        """Give the prompt of each block, one after the other.

        Parameters
        ----------
        image : (B, 3, H, W) tensor
            The network input.
        tokens : (B, h, w, D) tensor
            Patch embedding before positions are added.
        valid : (rows, columns) or None
            The part of the input that is not padding.

        Yields
        ------
        (B, h, w, D) tensor
            To be added to the tokens before the block.
        """
        features = self.task_information(image, tokens, valid)
        for i in range(self.depth):
            tuned = self.get_submodule(f"lightweight_mlp_{i}")(features)
            yield self.shared_mlp(tuned)

    def task_information(
        self, image: Tensor, tokens: Tensor, valid: tuple[int, int] | None = None
    ) -> Tensor:
        """Return the weighted sum of the sources, (B, h, w, bottleneck)."""
        if self.published_order:
            batch, h, w, width = tokens.shape
            mixed = tokens.reshape(batch, width, h * w).transpose(1, 2)
            tokens = mixed.reshape(batch, h, w, width)
        embedded = self.weights["patch_embedding"] * self.embedding_generator(tokens)
        details = self.prompt_generator(high_frequencies(image, valid).to(image.dtype))
        total: Tensor = embedded + self.weights["fft_highpass"] * details
        return total

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        # a fresh adapter changes nothing: its last projection starts at zero
        nn.init.zeros_(self.shared_mlp.weight)


class AdaptedImageEncoder(nn.Module):
    """A frozen image encoder with an adapter beside it.

    Parameters
    ----------
    encoder : ImageEncoder
        Used as it is; its weights are shared, not copied.
    adapter : SamAdapter
        Made for the encoder's width and depth.

    Raises
    ------
    CheckpointError
        If the adapter has another number of blocks than the encoder.
    """

    def __init__(self, encoder: ImageEncoder, adapter: SamAdapter) -> None:
        super().__init__()
        if adapter.depth != len(encoder.blocks):
            raise CheckpointError(
                f"Expected an adapter for {len(encoder.blocks)} blocks, got one for "
                f"{adapter.depth}. Choose an adapter that was trained for this model."
            )
        self.encoder = encoder
        self.adapter = adapter

    def forward(
        self, image: Tensor, valid: tuple[int, int] | None = None
    ) -> EncodedImage:
        """Encode a normalised image (B, 3, H, W); `valid` as in the adapter."""
        tokens, sides = self.encoder.patch_embed(image)
        prompts = self.adapter(image, tokens, valid)
        tokens = self.encoder.add_position(tokens)
        for block, prompt in zip(self.encoder.blocks, prompts, strict=True):
            tokens = block(tokens + prompt)
        return self.encoder.finish(tokens, sides)
