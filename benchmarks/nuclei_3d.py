"""Ten nuclei of a volume, once with the command line and once in a driven window.

    xvfb-run -a python benchmarks/nuclei_3d.py IMAGE.ome.tif LABELS.ome.tif
        [--model tiny] [--json OUT] [--screenshot OUT.png]

Each of the ten largest nuclei gets one click, in the middle of its middle slice, and is
followed through the volume. In the window that is done with mouse and key events on the
canvas; the command line gets the positions that the window recorded, and keeps
embeddings as the window does. Both must give the same labels, voxel by voxel.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import driven_window
import numpy as np
import tifffile
from scipy import ndimage

from napari_sam_adapter import open_image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari import Viewer

    from napari_sam_adapter.plugin.main_widget import SegmentAnythingWidget

COUNT = 10

Position = tuple[float, ...]


@dataclass(frozen=True)
class Nucleus:
    """A nucleus of the ground truth and the voxel to click."""

    number: int
    click: tuple[int, int, int]


@dataclass(frozen=True)
class Run:
    """Labels, numbered in the order of the nuclei, and what they took."""

    labels: np.ndarray
    seconds: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--screenshot", type=Path)
    options = parser.parse_args()
    truth = tifffile.imread(options.labels)
    nuclei = pick_nuclei(truth)
    window, positions = run_window(options, nuclei)
    shell = run_shell(options.image, positions, options.model)
    summary = summarise(truth, nuclei, positions, shell, window)
    print_summary(summary)
    if options.json:
        options.json.write_text(json.dumps(summary, indent=1) + "\n")
    return 0 if summary["equal"] else 1


def pick_nuclei(truth: np.ndarray) -> list[Nucleus]:
    """Return the largest nuclei, those first that the border does not cut."""
    sizes = np.bincount(truth.ravel())
    at_border = np.zeros(len(sizes), dtype=bool)
    for axis in range(truth.ndim):
        at_border[np.unique(truth.take((0, -1), axis))] = True
    present = [number for number in range(1, len(sizes)) if sizes[number]]
    present.sort(key=lambda number: (at_border[number], -sizes[number], number))
    return [Nucleus(number, middle(truth == number)) for number in present[:COUNT]]


def middle(mask: np.ndarray) -> tuple[int, int, int]:
    """Return the innermost pixel of the middle slice."""
    slices = np.flatnonzero(mask.any(axis=(1, 2)))
    z = int(slices[len(slices) // 2])
    depth = ndimage.distance_transform_edt(np.pad(mask[z], 1))[1:-1, 1:-1]
    row, column = np.unravel_index(depth.argmax(), depth.shape)
    return z, int(row), int(column)


def run_window(
    options: argparse.Namespace, nuclei: Sequence[Nucleus]
) -> tuple[Run, list[Position]]:
    """Click, propagate, next object; return also where the clicks were recorded."""
    viewer = driven_window.open_window()
    image = open_image(options.image)  # napari's own reader leaves out the voxel size
    viewer.add_image(
        image.data, scale=image.scale, units=image.units, axis_labels=tuple(image.axes)
    )
    widget = driven_window.dock_widget(viewer, options.model)
    started = time.monotonic()
    widget.annotation_panel.buttons["use_points"].click()
    positions = []
    for number, nucleus in enumerate(nuclei):
        if number:
            driven_window.press_key(viewer, "N")
        positions.append(segment_in_window(viewer, widget, nucleus))
    labels = widget.controller.workspace.session.labels.copy()
    seconds = time.monotonic() - started
    if options.screenshot:
        take_screenshot(viewer, labels, options.screenshot)
    viewer.close()
    return Run(labels, seconds), positions


def segment_in_window(
    viewer: Viewer, widget: SegmentAnythingWidget, nucleus: Nucleus
) -> Position:
    workspace = widget.controller.workspace
    driven_window.show_plane(viewer, nucleus.click[0])
    driven_window.click(viewer, workspace.image.data_to_world(nucleus.click)[-2:])
    driven_window.settle(widget)
    recorded = tuple(workspace.layers.points.data[-1].tolist())
    driven_window.press_key(viewer, "G")
    driven_window.settle(widget)
    return recorded


def take_screenshot(viewer: Viewer, labels: np.ndarray, path: Path) -> None:
    """Show the slice with the most objects and save the window."""
    counts = [len(np.unique(plane)) for plane in labels]
    driven_window.show_plane(viewer, int(np.argmax(counts)))
    driven_window.rest(0.5)
    viewer.screenshot(str(path), canvas_only=False, flash=False)


def run_shell(path: Path, positions: Sequence[Position], model: str) -> Run:
    program = Path(sysconfig.get_path("scripts")) / "napari-sam-adapter"
    points = [f"--point={','.join(map(repr, position))}" for position in positions]
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "labels.tif"
        asked = ["--separate", "--propagate", "--model", model, "--output", str(output)]
        # in half precision, as the window keeps them
        asked += ["--embeddings", str(Path(folder) / "embeddings")]
        started = time.monotonic()
        command = [str(program), "segment", str(path), *points, *asked]
        subprocess.run(command, check=True, stdout=sys.stderr)
        return Run(tifffile.imread(output), time.monotonic() - started)


def summarise(
    truth: np.ndarray,
    nuclei: Sequence[Nucleus],
    positions: Sequence[Position],
    shell: Run,
    window: Run,
) -> dict:
    rows = [
        {
            "nucleus": nucleus.number,
            "voxels": int((truth == nucleus.number).sum()),
            "click": positions[i],
            "shell": iou(shell.labels == i + 1, truth == nucleus.number),
            "window": iou(window.labels == i + 1, truth == nucleus.number),
        }
        for i, nucleus in enumerate(nuclei)
    ]
    means = {
        key: float(np.mean([row[key] for row in rows])) for key in ("shell", "window")
    }
    seconds = {"shell": shell.seconds, "window": window.seconds}
    differing = int((shell.labels != window.labels).sum())
    return {
        "nuclei": rows, "mean": means, "seconds": seconds,
        "differing_voxels": differing, "equal": differing == 0,
    }  # fmt: skip


def iou(mask: np.ndarray, truth: np.ndarray) -> float:
    return float((mask & truth).sum() / max((mask | truth).sum(), 1))


def print_summary(summary: dict) -> None:
    print("| nucleus | voxels | click (z, row, column) | shell | window |")
    print("|--:|--:|---|--:|--:|")
    for row in summary["nuclei"]:
        click = ", ".join(f"{value:.4g}" for value in row["click"])
        numbers = f"{row['shell']:.3f} | {row['window']:.3f}"
        print(f"| {row['nucleus']} | {row['voxels']} | {click} | {numbers} |")
    mean, seconds = summary["mean"], summary["seconds"]
    print(f"| mean IoU | | | {mean['shell']:.3f} | {mean['window']:.3f} |")
    print(f"| seconds | | | {seconds['shell']:.1f} | {seconds['window']:.1f} |")
    differing = summary["differing_voxels"]
    verdict = "are equal" if summary["equal"] else f"differ in {differing} voxels"
    print(f"\nThe labels of shell and window {verdict}.")


if __name__ == "__main__":
    sys.exit(main())
