"""Import what napari's first Labels layer needs before the user waits for it."""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
from importlib import import_module

from superqt.utils import ensure_main_thread

TABLES, COLOURS = "pandas", "skimage.color"


def begin_early_imports() -> None:
    """Import on a thread, while the user looks at the panel: it takes some 0.2 s."""
    if TABLES not in sys.modules:
        threading.Thread(target=_import, name="early imports", daemon=True).start()


def _import() -> None:
    with contextlib.suppress(ImportError, AttributeError):  # another napari's needs
        import_module(TABLES)
        _ = import_module(COLOURS).lab2rgb  # which imports the rest
    with contextlib.suppress(AttributeError, RuntimeError):  # the application is gone
        _search_for_garbage()


@ensure_main_thread
def _search_for_garbage() -> None:
    """Do what Python would soon do because so much is new: under the first tool.

    On the main thread, because what is found may be of Qt.
    """
    gc.collect()
