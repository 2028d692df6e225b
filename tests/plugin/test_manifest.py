from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from npe2 import PluginManifest

import napari_sam_adapter
from napari_sam_adapter.plugin.actions import ACTIONS

MANIFEST = Path(napari_sam_adapter.__file__).with_name("napari.yaml")
TAKEN_BY_NAPARI = set("ABCDEFILMOPRSTVXYZ")


@pytest.fixture(scope="module")
def manifest():
    return PluginManifest.from_file(MANIFEST)


def test_every_name_in_the_manifest_can_be_imported(manifest):
    manifest.validate_imports()
    assert manifest.name == "napari-sam-adapter"
    assert manifest.display_name == "SAM Adapter"


def test_samples_open_with_scale_units_and_axis_labels(manifest):
    commands = {command.id: command for command in manifest.contributions.commands}
    for sample in manifest.contributions.sample_data:
        module, name = commands[sample.command].python_name.split(":")
        ((data, options, kind),) = getattr(__import__(module, fromlist=[name]), name)()
        assert kind == "image"
        assert len(options["scale"]) == data.ndim
        assert len(options["units"]) == data.ndim
        assert len(options["axis_labels"]) == data.ndim


OPEN_THE_WIDGET = """
import sys
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication
import napari_sam_adapter.plugin.demo
from napari_sam_adapter.plugin.main_widget import SegmentAnythingWidget
app = QApplication([])
widget = SegmentAnythingWidget(ViewerModel())
sys.exit("torch" in sys.modules)
"""


def test_opening_the_widget_loads_no_torch():
    subprocess.run([sys.executable, "-c", OPEN_THE_WIDGET], check=True)


def test_no_key_is_used_twice_or_belongs_to_napari():
    keys = [action.key for action in ACTIONS.values() if action.key]
    assert len(keys) == len(set(keys))
    assert not {key for key in keys if len(key) == 1} & TAKEN_BY_NAPARI
