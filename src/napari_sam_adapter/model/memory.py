"""Errors that mean that memory ran out, on any device."""

from __future__ import annotations

import torch

_PHRASES = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "cannot allocate memory",
    "alloc_failed",  # of the libraries for products and transforms
    "unable to find a valid cudnn algorithm",
)


def tells_of_memory(error: Exception) -> bool:
    """Return whether an error means that memory ran out.

    Parameters
    ----------
    error : Exception
        Raised by PyTorch, or by Python.

    Returns
    -------
    bool
        Only Python and CUDA have a class for it; others say it in words.
    """
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    words = str(error).lower()
    return any(phrase in words for phrase in _PHRASES)
