"""Import what napari's first Labels layer needs before the user waits for it."""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
from importlib import import_module

TABLES, COLOURS = "pandas", "skimage.color"


def begin_early_imports() -> None:
    """Import on a thread, while the user looks at the panel: it takes some 0.2 s."""
    if TABLES not in sys.modules:
        threading.Thread(target=_import, name="early imports", daemon=True).start()


def _import() -> None:
    with contextlib.suppress(ImportError, AttributeError):  # another napari's needs
        import_module(TABLES)
        _ = import_module(COLOURS).lab2rgb  # which imports the rest
    gc.collect()  # Python would soon do it because so much is new: under the first tool
