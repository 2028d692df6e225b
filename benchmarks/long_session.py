"""A session of 2,000 edits: what one edit, one undo, the memory and the disk cost.

    python benchmarks/long_session.py [--edits 2000] [--model tiny] [--shape Z Y X]

A generated stack of nuclei, clicked, corrected, painted, accepted and followed at
random (with a fixed seed), without a display, autosaved as the plugin does it. With
--model stand-in the network is replaced by connected bright regions and logits of SAM's
size, so that the session's own cost is seen, and it takes a minute. Told are

* the autosave's share of an edit: JSON, write and flush;
* undo and redo of one step, over the last steps of the session, labels included;
* resident memory after every quarter, against that before the first edit;
* saving and opening the session, and its size on disk;
* whether a replay gives the same labels bit for bit, and how long it takes.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy import ndimage

from napari_sam_adapter import (
    Plane,
    Session,
    load_predictor,
    open_session,
    propagate,
    replay,
    save_session,
)
from napari_sam_adapter.errors import SamAdapterError
from napari_sam_adapter.predictions import ALL_PROMPTS, MaskCandidate, MaskPrediction
from napari_sam_adapter.sample_images import nuclei_volume
from napari_sam_adapter.volume.document.edits import (
    Accept,
    ChooseCandidate,
    NewObject,
    Paint,
)
from napari_sam_adapter.volume.journal.journal_header import empty_header_steps
from napari_sam_adapter.volume.saving.autosave import Autosave

CLICKS_PER_OBJECT = 4
UNDONE = 500
BRUSH = 9
PLANES_FOLLOWED = 2


class StandIn:
    """Gives the bright region under the prompts, with logits of SAM's size."""

    description = {"model": "stand-in", "device": "cpu"}
    image_size = 1024
    capabilities = ALL_PROMPTS

    def encode(self, image):
        bright = image > image.mean() + image.std()
        return ndimage.label(bright)[0], image.shape

    def predict(self, embedding, prompts, previous=None):
        regions, _ = embedding
        rows, columns = prompts.points.astype(int).T
        wanted = set(regions[rows[prompts.signs], columns[prompts.signs]]) - {0}
        mask = np.isin(regions, list(wanted))
        masks = [mask, ndimage.binary_dilation(mask), ndimage.binary_erosion(mask)]
        count = 3 if prompts.is_ambiguous else 1
        logits = np.full((count, 256, 256), float(mask.sum()), np.float32)
        candidates = tuple(map(MaskCandidate, masks[:count], (0.9, 0.8, 0.7), logits))
        return MaskPrediction(mask, 0.9, logits[0], candidates)

    def predict_many(self, embedding, prompts_list):
        return [self.predict(embedding, prompts) for prompts in prompts_list]


class TimedAutosave(Autosave):
    """An autosave that knows how long each entry took."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.seconds: list[float] = []

    def append(self, entry) -> None:
        started = time.perf_counter()
        super().append(entry)
        self.seconds.append(time.perf_counter() - started)


class Annotator:
    """Clicks on nuclei, corrects, paints, chooses, accepts and follows."""

    def __init__(self, session: Session, truth: np.ndarray, seed: int = 0) -> None:
        self.session = session
        self.truth = truth
        self.rng = np.random.default_rng(seed)
        self.object_id, self.left = 0, 0

    def work(self, edits: int) -> None:
        """Go on until the session has so many entries that are edits."""
        for _ in range(edits):
            try:
                self.edit()
            except SamAdapterError:  # refused, as a user may be
                self.left = 0

    def edit(self) -> None:
        if not self.left:
            self.begin_object()
        kind = self.rng.random()
        if kind < 0.6:
            self.click()
        elif kind < 0.85:
            self.paint()
        elif kind < 0.95:
            number = int(self.rng.integers(3))
            self.session.apply(ChooseCandidate(self.object_id, self.plane, number))
        elif kind < 0.98:
            self.session.apply(Accept(self.object_id))
        else:
            z = self.plane.position[0]
            list(propagate(self.session, self.object_id, z, z + PLANES_FOLLOWED))
        self.left -= 1

    def begin_object(self) -> None:
        nucleus = int(self.rng.integers(1, self.truth.max() + 1))
        inside = np.argwhere(self.truth == nucleus)
        self.centre = inside[len(inside) // 2]
        self.plane = Plane((1, 2), (int(self.centre[0]),))
        self.object_id = max(self.session.object_ids, default=0) + 1
        self.session.apply(NewObject(self.object_id))
        self.left = CLICKS_PER_OBJECT

    def near(self) -> np.ndarray:
        moved = self.centre[1:] + self.rng.integers(-6, 7, 2)
        return np.clip(moved, 0, np.subtract(self.truth.shape[1:], BRUSH))

    def click(self) -> None:
        row, column = map(float, self.near())
        positive = bool(self.truth[self.plane.position[0], int(row), int(column)])
        self.session.add_point(self.object_id, self.plane, (row, column), positive)
        self.session.mask(self.object_id, self.plane)

    def paint(self) -> None:
        pixels = self.near() + np.argwhere(np.ones((BRUSH, BRUSH)))
        value = self.object_id if self.rng.random() < 0.5 else 0
        values = np.full(len(pixels), value)
        self.session.apply(Paint(self.plane, pixels, values))


def resident() -> float:
    """Return the memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def begin(image: np.ndarray, folder: Path) -> tuple[Session, TimedAutosave]:
    session = Session(image)
    autosave = TimedAutosave(folder)
    session.log.record_with(autosave)
    *_, header = empty_header_steps(
        session.volume, session.labels.dtype, False, session.spacing
    )
    autosave.begin(header)
    return session, autosave


