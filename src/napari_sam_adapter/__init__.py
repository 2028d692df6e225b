"""Segment Anything with a SAM-Adapter on 2-D slices of nD images.

The names below are loaded on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_ROOMS = {
    "CT_WINDOWS": "intensity",
    "EmbeddingStore": "volume.embedding_store",
    "EverythingSettings": "inference.everything",
    "FollowRule": "follow_rule",
    "IntensityMapping": "intensity",
    "Interactive": "evaluation.protocols",
    "Measuring": "volume.measuring",
    "Plane": "volume.planes",
    "Polygon": "drawings",
    "PromptFree": "evaluation.protocols",
    "Propagation": "evaluation.protocols",
    "PropagationSettings": "volume.propagation_request",
    "Prompts": "prompts",
    "SamAdapterError": "errors",
    "SamPredictor": "inference.predictor",
    "Scribble": "drawings",
    "Session": "volume.session",
    "StopRule": "volume.stop_rule",
    "TrainingConfig": "training.config",
    "Volume": "volume.planes",
    "compare": "evaluation.results",
    "evaluate": "evaluation.evaluating",
    "export_labels": "image_io",
    "find_objects": "volume.finding",
    "find_samples": "training.reading",
    "load_predictor": "inference.loading",
    "measure": "volume.measuring",
    "methods_sentence": "volume.methods",
    "open_dataset": "datasets",
    "open_image": "image_io",
    "open_session": "volume.session_folder",
    "propagate": "volume.propagation",
    "replay": "volume.journal",
    "samples_from_arrays": "training.array_samples",
    "save_labels": "image_io",
    "save_session": "volume.session_folder",
    "segment_everything": "inference.everything",
    "segment_semantic": "inference.semantic",
    "train_adapter": "training.adapter_training",
}

__all__ = ["__version__", *sorted(_ROOMS)]


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_ROOMS[name]}")
    return getattr(module, name)


def __dir__() -> list[str]:
    return __all__
