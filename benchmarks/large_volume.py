"""Time and memory from opening a huge volume to its first mask.

    python benchmarks/large_volume.py [FOLDER] [--planes 2000] [--side 2048]

Writes a uint16 zarr of noise and disks; only a few planes are stored, the others read
as empty. The volume and one of its planes alone have a process of their own each.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

STORED = 24
CENTRE = (1000, 1000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--planes", type=int, default=2000)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--first-mask", type=Path)
    options = parser.parse_args()
    if options.first_mask:
        print_first_mask(options.first_mask)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        volume, plane = write(Path(folder), options.planes, options.side)
        print("| first mask of | seconds | peak memory |\n|---|--:|--:|")
        for name, path in (("one plane alone", plane), ("the volume", volume)):
            command = [sys.executable, __file__, "--first-mask", path]
            rows = [run(command) for _ in range(3)]
            seconds, memory = np.median(rows, axis=0)
            print(f"| {name} | {seconds:.2f} | {memory / 1e6:,.0f} MB |")


def write(
    folder: Path, planes: int, side: int, stored_planes: int = STORED
) -> tuple[Path, Path]:
    import zarr

    chunk = (1, min(side, 512), min(side, 512))
    stored = zarr.create_array(
        folder / "volume.zarr", shape=(planes, side, side), chunks=chunk, dtype="uint16"
    )
    rows, columns = np.indices((side, side))
    disk = np.hypot(rows - CENTRE[0], columns - CENTRE[1]) < 40
    random = np.random.default_rng(0)
    middle = planes // 2
    indices = {0, planes - 1, planes // 4, 3 * planes // 4}
    for index in sorted(indices | set(range(middle, middle + stored_planes))):
        noise = random.integers(1000, 3000, (side, side), np.uint16)
        stored[index] = noise + np.where(disk, 20_000, 0).astype(np.uint16)
    alone = zarr.create_array(
        folder / "plane.zarr", shape=(side, side), chunks=chunk[1:], dtype="uint16"
    )
    alone[:] = stored[middle]
    return folder / "volume.zarr", folder / "plane.zarr"


def run(command: list[object]) -> tuple[float, float]:
    found = subprocess.run(
        [str(part) for part in command], check=True, stdout=subprocess.PIPE, text=True
    )
    seconds, memory = found.stdout.split()
    return float(seconds), float(memory)


def print_first_mask(path: Path) -> None:
    from napari_sam_adapter import Plane, Session, load_predictor, open_image

    predictor = load_predictor("tiny")
    started = time.perf_counter()
    image = open_image(path)
    session = Session(image.data, predictor, axes=image.axes)
    shape = session.labels.shape
    plane = Plane((1, 2), (shape[0] // 2,)) if len(shape) > 2 else Plane((0, 1))
    object_id = session.new_object()
    session.add_point(object_id, plane, CENTRE)
    mask = session.mask(object_id, plane)
    seconds = time.perf_counter() - started
    assert mask[CENTRE]
    print(seconds, peak())


def peak() -> float:
    """Return the most memory that this process ever had, in bytes; Linux only."""
    with open("/proc/self/status", encoding="ascii") as file:
        (line,) = (line for line in file if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


if __name__ == "__main__":
    main()
