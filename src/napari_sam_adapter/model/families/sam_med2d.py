"""SAM-Med2D: SAM vit_b at 256 pixels, with an adapter beside the MLP of every block.

References
----------
Cheng et al., *SAM-Med2D*, 2023.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from napari_sam_adapter.model.agreement import agreed
from napari_sam_adapter.model.layers import MLPBlock
from napari_sam_adapter.model.sam import Sam, build_sam
from napari_sam_adapter.model.shape import infer_shape

if TYPE_CHECKING:
    from collections.abc import Mapping

_GATE = "image_encoder.blocks.*.mlp.Adapter.channel."


class ConvAdapter(nn.Module):
    """A gate over the channels, and convolutions over the map at half its side.

    Parameters
    ----------
    width, hidden : int
        Token width and inner width of the gate.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.channel = nn.Sequential(
            nn.Linear(width, hidden, bias=False),
            nn.ReLU(),
            nn.Linear(hidden, width, bias=False),
            nn.Sigmoid(),
        )
        self.spatial = nn.Sequential(
            nn.Conv2d(width, width, 3, stride=2, padding=1, bias=False),
            nn.ReLU(),
            nn.ConvTranspose2d(width, width, 4, stride=2, padding=1, bias=False),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, h, w, D) to the same shape."""
        gated = x * self.channel(x.mean(dim=(1, 2), keepdim=True))
        around = self.spatial(gated.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        out: Tensor = self.norm(x + around)
        return out


class AdaptedMLP(MLPBlock):
    """The MLP of a block with the adapter beside it.

    Parameters
    ----------
    width, hidden : int
        Outer and inner width of the MLP.
    adapter_hidden : int
        Inner width of the adapter's gate.
    """

    def __init__(self, width: int, hidden: int, adapter_hidden: int) -> None:
        super().__init__(width, hidden)
        self.Adapter = ConvAdapter(width, adapter_hidden)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, h, w, D) to the same shape."""
        out: Tensor = super().forward(x) + self.Adapter(x)
        return out


def build_sam_med2d(sizes: Mapping[str, tuple[int, ...]]) -> Sam:
    """Make a SAM-Med2D with fresh weights.

    Parameters
    ----------
    sizes : mapping of str to tuple of int
        Shape of every tensor by key, the adapters under ``mlp``.

    Returns
    -------
    Sam
        That the tensors fit.

    Raises
    ------
    CheckpointError
        If the sizes cannot be read.
    """
    shape = infer_shape(sizes)
    sam = build_sam(shape)
    hidden = agreed(sizes, (f"{_GATE}0.weight", 0), (f"{_GATE}2.weight", 1))
    for block in sam.image_encoder.blocks:
        block.mlp = AdaptedMLP(shape.width, shape.mlp_width, hidden)
    return sam
