"""Open napari on the sample, with one click already made."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer

from napari_sam_adapter.plugin.main_widget import SegmentAnythingWidget
from napari_sam_adapter.plugin.sample_data import nuclei
from napari_sam_adapter.sample_images import large_nucleus, nuclei_volume

if TYPE_CHECKING:
    import napari

    from napari_sam_adapter.image_io.series.series import Series
    from napari_sam_adapter.plugin.network.network_loading import Loader


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
    viewer.dims.set_current_step(0, _nucleus()[0])
    widget = SegmentAnythingWidget(viewer, load)
    viewer.window.add_dock_widget(widget, name="Segment Anything", area="right")
    widget.controller.use_points()
    return widget


def click_on_nucleus(widget: SegmentAnythingWidget) -> tuple[int, int, int]:
    """Put a point on a nucleus, as a mouse click does; the mask follows by itself.

    Parameters
    ----------
    widget : SegmentAnythingWidget
        From `open_sample`.

    Returns
    -------
    (int, int, int)
        Its slice, row and column.
    """
    workspace = widget.controller.workspace
    assert workspace is not None  # open_sample made it
    assert workspace.layers.points is not None
    nucleus = _nucleus()
    workspace.layers.points.add(nucleus)
    return nucleus


def run_demo() -> None:
    """Open the sample in napari, click on a nucleus and hand over to the user."""
    import napari

    viewer = napari.Viewer(title="napari-sam-adapter demo")
    click_on_nucleus(open_sample(viewer))
    QTimer.singleShot(0, viewer.reset_view)  # the panel takes room from the canvas
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


@cache
def _nucleus() -> tuple[int, int, int]:
    _, labels = nuclei_volume()
    voxel, _ = large_nucleus(labels)
    return voxel
