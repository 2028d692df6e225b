"""Keeps napari alive when layers go: vispy deletes programs that are still in use.

OpenGL keeps a program in use until another one is; vispy deletes it and goes on as if
it were still there, and one of the next frames can end the process. Seen with vispy
0.17 and Mesa whenever an image, points and shapes are removed and made again, without
this plugin, too.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import Any


@cache
def let_go_of_freed_programs() -> None:
    """See to it that a program is no longer in use when it is deleted.

    Without a vispy that has such programs nothing is done.
    """
    with suppress(ImportError, AttributeError):
        _mend()


def _mend() -> None:
    from vispy.gloo.glir import GlirProgram

    delete = GlirProgram.delete

    def let_go_and_delete(program: Any) -> None:
        program.deactivate()
        delete(program)

    GlirProgram.delete = let_go_and_delete