def timed(action) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def row(name: str, seconds: list[float]) -> str:
    ms = np.multiply(seconds, 1000)
    middle, late, longest = np.median(ms), np.percentile(ms, 99), ms.max()
    return (
        f"| {name} | {len(ms)} | {middle:.2f} ms | {late:.2f} ms | {longest:.2f} ms |"
    )


def back_and_forth(session: Session) -> tuple[list[float], list[float]]:
    """Undo and redo the last steps; the labels come back."""
    before = session.labels.copy()
    count = min(UNDONE, len(session.state.done))
    undone = [timed(session.undo) for _ in range(count)]
    redone = [timed(session.redo) for _ in range(count)]
    assert np.array_equal(session.labels, before)
    return undone, redone


def check_replay(session: Session, path: Path, image: np.ndarray) -> float:
    predictor, again = session.predictor, []
    seconds = timed(lambda: again.append(replay(path, image, predictor)))
    assert np.array_equal(again[0].labels, session.labels)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--edits", type=int, default=2000)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--shape", type=int, nargs=3, default=(40, 160, 160))
    options = parser.parse_args()
    image, truth = nuclei_volume(tuple(options.shape))
    stand_in = options.model == "stand-in"
    predictor = StandIn() if stand_in else load_predictor(options.model)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        session, autosave = begin(image, folder / "autosaves")
        session.predictor = predictor
        session.encode_plane(Plane((1, 2), (0,)))
        annotator, memory = Annotator(session, truth), [resident()]
        for quarter in range(4):
            annotator.work(options.edits // 4)
            memory.append(resident())
            print(f"{quarter + 1}/4: {len(session.object_ids)} objects", flush=True)
        print("\n| | times | median | 99 of 100 | longest |\n|---|--:|--:|--:|--:|")
        print(row("autosave of one entry", autosave.seconds))
        undone, redone = back_and_forth(session)
        print(row("undo of one step", undone))
        print(row("redo of one step", redone))
        print("\nmemory, MiB:", " → ".join(f"{m:.0f}" for m in memory))
        journal = autosave.path
        saved = folder / "long.session"
        saving = timed(lambda: save_session(saved, session))
        opened = []
        opening = timed(lambda: opened.append(open_session(saved, image)))
        assert np.array_equal(opened[0].labels, session.labels)
        sizes = {p.name: p.stat().st_size / 2**20 for p in saved.iterdir()}
        print("saved in", f"{saving:.1f} s, opened in {opening:.1f} s;", "MiB:",
              ", ".join(f"{n} {s:.1f}" for n, s in sorted(sizes.items())))  # fmt: skip
        seconds = check_replay(session, journal, image)
        print(f"replay: labels equal bit for bit, {seconds:.0f} s")


if __name__ == "__main__":
    main()
