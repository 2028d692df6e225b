"""What napari's first Labels layer needs is there before it is made."""

import subprocess
import sys

CODE = """
import sys, threading
import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels
from napari_sam_adapter.plugin.viewing.early_imports import begin_early_imports
from qtpy.QtCore import QCoreApplication

application = QCoreApplication([])
ViewerModel().add_image(np.zeros((4, 4)))
assert "pandas" not in sys.modules
begin_early_imports()
for thread in threading.enumerate():
    if thread.name == "early imports":
        thread.join()
before = set(sys.modules)
Labels(np.zeros((4, 4), np.uint8), name="masks")
begin_early_imports()
assert not any(thread.name == "early imports" for thread in threading.enumerate())
print(*(set(sys.modules) - before))
"""


def test_the_first_labels_layer_imports_next_to_nothing():
    command = [sys.executable, "-W", "ignore", "-c", CODE]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(done.stdout.split()) < 20, done.stdout
