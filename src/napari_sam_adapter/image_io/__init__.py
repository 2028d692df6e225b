"""Open images and volumes lazily; save labels whole or not at all."""

from napari_sam_adapter.image_io.files.opening import (
    open_image,
    open_labels,
    save_labels,
)
from napari_sam_adapter.image_io.image.opened_image import OpenedImage
from napari_sam_adapter.image_io.labels.exporting import export_labels

__all__ = ["OpenedImage", "export_labels", "open_image", "open_labels", "save_labels"]
