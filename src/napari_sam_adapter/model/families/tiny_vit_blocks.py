"""The parts of TinyViT: convolutions with batch normalisation, attention in windows.

References
----------
Wu et al., *TinyViT: Fast Pretraining Distillation for Small Vision Transformers*, 2022.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sam_adapter.model.encoder.image_encoder import join_windows, split_windows


class ConvNorm(nn.Module):
    """A convolution without bias and a batch normalisation.

    Parameters
    ----------
    inside, outside : int
        Channels.
    kernel, stride, groups : int
        Of the convolution, padded to keep the map at stride 1.
    """

    def __init__(
        self,
        inside: int,
        outside: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__()
        self.c = nn.Conv2d(
            inside, outside, kernel, stride, kernel // 2, groups=groups, bias=False
        )
        self.bn = nn.BatchNorm2d(outside)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H', W')."""
        out: Tensor = self.bn(self.c(x))
        return out


class Stem(nn.Module):
    """Two convolutions from pixels to the first map.

    Parameters
    ----------
    inner, width : int
        Channels after each.
    kernel : int
        3 halves the side each time, 1 keeps it.
    """

    def __init__(self, inner: int, width: int, kernel: int) -> None:
        super().__init__()
        stride = 2 if kernel > 1 else 1
        self.seq = nn.Sequential(
            ConvNorm(3, inner, kernel, stride),
            nn.GELU(),
            ConvNorm(inner, width, kernel, stride),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Turn (B, 3, H, W) into (B, C, h, w)."""
        out: Tensor = self.seq(image)
        return out


class ConvStageBlock(nn.Module):
    """Widen, look around, narrow; the activation follows the residual.

    Parameters
    ----------
    width, hidden : int
        Outer and inner channels.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(width, hidden)
        self.conv2 = ConvNorm(hidden, hidden, 3, groups=hidden)
        self.conv3 = ConvNorm(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        inner = F.gelu(self.conv2(F.gelu(self.conv1(x))))
        return F.gelu(x + self.conv3(inner))


class Merging(nn.Module):
    """The step from one stage to the next.

    Parameters
    ----------
    inside, outside, stride : int
        Channels before and after, and how the side shrinks.
    """

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(inside, outside)
        self.conv2 = ConvNorm(outside, outside, 3, stride, groups=outside)
        self.conv3 = ConvNorm(outside, outside)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C', H', W')."""
        out: Tensor = self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(x)))))
        return out


class BiasedAttention(nn.Module):
    """Attention within a window, with one number per head and distance.

    Parameters
    ----------
    width, heads : int
        Token width and number of heads.
    window : int
        Side of the window in tokens.
    """

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window**2))

    def forward(self, windows: Tensor) -> Tensor:
        """Attend within (B, window, window, D)."""
        tokens = self.norm(windows).flatten(1, 2)
        # each head keeps its query, key and value side by side
        split = self.qkv(tokens).reshape(*tokens.shape[:2], self.heads, -1)
        q, k, v = split.transpose(1, 2).chunk(3, dim=-1)
        out = F.scaled_dot_product_attention(q, k, v, self._bias().to(q.dtype))
        projected: Tensor = self.proj(out.transpose(1, 2).flatten(2))
        return projected.reshape(windows.shape)

    def _bias(self) -> Tensor:
        """Look up the bias of every pair of tokens, (heads, window^2, window^2)."""
        index = torch.arange(self.window, device=self.attention_biases.device)
        apart = (index[:, None] - index[None, :]).abs()
        place = apart[:, None, :, None] * self.window + apart[None, :, None, :]
        return self.attention_biases[:, place.reshape(self.window**2, -1)]


class NormedMLP(nn.Module):
    """LayerNorm and two linear layers.

    Parameters
    ----------
    width, hidden : int
        Outer and inner width.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., width) to (..., width)."""
        out: Tensor = self.fc2(F.gelu(self.fc1(self.norm(x))))
        return out


class WindowBlock(nn.Module):
    """Attention in windows, a depthwise convolution, and an MLP.

    Parameters
    ----------
    width, heads, window, hidden : int
        Token width, heads, side of a window in tokens, MLP width.
    """

    def __init__(self, width: int, heads: int, window: int, hidden: int) -> None:
        super().__init__()
        self.attn = BiasedAttention(width, heads, window)
        self.mlp = NormedMLP(width, hidden)
        self.local_conv = ConvNorm(width, width, 3, groups=width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        tokens = x.permute(0, 2, 3, 1)
        # padded before the LayerNorm inside the attention, unlike in SAM's encoder
        windows = split_windows(tokens, self.attn.window)
        attended = join_windows(self.attn(windows), self.attn.window, tokens.shape)
        mixed = self.local_conv((tokens + attended).permute(0, 3, 1, 2))
        tokens = mixed.permute(0, 2, 3, 1)
        out: Tensor = tokens + self.mlp(tokens)
        return out.permute(0, 3, 1, 2)
