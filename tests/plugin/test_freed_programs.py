"""napari outlives layers that go and come back, in a process of its own: it crashed."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

SCRIPT = """
import numpy as np, napari
from qtpy.QtTest import QTest
from napari_sam_adapter.plugin.viewing.freed_programs import let_go_of_freed_programs

let_go_of_freed_programs()
viewer = napari.Viewer()

def add_and_draw():
    viewer.add_image(np.zeros((60, 60), np.uint8))
    QTest.qWait(300)
    viewer.add_shapes(ndim=2)
    viewer.add_points([[30, 30]])
    QTest.qWait(500)

add_and_draw()
viewer.layers.clear()
QTest.qWait(300)
add_and_draw()
viewer.close()
"""


def test_layers_that_go_do_not_take_napari_with_them() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True)
    assert done.returncode == 0, done.stderr[-2000:]
