"""Segment Anything with a SAM-Adapter on 2-D slices of nD images.

The names below are loaded on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_ROOMS = {
    "EmbeddingStore": "volume.embedding_store",
    "FollowRule": "volume.follow_rule",
    "Plane": "volume.planes",
    "PropagationSettings": "volume.propagation_request",
    "Prompts": "prompts",
    "SamPredictor": "inference.predictor",
    "Scribble": "prompts",
    "Session": "volume.session",
    "StopRule": "volume.stop_rule",
    "Volume": "volume.planes",
    "load_predictor": "inference.loading",
    "open_image": "image_io",
    "propagate": "volume.propagation",
    "replay": "volume.journal",
    "save_labels": "image_io",
}

__all__ = ["__version__", *sorted(_ROOMS)]


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_ROOMS[name]}")
    return getattr(module, name)


def __dir__() -> list[str]:
    return __all__
