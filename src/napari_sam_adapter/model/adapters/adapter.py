"""SAM-Adapter: task information added before every block of a frozen encoder.

References
----------
Chen et al., *SAM Fails to Segment Anything? SAM-Adapter*, 2023, equations 1 and 2.
"""

from __future__ import annotations

import math
from numbers import Real
from typing import TYPE_CHECKING, Literal, cast, get_args

import torch
from torch import Tensor, nn

from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.model.adapters.fast_adapter import light_mlps
from napari_sam_adapter.model.adapters.fast_filter import (
    can_embed_fast,
    embed_high_frequencies,
)
from napari_sam_adapter.model.adapters.task_information import FILTERS, filtered
from napari_sam_adapter.model.encoder.image_encoder import project_patches
from napari_sam_adapter.model.products import projected, projected_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from napari_sam_adapter.model.adapters.task_information import ImageFilter, Valid

TOKENS = "patch_embedding"
PUBLISHED_FILTER = "fft_highpass"
SOURCES = (TOKENS, PUBLISHED_FILTER)
"""The published pair; `task_information.FILTERS` has more."""
REDUCTION, MIN_BOTTLENECK = 32, 24
"""Token width divided by bottleneck width, as published; the least bottleneck."""
LearnedWeights = Literal["none", "shared", "per_block"]


