"""Open images and volumes lazily; save labels whole or not at all."""

from napari_sam_adapter.image_io.exporting import export_labels
from napari_sam_adapter.image_io.formats import open_image, open_labels, save_labels
from napari_sam_adapter.image_io.opened_image import OpenedImage

__all__ = ["OpenedImage", "export_labels", "open_image", "open_labels", "save_labels"]
