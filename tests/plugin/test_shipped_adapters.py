from __future__ import annotations

import pytest
from tests.plugin.conftest import disks

from napari_sam_adapter.model.variants import ADAPTERS
from napari_sam_adapter.plugin.network.network_loading import load_from_disk


@pytest.mark.parametrize("name", list(ADAPTERS))
def test_a_shipped_adapter_is_chosen_by_name_and_loads(make_scene, name):
    scene = make_scene(disks())
    scene.widget.model_panel.adapter.setCurrentText(name)
    scene.widget.model_panel.load.click()
    scene.qtbot.waitUntil(lambda: bool(scene.loads))
    scene.settle()
    chosen = scene.loads[-1]
    assert (chosen.model, chosen.adapter) == ("tiny", name)
    predictor = load_from_disk(chosen)
    assert predictor.description["adapter"] == name


def test_an_adapter_of_another_model_goes_and_comes_back_with_its_model(make_scene):
    scene = make_scene(disks())
    panel, told = scene.widget.model_panel, []
    panel.adapter.setCurrentText("microscopy")
    panel.model_chosen.connect(told.append)
    panel.model.setCurrentText("vit_b")
    assert [(one.model, one.adapter) for one in told] == [("vit_b", None)]
    panel.model.setCurrentText("tiny")
    assert [(one.model, one.adapter) for one in told[1:]] == [("tiny", "microscopy")]
    panel.adapter.setCurrentText("none")
    panel.model.setCurrentText("vit_b")
    panel.model.setCurrentText("tiny")
    assert panel.choice().adapter is None


def test_adapters_of_another_model_cannot_be_chosen(make_scene):
    panel = make_scene(disks()).widget.model_panel
    row = panel.adapter.findData("microscopy")

    def offered():
        item = panel.adapter.model().item(row)
        return item.text(), item.isEnabled()

    assert offered() == ("microscopy", True)
    panel.model.setCurrentText("vit_b")
    assert offered() == ("microscopy (for tiny)", False)
    panel.model.add_file("/somewhere/a_copy_of_tiny.safetensors")
    assert offered() == ("microscopy", True)
    panel.model.setCurrentText("tiny")
    assert offered() == ("microscopy", True)
