"""A session is gone on with by the network that it was made with."""

from __future__ import annotations

import pytest
from tests.plugin import mouse
from tests.plugin.conftest import LEFT_DISK, RIGHT_DISK, GatedPredictor
from tests.plugin.test_reopening import opened_again
from tests.plugin.test_safekeeping import open_saved, save_as, start, wait_for_header

from napari_sam_adapter.weight_store.entries import Kind, find_entry
from napari_sam_adapter.weight_store.folder import file_sum

pytestmark = pytest.mark.slow

TOLD = "It was made with tiny and the adapter microscopy"
ON_CPU = {"device": "cpu"}


class ShippedPredictor(GatedPredictor):
    """Says that it is tiny with an adapter."""

    adapter = "microscopy"
    changed = ""

    @property
    def description(self):
        names = {Kind.MODEL: "tiny", Kind.ADAPTER: self.adapter}
        sums = {
            f"{kind.value}_sha256": file_sum(find_entry(name, kind).path) + self.changed
            for kind, name in names.items()
        }
        return {kind.value: name for kind, name in names.items()} | sums | ON_CPU


class ChangedPredictor(ShippedPredictor):
    """One whose files were others."""

    changed = "0"


class OtherPredictor(ShippedPredictor):
    """Says that it is tiny with another adapter."""

    adapter = "medical"


class OwnPredictor(GatedPredictor):
    """One of somebody's own, which is no model of ours."""

    @property
    def description(self):
        return {"name": "mine"} | ON_CPU


def made_with(make_scene, predictor):
    """Return a session that was made with a network that the user chose."""
    scene = start(make_scene, predictor=predictor)
    scene.widget.model_panel.adapter.setCurrentText(predictor.adapter)
    scene.click(LEFT_DISK)
    return scene


@pytest.mark.parametrize("way", ["open", "restore"])
def test_model_and_adapter_of_a_session_are_chosen_again(make_scene, tmp_path, way):
    scene = made_with(make_scene, ShippedPredictor())
    later = opened_again(make_scene, scene, tmp_path, way)
    panel = later.widget.model_panel
    assert (panel.model.currentText(), panel.adapter.currentText()) == (
        "tiny",
        "microscopy",
    )
    assert f"{TOLD}, which the next click uses." in later.state.message.text
    assert later.state.loaded is None
    later.click(RIGHT_DISK)
    assert (later.loads[-1].model, later.loads[-1].adapter) == ("tiny", "microscopy")


def test_files_that_were_others_are_told(make_scene, tmp_path):
    scene = made_with(make_scene, ChangedPredictor())
    later = opened_again(make_scene, scene, tmp_path, "open")
    assert later.widget.model_panel.adapter.currentText() == "none"
    assert (
        f"{TOLD}, whose files of then are not here: clicks use tiny."
        in later.state.message.text
    )


def test_a_network_in_use_gives_way_to_that_of_the_session(make_scene, tmp_path):
    scene = made_with(make_scene, ShippedPredictor())
    save_as(scene, tmp_path / "cells.session")
    later = made_with(make_scene, OtherPredictor())
    open_saved(later, tmp_path / "cells.session")
    assert later.state.model.adapter == "microscopy"
    assert TOLD in later.state.message.text
    assert later.widget.model_panel.load.text() == "Load now"
    assert len(later.loads) == 1


def test_nothing_is_said_of_a_network_that_is_in_use(make_scene, tmp_path):
    scene = made_with(make_scene, ShippedPredictor())
    save_as(scene, tmp_path / "cells.session")
    mouse.press_key(scene.viewer, "K")
    wait_for_header(scene)
    open_saved(scene, tmp_path / "cells.session")
    assert "made with" not in scene.state.message.text
    assert scene.state.loaded == scene.state.model


def test_a_session_of_a_predictor_of_ones_own_is_opened(make_scene, tmp_path):
    scene = start(make_scene, predictor=OwnPredictor())
    scene.click(LEFT_DISK)
    later = opened_again(make_scene, scene, tmp_path, "open")
    assert "Opened cells.session: 1 object." in later.state.message.text
    assert "made with" not in later.state.message.text
