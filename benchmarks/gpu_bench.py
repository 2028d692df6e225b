"""Two implementations in turn on a GPU: times, memory, and a budget of seconds."""

from __future__ import annotations

import json
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from published import SHAPES

from napari_sam_adapter import Prompts, SamPredictor
from napari_sam_adapter.model.files.checkpoints import Checkpoint
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import vit_shape

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from napari_sam_adapter.model.sam import Sam

    Calls = dict[str, Callable[[], object]]

F32, HALF = torch.float32, torch.bfloat16
ROUNDS, FEW_ROUNDS, SLOW = 7, 3, 500
"""Rounds; fewer where one takes more than so many milliseconds."""
TINY = vit_shape(64, 3, 2, (2,))
STARTED = time.perf_counter()


class Bench:
    """Where to measure, for how long, and what was found."""

    def __init__(self, chosen: argparse.Namespace) -> None:
        self.device = torch.device(chosen.device)
        self.is_tiny, self.seconds = chosen.tiny, chosen.seconds
        self.is_gpu = self.device.type == "cuda"
        self.found: dict[str, Any] = {}
        self.json: str | None = chosen.json
        self.peak = float("nan")

    def run(self, what: str, part: Callable[[], object]) -> None:
        spent = time.perf_counter() - STARTED
        if spent > self.seconds:
            self.tell(f"{what}: left out after {spent:.0f} s")
            return
        try:
            part()
        except torch.OutOfMemoryError:
            self.tell(f"{what}: too little memory")
        except Exception as error:  # noqa: BLE001 - the other parts go on
            reason = (str(error).splitlines() or [""])[0][:100]
            self.tell(f"{what}: {type(error).__name__}: {reason}")
        if self.is_gpu:
            torch.cuda.empty_cache()

    def tell(self, line: str) -> None:
        print(line, flush=True)

    def keep(self, key: str, value: object) -> None:
        self.found[key] = value
        if self.json:
            Path(self.json).write_text(json.dumps(self.found, indent=1))

    def wait(self) -> None:
        if self.is_gpu:
            torch.cuda.synchronize()

    def milliseconds(self, calls: Calls) -> dict[str, float]:
        """Return medians of calls that take turns; all of them were warmed up."""
        times: dict[str, list[float]] = {name: [] for name in calls}
        rounds = ROUNDS
        while rounds:
            for name, call in calls.items():
                self.wait()
                started = time.perf_counter()
                call()
                self.wait()
                times[name].append(1000 * (time.perf_counter() - started))
            is_first = rounds == ROUNDS
            is_slow = sum(t[0] for t in times.values()) > SLOW
            rounds = FEW_ROUNDS - 1 if is_first and is_slow else rounds - 1
        return {name: median(values) for name, values in times.items()}

    def megabytes(self, call: Callable[[], object]) -> float:
        """Return how much memory a call takes above what there is, warming it up."""
        if not self.is_gpu:
            call()
            return float("nan")
        torch.cuda.empty_cache()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        for _ in range(3):  # the second may make a recording, the third replays it
            call()
        return (torch.cuda.max_memory_allocated() - before) / 1e6

    def works(self, call: Callable[[], object]) -> float | None:
        """Return megabytes, or None if the call has too little memory."""
        try:
            return self.megabytes(call)
        except torch.OutOfMemoryError:
            if self.is_gpu:
                torch.cuda.empty_cache()
            return None


def networks(bench: Bench, name: str) -> tuple[torch.nn.Module, Sam]:
    """Return the reference with random weights, and ours with the same."""
    from segment_anything.build_sam import _build_sam

    shape = TINY if bench.is_tiny else SHAPES[name]
    whole = [i for i, window in enumerate(shape.windows) if not window]
    torch.manual_seed(0)
    with torch.device(bench.device):
        theirs = _build_sam(shape.width, len(shape.windows), shape.heads, whole)
        ours = build_sam(shape)
    theirs = theirs.to(bench.device).eval().requires_grad_(False)
    for parameter in theirs.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.02)
    ours = ours.to(bench.device).eval().requires_grad_(False)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return theirs, ours


def predictor_of(bench: Bench, sam: Sam, dtype: torch.dtype) -> SamPredictor:
    about = {"model": "random weights"}
    return SamPredictor(Checkpoint(sam, None, ""), about, str(bench.device), dtype)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))


def disks(side: int) -> tuple[np.ndarray, list[Prompts]]:
    """Return a noisy plane of bright disks, and a click into each."""
    rng = np.random.default_rng(0)
    plane = rng.normal(1000, 80, (side, side))
    rows, columns = np.indices(plane.shape)
    step = side // 8
    spots = [
        (step * i + step / 2, step * j + step / 2) for i in range(8) for j in range(8)
    ]
    for row, column in spots:
        radius = rng.uniform(0.2, 0.4) * step
        plane[np.hypot(rows - row, columns - column) < radius] += 600
    return plane.astype(np.uint16), [Prompts([spot]) for spot in spots]
