"""Open napari on the sample, with one click already made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_adapter.plugin.main_widget import SegmentAnythingWidget
from napari_sam_adapter.plugin.sample_data import nuclei

if TYPE_CHECKING:
    import napari
    import numpy.typing as npt

    from napari_sam_adapter.image_io.series import Series
    from napari_sam_adapter.plugin.network_loading import Loader


def open_sample(
    viewer: napari.Viewer, load: Loader | None = None
) -> SegmentAnythingWidget:
    """Show the nuclei and dock the widget with the point tool in hand.

    Parameters
    ----------
    viewer : napari.Viewer
        An empty viewer.
    load : callable or None
        Makes the predictor.

    Returns
    -------
    SegmentAnythingWidget
        The docked widget.
    """
    data, options, _ = nuclei()[0]
    viewer.add_image(data, **options)
    viewer.dims.set_current_step(0, data.shape[0] // 2)
    widget = SegmentAnythingWidget(viewer, load)
    viewer.window.add_dock_widget(widget, name="Segment Anything", area="right")
    widget.controller.use_points()
    return widget


def click_on_nucleus(widget: SegmentAnythingWidget) -> tuple[float, ...]:
    """Put a point on a nucleus, as a mouse click does; the mask follows by itself.

    Parameters
    ----------
    widget : SegmentAnythingWidget
        From `open_sample`.

    Returns
    -------
    tuple of float
        The point, (z, row, column).
    """
    workspace = widget.controller.workspace
    assert workspace is not None  # open_sample made it
    assert workspace.layers.points is not None
    plane = workspace.plane_in_view()
    point = (*plane.position, *_brightest(workspace.image.data[plane.index()]))
    workspace.layers.points.add(point)
    return point


def run_demo() -> None:
    """Open the sample in napari, click on a nucleus and hand over to the user."""
    import napari

    viewer = napari.Viewer(title="napari-sam-adapter demo")
    click_on_nucleus(open_sample(viewer))
    napari.run()


def run_series(series: Series) -> None:
    """Open napari on a series of images and hand over to the user.

    Parameters
    ----------
    series : Series
        Begun anew, or left earlier.
    """
    import napari

    viewer = napari.Viewer(title="napari-sam-adapter")
    widget = SegmentAnythingWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Segment Anything", area="right")
    widget.series.open(series)
    napari.run()


def _brightest(pixels: npt.NDArray[np.generic]) -> tuple[float, float]:
    # The middle of the brightest spot of a plane.
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(pixels.astype(float), 6)
    row, column = np.unravel_index(smooth.argmax(), smooth.shape)
    return float(row), float(column)
