"""Warnings are silent while anybody asks for it, and heard again after."""

from __future__ import annotations

import os
import sys
import warnings
from threading import Thread

import pytest

from napari_sam_adapter.quiet import without_warnings


def test_filters_come_back_when_the_last_thread_is_done() -> None:
    before = list(warnings.filters)
    first, second = without_warnings(), without_warnings()
    first.__enter__()
    other = Thread(target=second.__enter__)
    other.start()
    other.join()
    first.__exit__(None, None, None)
    warnings.warn("not heard", stacklevel=1)
    second.__exit__(None, None, None)
    assert warnings.filters == before
    with pytest.warns(UserWarning, match="heard"):
        warnings.warn("heard", stacklevel=1)


def test_an_error_does_not_leave_them_silent() -> None:
    before = list(warnings.filters)
    with pytest.raises(ValueError, match="broken"), without_warnings():
        raise ValueError("broken")
    assert warnings.filters == before


@pytest.mark.skipif(sys.platform == "win32", reason="has no fork")
def test_a_process_that_is_forked_meanwhile_hears_warnings() -> None:
    before = list(warnings.filters)
    with without_warnings():
        if not (child := os.fork()):
            os._exit(warnings.filters != before)
        assert os.waitpid(child, 0)[1] == 0
