"""Two implementations in turn, in one process, and the memory of each in its own."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEAD = "| what | reference | ours | ratio | difference |\n|---|--:|--:|--:|--:|"


def options(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with what all of these benchmarks take."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--peak", nargs="*", help="only measure memory of this")
    return parser


@contextmanager
def beside(a_loop: bool) -> Iterator[None]:
    """Keep one processor busy with another process, if asked to."""
    if not a_loop:
        yield
        return
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as loop:
        try:
            yield
        finally:
            loop.kill()


def alternate(
    theirs: Callable[[], object], ours: Callable[[], object], rounds: int
) -> list[tuple[float, float]]:
    return [(timed(theirs), timed(ours)) for _ in range(rounds)]


def timed(action: Callable[[], object]) -> float:
    """Return seconds; with one thread those of the processor.

    These leave out what other programs do in between.
    """
    started = now()
    action()
    return now() - started


def now() -> float:
    alone = torch.get_num_threads() == 1
    return time.process_time() if alone else time.perf_counter()


def print_row(what: str, seconds: list[tuple[float, float]], note: str) -> None:
    theirs, ours = (1000 * median(column) for column in zip(*seconds, strict=True))
    ratio = median(a / b for a, b in seconds)
    print(
        f"| {what} | {theirs:,.1f} ms | {ours:,.1f} ms | {ratio:.1f} | {note} |",
        flush=True,
    )


def print_memory(what: str, theirs: list[str], ours: list[str], threads: int) -> None:
    """Compare how far two runs of this script's `--peak` let memory grow."""
    a, b = (max(1.0, _growth(words, threads)) for words in (theirs, ours))
    print(f"| {what} | {a:,.0f} MB | {b:,.0f} MB | {a / b:.1f} | |", flush=True)


def _growth(words: list[str], threads: int) -> float:
    command = [sys.executable, sys.argv[0], "--threads", str(threads), "--peak", *words]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(found.stdout)


def print_growth(action: Callable[[], object]) -> None:
    """Print how many megabytes more than now are in use at most; Linux only."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forgets the peak
    before = peak()
    action()
    print((peak() - before) / 1e6)


def peak() -> float:
    """Return the most memory that this process had, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


def machine() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":")[1] for line in file if "model name" in line]
    except OSError:
        names = ["processor"]
    threads = torch.get_num_threads()
    how = "one thread, processor time" if threads == 1 else f"{threads} threads"
    return (
        f"{os.cpu_count()} cores of{names[0].rstrip()}, {how}, "
        f"PyTorch {torch.__version__}"
    )
