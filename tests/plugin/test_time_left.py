from __future__ import annotations

import pytest

from napari_sam_adapter.plugin.state import Progress
from napari_sam_adapter.plugin.viewing.time_left import TimeLeft


def test_time_left_follows_the_pace():
    left = TimeLeft()
    assert left.update(Progress(0, 10), now=100.0) is None
    assert left.update(Progress(2, 10), now=104.0) == pytest.approx(16)
    assert left.update(Progress(3, 10), now=106.0) == pytest.approx(14)
    assert left.update(Progress(10, 10), now=110.0) is None


def test_a_slow_beginning_is_forgotten():
    left = TimeLeft()
    left.update(Progress(0, 100), now=0.0)
    assert left.update(Progress(1, 100), now=60.0) == pytest.approx(60 * 99)
    assert left.update(Progress(2, 100), now=62.0) == pytest.approx(2 * 98)
    for done in range(3, 11):
        seconds = left.update(Progress(done, 100), now=58.0 + 2 * done)
        assert seconds == pytest.approx(2 * (100 - done))


def test_work_that_begins_in_the_middle_is_not_thought_quick():
    left = TimeLeft()
    left.update(Progress(50, 100), now=0.0)
    assert left.update(Progress(51, 100), now=2.0) == pytest.approx(98)


def test_other_work_begins_anew():
    left = TimeLeft()
    left.update(Progress(0, 10), now=0.0)
    left.update(Progress(9, 10), now=1.0)
    assert left.update(Progress(1, 10), now=50.0) is None
    assert left.update(Progress(2, 20), now=60.0) is None
