"""Images with reference labels, for training and evaluation; NumPy only."""

from napari_sam_adapter.datasets.opening import open_dataset
from napari_sam_adapter.datasets.reference import BrokenPair, Dataset, Pair, Reference

__all__ = ["BrokenPair", "Dataset", "Pair", "Reference", "open_dataset"]