class _FilterEmbed(nn.Module):
    """One convolution from a filtered image to tokens."""

    def __init__(self, bottleneck: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, bottleneck, kernel_size=patch, stride=patch)

    def forward(self, image: Tensor) -> Tensor:
        """Turn (B, 3, H, W) into (B, h, w, bottleneck)."""
        if image.is_cuda:
            return project_patches(self.proj, image)
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
        Inner width; None takes the published ``width // 32``, but at least 24.
    weights : mapping of str to float, optional
        Weight w_j of each source; absent means 1. Where they are learned, the first
        value, which must be positive.
    patch : int
        Side of a token in pixels.
    published_order : bool
        Read the patch embedding as the published code does, see Notes.
    sources : sequence of str
        ``"patch_embedding"``, names in `task_information.FILTERS` and in `functions`.
    functions : mapping of str to callable, optional
        More sources: each turns a normalised image without padding, (B, 3, H, W)
        float32, into the same shape. Adapter files keep the name, not the function.
    learned_weights : str
        ``"none"``, ``"shared"`` (one w_j for all blocks) or ``"per_block"``. Learned
        weights stay positive.

    Raises
    ------
    CheckpointError
        If a source is unknown or a weight cannot be used.

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
        *,
        sources: Sequence[str] = SOURCES,
        functions: Mapping[str, ImageFilter] | None = None,
        learned_weights: LearnedWeights = "none",
    ) -> None:
        super().__init__()
        inner = bottleneck or max(MIN_BOTTLENECK, width // REDUCTION)
        self.functions = dict(functions or {})
        self.sources = _checked_sources(sources, self.functions)
        first = _checked_weights(weights or {}, self.sources, learned_weights)
        self.depth, self.published_order = depth, published_order
        self.learned_weights = learned_weights
        self._fixed_weights = first
        if learned_weights != "none":
            rows = depth if learned_weights == "per_block" else 1
            logarithms = torch.tensor(list(first.values())).log().repeat(rows, 1)
            self.log_weights = nn.Parameter(logarithms)
        self._add_layers(width, inner, patch)
        self._initialise()

    @property
    def weights(self) -> dict[str, float | list[float]]:
        """Weight w_j of each source, or one per block, as they are now."""
        if self.learned_weights == "none":
            return dict(self._fixed_weights)
        columns = self.log_weights.detach().exp().T.tolist()
        if self.learned_weights == "shared":
            columns = [column[0] for column in columns]
        return dict(zip(self.sources, columns, strict=True))

    def forward(
        self, image: Tensor, tokens: Tensor, valid: Valid = None
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
        for tuned in self.tuned(image, tokens, valid):
            yield self.shared_mlp(tuned)

    def tuned(self, image: Tensor, tokens: Tensor, valid: Valid) -> Iterator[Tensor]:
        """Give the prompt of each block before the projection that all blocks share.

        Parameters
        ----------
        image, tokens, valid
            As in `forward`.

        Yields
        ------
        (B, h, w, bottleneck) tensor
            For `run_with_prompts`.
        """
        embedded = self._embed_sources(image, tokens, valid)
        layers = [
            cast("nn.Sequential", self.get_submodule(f"lightweight_mlp_{i}"))
            for i in range(self.depth)
        ]
        if self.learned_weights == "per_block":
            for i, layer in enumerate(layers):
                yield layer(self._weighted_sum(embedded, i))
        else:
            yield from light_mlps(layers, self._weighted_sum(embedded, 0))

    def _embed_sources(
        self, image: Tensor, tokens: Tensor, valid: Valid
    ) -> list[Tensor]:
        """Return F_j of each source, (B, h, w, bottleneck)."""
        return [
            self._embed_tokens(tokens)
            if source == TOKENS
            else self._embed_filtered(source, image, valid)
            for source in self.sources
        ]

    def _embed_tokens(self, tokens: Tensor) -> Tensor:
        if not self.published_order:
            return projected(self.embedding_generator, tokens)
        batch, h, w, width = tokens.shape
        mixed = tokens.reshape(batch, width, h * w)
        return projected_columns(self.embedding_generator, mixed).view(batch, h, w, -1)

    def _embed_filtered(self, source: str, image: Tensor, valid: Valid) -> Tensor:
        embed = cast("_FilterEmbed", self.get_submodule(_embed_name(source)))
        if source == PUBLISHED_FILTER and can_embed_fast(embed.proj, image):
            return embed_high_frequencies(embed.proj, image, valid)
        if source in self.functions:
            result = filtered(image, self.functions[source], valid)
        else:
            result = FILTERS[source](image, valid)
        embedded: Tensor = embed(result.to(image.dtype))
        return embedded

    def _weighted_sum(self, embedded: list[Tensor], block: int) -> Tensor:
        """Return sum of w_j F_j for a block, (B, h, w, bottleneck)."""
        weights: Sequence[float] | Tensor = list(self._fixed_weights.values())
        if self.learned_weights != "none":
            weights = self.log_weights[block % len(self.log_weights)].exp()
        first, *others = (w * f for w, f in zip(weights, embedded, strict=True))
        total: Tensor = sum(others, start=first)
        return total

    def _add_layers(self, width: int, inner: int, patch: int) -> None:
        for source in self.sources:
            if source == TOKENS:
                self.embedding_generator = nn.Linear(width, inner)
            else:
                self.add_module(_embed_name(source), _FilterEmbed(inner, patch))
        for i in range(self.depth):
            self.add_module(
                f"lightweight_mlp_{i}",
                nn.Sequential(nn.Linear(inner, inner), nn.GELU()),
            )
        self.shared_mlp = nn.Linear(inner, width)

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        # a fresh adapter changes nothing: its last projection starts at zero
        nn.init.zeros_(self.shared_mlp.weight)


def _embed_name(source: str) -> str:
    """Return the name of the layer of a filtered image; one is the published name."""
    return "prompt_generator" if source == PUBLISHED_FILTER else f"embed_{source}"


def _checked_sources(
    sources: Sequence[str], functions: Mapping[str, ImageFilter]
) -> tuple[str, ...]:
    known = (TOKENS, *FILTERS, *functions)
    unknown = sorted(str(source) for source in sources if source not in known)
    if unknown or not sources or len(set(sources)) < len(sources):
        raise CheckpointError(
            f"Expected different sources of task information among {', '.join(known)}, "
            f"got {', '.join(unknown or sources) or 'none'}. For a source of your own "
            "give its function, too (in Python: functions)."
        )
    if not all(name.isidentifier() for name in sources):
        raise CheckpointError(
            "Expected sources of task information with names of letters, digits and "
            f"underscores, got {', '.join(sources)}."
        )
    return tuple(sources)


def _checked_weights(
    weights: Mapping[str, float], sources: tuple[str, ...], learned: str
) -> dict[str, float]:
    """Return a weight for each source, 1 where none is given."""
    unknown = sorted(str(source) for source in weights if source not in sources)
    if unknown:
        raise CheckpointError(
            f"Expected weights for task information among {', '.join(sources)}, "
            f"got {', '.join(unknown)}."
        )
    if learned not in get_args(LearnedWeights):
        raise CheckpointError(
            "Expected learned weights to be one of "
            f"{', '.join(get_args(LearnedWeights))}, got {learned}."
        )
    complete = dict.fromkeys(sources, 1.0) | dict(weights)
    floor, kind = (-math.inf, "finite") if learned == "none" else (0.0, "positive")
    for source, weight in complete.items():
        if not (isinstance(weight, Real | Tensor) and floor < weight < math.inf):
            raise CheckpointError(
                f"Expected a {kind} weight for {source}, got {weight}."
            )
    return complete
