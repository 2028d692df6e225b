from __future__ import annotations

import runpy
from pathlib import Path

import napari
import pytest
from tests import fakes
from tests.fakes import DiskPredictor
from tests.plugin.conftest import disks

from napari_sam_adapter.image_io.files.opening import save_labels
from napari_sam_adapter.image_io.series.series import Series
from napari_sam_adapter.plugin.demo import click_on_nucleus, open_sample, run_series
from napari_sam_adapter.plugin.state import Phase

EXAMPLE = Path(__file__).parents[2] / "examples" / "segment_in_napari.py"


def test_demo_segments_a_nucleus_on_the_plane_in_view(
    make_napari_viewer, qtbot, monkeypatch
):
    monkeypatch.setattr(fakes, "BRIGHT", 60)  # nuclei are darker than its disks
    widget = open_sample(make_napari_viewer(), lambda choice: DiskPredictor())
    plane, *_ = click_on_nucleus(widget)
    qtbot.waitUntil(lambda: widget.state.phase is Phase.READY)
    labels = widget.controller.workspace.session.labels
    assert labels[int(plane)].any()
    assert widget.state.score == pytest.approx(0.9)
    widget.stop()


def test_example_loads_the_shipped_network_and_clicks(
    make_napari_viewer, monkeypatch, qtbot
):
    viewers = []

    def make_viewer(**options):
        viewers.append(make_napari_viewer(**options))
        return viewers[0]

    def run():
        (widget,) = viewers[0].window.dock_widgets.values()
        qtbot.waitUntil(lambda: widget.state.score is not None, timeout=60_000)
        widget.stop()

    monkeypatch.setattr(napari, "Viewer", make_viewer)
    monkeypatch.setattr(napari, "run", run)
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    assert len(viewers) == 1


def test_annotate_opens_the_series_where_it_was_left(
    make_napari_viewer, monkeypatch, qtbot, tmp_path
):
    for name in ("a.tif", "b.tif"):
        save_labels(tmp_path / name, disks())
    Series.of_folder(tmp_path).move_to(1)
    viewers = []

    def make_viewer(**options):
        viewers.append(make_napari_viewer(**options))
        return viewers[0]

    def run():
        (widget,) = viewers[0].window.dock_widgets.values()
        qtbot.waitUntil(lambda: widget.state.image is not None)
        assert widget.state.image.name == "b.tif"
        widget.stop()

    monkeypatch.setattr(napari, "Viewer", make_viewer)
    monkeypatch.setattr(napari, "run", run)
    run_series(Series.of_folder(tmp_path))
    assert len(viewers) == 1
