"""torch comes without holding up the window; each in a fresh process."""

import subprocess
import sys

import pytest

BEGIN = """
import gc, sys
from pathlib import Path
from napari_sam_adapter.plugin.torch_import import torch_on_its_way
"""
COLLECTIONS = """
whole = []
gc.callbacks.append(lambda phase, info: whole.append(info["generation"] == 2))
with torch_on_its_way():
    import torch
    assert not any(whole), "all objects were looked at"
    new = gc.get_count()[0]
assert new > 10_000
assert gc.isenabled() and gc.get_count()[0] < 10_000, "the new ones are looked at next"
assert not gc.get_freeze_count()
assert float(torch.ones(2).sum()) == 2
"""
LIBRARIES = """
with torch_on_its_way():
    assert "torch" not in sys.modules
    assert "libtorch_python" in Path("/proc/self/maps").read_text()
"""
FAILURE = """
gc.disable()
try:
    with torch_on_its_way():
        raise ImportError
except ImportError:
    pass
assert not gc.isenabled(), "somebody else had turned it off"
gc.enable()
try:
    with torch_on_its_way():
        raise ImportError
except ImportError:
    pass
assert gc.isenabled()
"""
MISSING = """
sys.path[:] = [path for path in sys.path if not (Path(path) / "torch").exists()]
with torch_on_its_way():
    try:
        import torch
    except ImportError:
        print("the import tells it")
"""


def run(code: str) -> str:
    command = [sys.executable, "-c", BEGIN + code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    return done.stdout


def test_no_collection_looks_at_all_objects_meanwhile():
    run(COLLECTIONS)


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux says is mapped")
def test_libraries_are_there_before_the_import():
    run(LIBRARIES)


def test_collections_go_on_after_a_failure():
    run(FAILURE)


def test_a_missing_torch_is_told_by_the_import():
    assert "the import tells it" in run(MISSING)
