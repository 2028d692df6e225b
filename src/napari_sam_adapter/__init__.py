"""Segment Anything with a SAM-Adapter on 2-D slices of nD images.

The names below are loaded on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_ROOMS = {
    "CT_WINDOWS": "intensity",
    "Capabilities": "predictions",
    "Change": "volume.changes",
    "Dataset": "datasets",
    "Difference": "evaluation.results",
    "Doubt": "volume.review",
    "EmbeddingStore": "volume.embedding_store",
    "Evaluation": "evaluation.results",
    "EverythingSettings": "inference.everything",
    "FollowRule": "follow_rule",
    "FoundSamples": "training.reading",
    "ImageEmbedding": "inference.embedding",
    "IntensityMapping": "intensity",
    "Interactive": "evaluation.protocols",
    "LockObject": "volume.object_edits",
    "MaskCandidate": "predictions",
    "MaskPrediction": "predictions",
    "MeasurementTable": "volume.measuring",
    "Measuring": "volume.measuring",
    "MergeObjects": "volume.object_edits",
    "OpenedImage": "image_io",
    "Plane": "volume.planes",
    "PlaneResult": "volume.results",
    "Polygon": "drawings",
    "Predictor": "predictions",
    "PromptFree": "evaluation.protocols",
    "Prompts": "prompts",
    "Propagation": "evaluation.protocols",
    "PropagationSettings": "volume.propagation_request",
    "Reference": "datasets",
    "ReleasePaint": "volume.edits",
    "RenameObject": "volume.object_edits",
    "ReopenObject": "volume.object_edits",
    "SamAdapterError": "errors",
    "SamPredictor": "inference.predictor",
    "Sample": "training.samples",
    "Scribble": "drawings",
    "SearchedPlane": "volume.volume_search",
    "Session": "volume.session",
    "SetClass": "volume.object_edits",
    "SetOverlapRule": "volume.object_edits",
    "SplitObject": "volume.object_edits",
    "StopRule": "volume.stop_rule",
    "TidyObject": "volume.object_edits",
    "TrainingConfig": "training.config",
    "TrainingProgress": "training.progress",
    "UnlockObject": "volume.object_edits",
    "Validation": "training.progress",
    "Volume": "volume.planes",
    "compare": "evaluation.results",
    "evaluate": "evaluation.evaluating",
    "export_labels": "image_io",
    "find_in_volume": "volume.volume_search",
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
