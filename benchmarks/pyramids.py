"""What a box around a large object reads of a volume, with and without its levels.

    python benchmarks/pyramids.py [FOLDER] [--side 8192]

Writes an OME-Zarr pyramid of three uint16 slices with a disk that is nearly as large as
the slice. Each way has a process of its own; the time is from the opened file to the
mask, the network loaded.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

SLICES, CHUNK, SMALLEST = 3, 512, 512
WAYS = {"full resolution only": 0, "all levels": 1}


class Counted:
    """An array that counts the bytes that were read of it."""

    def __init__(self, array: Any) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.nbytes = 0

    def __getitem__(self, index: Any) -> Any:
        part = np.asarray(self.array[index])
        self.nbytes += part.nbytes
        return part


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--side", type=int, default=8192)
    parser.add_argument("--ask", type=Path)
    parser.add_argument("--with-levels", type=int, default=1)
    options = parser.parse_args()
    if options.ask:
        print(*ask(options.ask, bool(options.with_levels)))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = write(Path(folder), options.side)
        print("| read | seconds | MB read | peak memory | IoU |\n|---|--:|--:|--:|--:|")
        for name, has_levels in WAYS.items():
            command = [sys.executable, __file__, "--ask", path]
            command += ["--with-levels", has_levels]
            rows = [run(command) for _ in range(3)]
            seconds, read, memory, overlap = np.median(rows, axis=0)
            sizes = f"{read / 1e6:,.1f} | {memory / 1e6:,.0f} MB"
            print(f"| {name} | {seconds:.2f} | {sizes} | {overlap:.2f} |")


def write(folder: Path, side: int) -> Path:
    import zarr

    path = folder / "volume.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=2)
    random = np.random.default_rng(0)
    plane = random.integers(1000, 3000, (side, side), np.uint16)
    plane[disk(side)] += 9000
    number = 0
    while True:
        data = np.stack([plane] * SLICES)
        group.create_array(str(number), data=data, chunks=(1, CHUNK, CHUNK))
        number += 1
        if len(plane) <= SMALLEST:
            break
        blocks = plane.reshape(len(plane) // 2, 2, -1, 2)
        plane = blocks.mean(axis=(1, 3)).astype(np.uint16)
    datasets = [{"path": str(level)} for level in range(number)]
    axes = [{"name": letter} for letter in "zyx"]
    group.attrs["multiscales"] = [{"axes": axes, "datasets": datasets}]
    return path


def disk(side: int) -> Any:
    rows, columns = np.ogrid[:side, :side]
    return np.hypot(rows - side / 2, columns - side / 2) < 0.35 * side


def run(command: list[object]) -> list[float]:
    words = [str(part) for part in command]
    found = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    return [float(number) for number in found.stdout.split()]


def ask(path: Path, has_levels: bool) -> tuple[float, int, float, float]:
    from large_volume import peak

    from napari_sam_adapter import Plane, Session, load_predictor, open_image
    from napari_sam_adapter.volume.planes.planes import Volume

    predictor = load_predictor("tiny")
    image = open_image(path)
    arrays = [Counted(array) for array in (image.data, *image.levels)]
    started = time.perf_counter()
    levels = arrays[1:] if has_levels else ()
    session = Session(Volume(arrays[0], image.axes, levels=levels), predictor)
    plane, side = Plane((1, 2), (1,)), session.labels.shape[-1]
    first, last = 0.15 * side, 0.85 * side
    session.set_box(session.new_object(), plane, (first, first, last, last))
    mask = session.mask(1, plane)
    seconds = time.perf_counter() - started
    memory, whole = peak(), disk(side)
    overlap = (mask & whole).sum() / (mask | whole).sum()
    return seconds, sum(array.nbytes for array in arrays), memory, overlap


if __name__ == "__main__":
    main()
