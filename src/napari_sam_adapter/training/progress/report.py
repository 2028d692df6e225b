"""A training as one HTML page: numbers, curves and masks before and after."""

from __future__ import annotations

import base64
import html
import io
from typing import TYPE_CHECKING

from PIL import Image
from scipy import ndimage

from napari_sam_adapter.image_io.output.whole_files import whole_output
from napari_sam_adapter.training.progress.progress import KINDS, relative_losses
from napari_sam_adapter.wording import readable_size, spoken_time

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from napari_sam_adapter.training.progress.progress import (
        Example,
        TrainingProgress,
        Validation,
    )
    from napari_sam_adapter.training.recipes.config import TrainingConfig

WIDTH, HEIGHT, MARGIN = 640, 240, 40
COLOURS = ("#d62728", "#1f77b4", "#2ca02c", "#999999", "#9467bd")
TITLES = {"score": "all"} | KINDS
OUTLINE, REFERENCE = (255, 210, 0), (0, 200, 120)
STYLE = (
    "body{font:15px sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
    "td,th{padding:2px 12px 2px 0;text-align:left}figure{display:inline-block;"
    "margin:4px}img{image-rendering:pixelated;width:256px}"
)


def write_report(
    path: Path, config: TrainingConfig, progress: TrainingProgress
) -> None:
    """Write the page of a training, whole or not at all.

    Parameters
    ----------
    path : Path
        The HTML file, which needs no others; replaced if it exists.
    config : TrainingConfig
        What was trained.
    progress : TrainingProgress
        The last that was known.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    title = html.escape(f"Training of {config.output.name}")
    page = (
        f"<!doctype html><meta charset='utf-8'><title>{title}</title>"
        f"<style>{STYLE}</style><h1>{title}</h1>"
        f"{_facts(config, progress)}<h2>Validation</h2>{_curves(progress.history)}"
        f"{_table(progress.history)}{_pictures(progress.examples)}"
    )
    with whole_output(path, overwrite=True) as temporary:
        temporary.write_text(page, encoding="utf-8")


def outlined(
    image: npt.NDArray[np.uint8],
    mask: npt.NDArray[np.bool_],
    colour: tuple[int, int, int] = OUTLINE,
) -> npt.NDArray[np.uint8]:
    """Draw the outline of a mask on an image.

    Parameters
    ----------
    image : (H, W, 3) uint8 array
        Pixels.
    mask : (H, W) bool array
        What to outline.
    colour : (int, int, int)
        Red, green, blue.

    Returns
    -------
    (H, W, 3) uint8 array
        A copy.
    """
    drawn = image.copy()
    drawn[mask & ~ndimage.binary_erosion(mask)] = colour
    return drawn


def _facts(config: TrainingConfig, progress: TrainingProgress) -> str:
    estimate, best = progress.estimate, progress.best
    facts = {
        "base": config.base,
        "trained": f"{config.trains}, {estimate.trained_parameters:,} numbers",
        "steps": f"{progress.step} of {progress.total_steps}",
        "ended": progress.ending or "stopped",
        "time": spoken_time(progress.seconds),
        "memory, estimated": readable_size(estimate.memory_bytes),
    }
    if best is not None:
        before = progress.history[0].score
        facts["IoU before"] = f"{before:.3f}"
        facts["IoU of the kept state"] = f"{best.score:.3f} (step {best.step})"
    rows = "".join(
        f"<tr><th>{html.escape(k)}<td>{html.escape(str(v))}" for k, v in facts.items()
    )
    options = ", ".join(f"{k} = {v}" for k, v in config.identity.items())
    return f"<table>{rows}</table><p>{html.escape(options)}</p>"


def _pictures(examples: Sequence[Example]) -> str:
    if not examples:
        return ""
    figures = "".join(map(_figures, examples))
    return f"<h2>Without prompts: before and after</h2>{figures}"


def _table(history: Sequence[Validation]) -> str:
    if not history:
        return ""
    titles = _titles(history)
    head = "<tr><th>step<th>loss" + "".join(f"<th>{t}" for t in titles.values())
    rows = "".join(
        f"<tr><td>{entry.step}<td>{f'{entry.loss:.3f}' if entry.step else '-'}"
        + "".join(f"<td>{getattr(entry, name):.3f}" for name in titles)
        for entry in history
    )
    return f"<table>{head}{rows}</table>"


def _curves(history: Sequence[Validation]) -> str:
    """Return IoU and loss over the steps as SVG, or say why there is none."""
    if not history:
        return (
            "<p>There were no images to validate on, so there is no curve and there "
            "are no masks to show, and the last state was kept.</p>"
        )
    last = max(1, history[-1].step)
    curves = {
        title: [(entry.step, getattr(entry, name)) for entry in history]
        for name, title in _titles(history).items()
    }
    curves["loss (relative)"] = relative_losses(
        [(entry.step, entry.loss) for entry in history if entry.step]
    )
    lines = []
    for number, (title, values) in enumerate(curves.items()):
        points = " ".join(
            f"{MARGIN + step / last * (WIDTH - 2 * MARGIN):.1f},{_height(value):.1f}"
            for step, value in values
        )
        lines.append(
            f"<polyline fill='none' stroke='{COLOURS[number]}' points='{points}'/>"
            f"<text x='{MARGIN + 115 * number}' y='14' fill='{COLOURS[number]}'>"
            f"{title}</text>"
        )
    grid = "".join(
        f"<line x1='{MARGIN}' x2='{WIDTH - MARGIN}' y1='{_height(v)}' y2='{_height(v)}'"
        f" stroke='#ddd'/><text x='4' y='{_height(v) + 4}'>{v}</text>"
        for v in (0.0, 0.5, 1.0)
    )
    return f"<svg width='{WIDTH}' height='{HEIGHT}'>{grid}{''.join(lines)}</svg>"


def _titles(history: Sequence[Validation]) -> dict[str, str]:
    learns_to_follow = any(entry.followed for entry in history)
    return {k: v for k, v in TITLES.items() if k != "followed" or learns_to_follow}


def _height(iou: float) -> float:
    return HEIGHT - MARGIN / 2 - iou * (HEIGHT - 1.5 * MARGIN)


def _figures(example: Example) -> str:
    masks = {"reference": example.truth, "before": example.before, "now": example.now}
    figures = "".join(
        f"<figure><img src='{_picture(outlined(example.image, mask))}'>"
        f"<figcaption>{title}</figcaption></figure>"
        for title, mask in masks.items()
    )
    return f"<h3>{html.escape(example.name)}</h3>{figures}"


def _picture(pixels: npt.NDArray[np.uint8]) -> str:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()
