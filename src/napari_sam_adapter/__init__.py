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
    "Change": "volume.document.changes",
    "Dataset": "datasets",
    "Difference": "evaluation.results",
    "Doubt": "volume.session.review",
    "EmbeddingStore": "volume.embeddings.embedding_store",
    "Evaluation": "evaluation.results",
    "EverythingSettings": "inference.whole_planes.everything",
    "FollowRule": "follow_rule",
    "FoundSamples": "training.samples.reading",
    "ImageEmbedding": "inference.network.embedding",
    "IntensityMapping": "intensity",
    "Interactive": "evaluation.protocols",
    "LockObject": "volume.document.object_edits",
    "MaskCandidate": "predictions",
    "MaskPrediction": "predictions",
    "MeasurementTable": "volume.measuring.measurement_table",
    "Measuring": "volume.measuring.measuring",
    "MergeObjects": "volume.document.object_edits",
    "OpenedImage": "image_io",
    "Plane": "volume.planes.planes",
    "PlaneResult": "volume.asking.results",
    "Polygon": "drawings",
    "Predictor": "predictions",
    "PromptFree": "evaluation.protocols",
    "PromptTable": "volume.asking.prompt_table",
    "Prompts": "prompts",
    "Propagation": "evaluation.protocols",
    "PropagationSettings": "volume.propagation.propagation_request",
    "Reference": "datasets",
    "ReleasePaint": "volume.document.edits",
    "RenameObject": "volume.document.object_edits",
    "ReopenObject": "volume.document.object_edits",
    "SamAdapterError": "errors",
    "SamPredictor": "inference.predictor.predictor",
    "Sample": "training.samples.samples",
    "Scribble": "drawings",
    "SearchedPlane": "volume.finding.volume_search",
    "Session": "volume.session.session",
    "SetClass": "volume.document.object_edits",
    "SetOverlapRule": "volume.document.object_edits",
    "SplitObject": "volume.document.object_edits",
    "StopRule": "volume.propagation.stop_rule",
    "TidyObject": "volume.document.object_edits",
    "TrainingConfig": "training.recipes.config",
    "TrainingProgress": "training.progress.progress",
    "UnlockObject": "volume.document.object_edits",
    "Validation": "training.progress.progress",
    "Volume": "volume.planes.planes",
    "add_prompts": "volume.session.adding_prompts",
    "compare": "evaluation.results",
    "evaluate": "evaluation.evaluating",
    "export_labels": "image_io",
    "find_in_volume": "volume.finding.volume_search",
    "find_objects": "volume.finding.finding",
    "find_samples": "training.samples.reading",
    "load_predictor": "inference.predictor.loading",
    "measure": "volume.measuring.measuring",
    "methods_sentence": "volume.saving.methods",
    "open_dataset": "datasets",
    "open_image": "image_io",
    "open_session": "volume.saving.session_folder",
    "propagate": "volume.propagation.propagation",
    "read_prompts": "volume.asking.prompt_table",
    "replay": "volume.saving.replaying",
    "samples_from_arrays": "training.samples.array_samples",
    "save_labels": "image_io",
    "save_session": "volume.saving.session_folder",
    "segment_everything": "inference.whole_planes.everything",
    "segment_semantic": "inference.whole_planes.semantic",
    "train_adapter": "training.runs.adapter_training",
}

__all__ = ["__version__", *sorted(_ROOMS)]


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_ROOMS[name]}")
    return getattr(module, name)


def __dir__() -> list[str]:
    return __all__
