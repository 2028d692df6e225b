"""Import torch on a worker while the window goes on.

Two things hold Python's lock for long while torch is imported: the system maps and
links some hundred megabytes of libraries, and Python looks through all its objects
again and again because so many are new. The first can be done ahead without the lock,
and the second left out, because next to nothing that is imported is garbage.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LIBRARIES = ("torch_global_deps", "RTLD_GLOBAL"), ("torch_python", "RTLD_LOCAL")
"""What torch links first and last, with its modes; all others come with them."""


@contextlib.contextmanager
def torch_on_its_way() -> Iterator[None]:
    """Let other threads go on while torch, and what needs it, is imported inside.

    Yields
    ------
    None
        Once torch's libraries are in memory, if they could be found.
    """
    if "torch" in sys.modules:
        yield
        return
    with contextlib.suppress(OSError):  # then the import tells what is wrong
        _link_libraries()
    with no_collections():
        yield


def _link_libraries() -> None:
    # A function called through ctypes, as dlopen here, runs without Python's lock. On
    # Windows torch does the same by itself.
    spec = find_spec("torch")
    if sys.platform == "win32" or spec is None or spec.origin is None:
        return
    folder = Path(spec.origin).parent / "lib"
    suffix = ".dylib" if sys.platform == "darwin" else ".so"
    dlopen = ctypes.CDLL(None).dlopen
    dlopen.argtypes, dlopen.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
    for name, mode in LIBRARIES:
        path = folder / f"lib{name}{suffix}"
        if path.exists():
            dlopen(os.fsencode(path), os.RTLD_NOW | getattr(os, mode))


@contextlib.contextmanager
def no_collections() -> Iterator[None]:
    """Keep Python from looking for garbage, and from looking at what is new at once.

    Yields
    ------
    None
        For an import of very much: with it everything begins to count as old.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():  # else somebody wants to keep some apart
            gc.freeze()
            gc.unfreeze()  # everything counts as old now
        gc.enable()
