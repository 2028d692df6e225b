import signal
import sys
import threading
from collections.abc import Iterator

import pytest
import torch

from napari_sam_adapter.inference.network.lanes import MOST, lanes_for, side_by_side


@pytest.fixture(params=[2, 5])
def processors(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def in_a_new_thread(ask):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(ask()))
    thread.start()
    thread.join()
    return answers[0]


def test_every_object_has_its_answer_and_every_thread_its_kit(processors):
    lanes = lanes_for(9)
    assert lanes == min(processors, MOST)
    together = threading.Barrier(lanes)

    def work(kit: list[int], number: int) -> tuple[int, int, bool]:
        if number < lanes:
            together.wait(10)  # all of them at once
        kit.append(number)
        return number, torch.get_num_threads(), torch.is_inference_mode_enabled()

    kits: list[list[int]] = [[] for _ in range(lanes)]
    with torch.inference_mode():
        found = side_by_side(work, 9, kits)
    assert [number for number, _, _ in found] == list(range(9))
    assert sorted(number for kit in kits for number in kit) == list(range(9))
    assert {own for _, own, _ in found[:-1]} == {processors // lanes}
    assert found[-1][1] == processors  # it would have been alone in its round
    assert all(inside for _, _, inside in found)


def test_other_threads_keep_their_processors(processors):
    side_by_side(lambda kit, number: number, 3, [None, None])
    assert torch.get_num_threads() == processors
    assert in_a_new_thread(torch.get_num_threads) == processors


@pytest.mark.usefixtures("processors")
def test_nobody_is_at_work_any_more_when_one_object_fails():
    failed, finished = threading.Event(), []

    def work(kit: None, number: int) -> None:
        if number == 0:
            failed.set()
            raise RuntimeError("no memory")
        failed.wait(10)
        finished.append(number)

    with pytest.raises(RuntimeError, match="no memory"):
        side_by_side(work, 4, [None, None])
    assert finished == [1, 3]


@pytest.mark.skipif(sys.platform == "win32", reason="no signals to a thread")
@pytest.mark.usefixtures("processors", "interruptible")
def test_nobody_is_at_work_any_more_after_an_interruption():
    begun, finished, main = [], [], threading.main_thread().ident

    def work(kit: None, number: int) -> None:
        begun.append(number)
        threading.Event().wait(0.05)  # all of them are waited for by now
        if number == 0:
            signal.pthread_kill(main, signal.SIGINT)  # Ctrl+C
        finished.append(number)

    with pytest.raises(KeyboardInterrupt):
        side_by_side(work, 4, [None, None])
    assert sorted(finished) == sorted(begun) == [0, 1, 2, 3]


def test_threads_that_began_do_not_wait_for_those_that_cannot(monkeypatch):
    before, begun = torch.get_num_threads(), []
    start = threading.Thread.start

    def start_one(thread: threading.Thread) -> None:
        if begun:
            raise RuntimeError("can't start new thread")
        begun.append(thread)
        start(thread)

    torch.set_num_threads(3)  # of which no other test has threads
    try:
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", start_one)
            with pytest.raises(RuntimeError, match="new thread"):
                side_by_side(lambda kit, number: number, 3, [None, None, None])
        assert torch.get_num_threads() == 3
        begun[0].join(10)
        assert not begun[0].is_alive()
    finally:
        torch.set_num_threads(before)
