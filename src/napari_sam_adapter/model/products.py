"""Matrix products by whichever library is faster on this CPU."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

_SIDE, _ROUNDS, _WORTH_IT = 512, 12, 1.2


def product(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, room: Tensor | None = None
) -> Tensor:
    """Return ``x @ weight.T + bias``, without gradients.

    Parameters
    ----------
    x : (N, A) tensor
        Rows on the CPU.
    weight : (B, A) tensor
        Of the same number format.
    bias : (B,) tensor or None
        Added to every row.
    room : (N, B) tensor or None
        Where MKL puts the answer; the numbers of a row lie together in memory.

    Returns
    -------
    (N, B) tensor
        `room` or a new one.
    """
    if _is_for_onednn(x):
        return _onednn(x, weight, bias)
    if room is None:
        return F.linear(x, weight, bias)
    if bias is None:
        return torch.mm(x, weight.T, out=room)
    return torch.addmm(bias, x, weight.T, out=room)


def gelu_of_product(
    x: Tensor, weight: Tensor, bias: Tensor, room: Tensor | None = None
) -> Tensor:
    """Return ``gelu(x @ weight.T + bias)``, without gradients.

    Parameters
    ----------
    x, weight, bias, room
        See `product`.

    Returns
    -------
    (N, B) tensor
        `room` or, by oneDNN, which does all of it in one pass, a new one.
    """
    if _is_for_onednn(x):
        return _onednn(x, weight, bias, "gelu")
    out = product(x, weight, bias, room)
    torch.ops.aten.gelu_(out)
    return out


def product_into(out: Tensor, x: Tensor, weight: Tensor) -> None:
    """Write what `product` returns.

    Parameters
    ----------
    out : (N, B) tensor
        Where to; the numbers of a row lie together in memory.
    x, weight
        See `product`.
    """
    made = product(x, weight, room=out)
    if made is not out:
        out.copy_(made)


def add_product(out: Tensor, x: Tensor, weight: Tensor) -> None:
    """Add what `product` returns.

    Parameters
    ----------
    out : (N, B) tensor
        What to add to; the numbers of a row lie together in memory.
    x, weight
        See `product`.
    """
    if _is_for_onednn(x):
        out += _onednn(x, weight)
    else:
        out.addmm_(x, weight.T)


def projected(layer: nn.Linear, x: Tensor) -> Tensor:
    """Apply a linear layer; by `product` where that gives the same.

    Parameters
    ----------
    layer : nn.Linear
        Plain or not, with gradients or without.
    x : (..., A) tensor
        On any device, in any number format.

    Returns
    -------
    (..., B) tensor
        A new one.
    """
    if not is_plain(layer, x):
        out: Tensor = layer(x)
        return out
    rows = product(x.reshape(-1, x.shape[-1]), layer.weight, layer.bias)
    return rows.view(*x.shape[:-1], -1)


def projected_columns(layer: nn.Linear, x: Tensor) -> Tensor:
    """Apply a linear layer to columns, without turning them into rows first.

    Parameters
    ----------
    layer : nn.Linear
        As in `projected`.
    x : (B, A, N) tensor
        As there.

    Returns
    -------
    (B, N, C) tensor
        ``layer(x.transpose(1, 2))``.
    """
    if not is_plain(layer, x):
        out: Tensor = layer(x.transpose(1, 2))
        return out
    columns = torch.stack([product(layer.weight, one.T) for one in x])
    return columns.transpose(1, 2) + layer.bias


def is_plain(layer: nn.Module, x: Tensor) -> bool:
    """Tell whether `product` may stand for a layer.

    Parameters
    ----------
    layer : nn.Module
        The layer.
    x : tensor
        Its input.

    Returns
    -------
    bool
        True for an `nn.Linear` in inference mode and float32 on the CPU.
    """
    return (
        torch.is_inference_mode_enabled()
        and type(layer) is nn.Linear
        and x.device.type == "cpu"
        and x.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
    )


@cache
def onednn_pays() -> bool:
    """Measure once whether oneDNN multiplies float32 matrices faster than `F.linear`.

    Returns
    -------
    bool
        True if at least 1.2 times faster. PyTorch multiplies float32 matrices with
        MKL, which leaves half of an AMD processor unused. Takes some 30 ms.
    """
    if not _has_onednn():
        return False
    # in turn: the first products of a process wait for threads and for the clock rate
    seconds = [(_seconds(F.linear), _seconds(_onednn)) for _ in range(_ROUNDS)]
    by_onednn = min(other for _, other in seconds)
    return min(plain for plain, _ in seconds) > _WORTH_IT * by_onednn


def _is_for_onednn(x: Tensor) -> bool:
    return _multiplies_bfloat16() if x.dtype == torch.bfloat16 else onednn_pays()


@cache
def _multiplies_bfloat16() -> bool:
    # F.linear has oneDNN multiply bfloat16, too, but puts the bias there first
    return _has_onednn() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _has_onednn() -> bool:
    return (
        hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    )


def _onednn(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, then: str = "none"
) -> Tensor:
    out: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, then, [], "none")
    return out


def _seconds(multiply: Callable[[Tensor, Tensor], Tensor]) -> float:
    """Return the time of a product."""
    square = torch.ones(_SIDE, _SIDE)
    started = time.perf_counter()
    multiply(square, square)
    return time.perf_counter() - started
