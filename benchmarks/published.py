"""The reference implementation, with random weights that ours shares.

The usual torchvision does not load beside PyTorch for the CPU: the operators that the
reference misses are declared here and not used.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_sam_adapter.model.sam import Sam, build_sam
from napari_sam_adapter.model.shape import VIT_B, VIT_H, VIT_L

SHAPES = {"vit_b": VIT_B, "vit_l": VIT_L, "vit_h": VIT_H}
MISSING = torch.library.Library("torchvision", "FRAGMENT")
for operator in ("nms", "qnms") if torch.version.cuda is None else ():
    MISSING.define(f"{operator}(Tensor dets, Tensor scores, float limit) -> Tensor")


def reference_of(name: str) -> torch.nn.Module:
    """Return the published network with random weights, none of them zero."""
    from segment_anything import sam_model_registry

    torch.manual_seed(0)
    network = sam_model_registry[name]().eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.02)
    return network


def ours_like(reference: torch.nn.Module, name: str) -> Sam:
    sam = build_sam(SHAPES[name]).eval().requires_grad_(False)
    sam.load_state_dict(reference.state_dict(), strict=True)
    return sam


def transformers_encoder(name: str) -> torch.nn.Module:
    from transformers import SamVisionConfig, SamVisionModel

    shape = SHAPES[name]
    config = SamVisionConfig(
        hidden_size=shape.width,
        num_hidden_layers=len(shape.windows),
        num_attention_heads=shape.heads,
        global_attn_indexes=[i for i, side in enumerate(shape.windows) if not side],
        mlp_dim=shape.mlp_width,
    )
    return SamVisionModel(config).eval().requires_grad_(False)


def embedding() -> Tensor:
    return torch.randn(1, 256, 64, 64, generator=torch.Generator().manual_seed(0))


class FixedEncoder(nn.Module):
    """Stands for an image encoder whose answer is known."""

    img_size = 1024

    def __init__(self, embedding: Tensor) -> None:
        super().__init__()
        self.embedding = embedding

    def forward(self, image: Tensor) -> Tensor:
        return self.embedding
