"""Which colours two channels are best shown as, and whether both are better than one.

    python benchmarks/channels.py [--adapter microscopy] [--pictures 4]

Generated cells with an image of their outlines, or of their insides, and one of their
nuclei; and cells that are stained in one of two channels each. Every cell is asked for
with a point in its middle, and with its box.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.ndimage import distance_transform_edt, gaussian_filter

from napari_sam_adapter import Prompts, load_predictor
from napari_sam_adapter.evaluation.overlap import iou
from napari_sam_adapter.evaluation.reports import markdown
from napari_sam_adapter.evaluation.user import box_of, centre_of
from napari_sam_adapter.intensity import estimate_intensity
from napari_sam_adapter.sample_images import nuclei_volume

if TYPE_CHECKING:
    from collections.abc import Callable

SIDE, FIRST_SEED = 160, 100
CELLS_PER_PICTURE, SMALLEST, WIDTH = 12, 60, 9
"""Cells asked for; fewest pixels of one; how far it reaches beyond its nucleus."""
KINDS = "outlines and nuclei", "insides and nuclei", "two stains"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--adapter", default=None)
    parser.add_argument("--pictures", type=int, default=4)
    options = parser.parse_args()
    predictor = load_predictor("tiny", adapter=options.adapter)
    seeds = range(FIRST_SEED, FIRST_SEED + options.pictures)
    pictures = {kind: [picture(kind, seed) for seed in seeds] for kind in KINDS}
    lines = []
    for name, look in LOOKS.items():
        row = [name]
        for shown in pictures.values():
            found = [overlaps(predictor, look(a, b), cells) for a, b, cells in shown]
            row += [f"{mean:.3f}" for mean in np.concatenate(found).mean(axis=0)]
        lines.append(row)
        print(" ".join(row), flush=True)
    asked = [f"{kind}: {prompt}" for kind in KINDS for prompt in ("point", "box")]
    print(markdown(("seen as", *asked), lines))


def overlaps(predictor, seen: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Return the IoU with a point, and with a box, of each cell."""
    embedding = predictor.encode(seen)
    numbers = [n for n in np.unique(cells[cells > 0]) if (cells == n).sum() >= SMALLEST]
    truths = [cells == number for number in numbers[:CELLS_PER_PICTURE]]
    points = [Prompts(points=[centre_of(truth)]) for truth in truths]
    boxes = [Prompts(box=box_of(truth)) for truth in truths]
    columns = [
        [iou(answer.mask, truth) for answer, truth in zip(answers, truths, strict=True)]
        for answers in (predictor.predict_many(embedding, p) for p in (points, boxes))
    ]
    return np.transpose(columns)


def picture(kind: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return two channels in 8 bits, and the cells."""
    random = np.random.default_rng(seed)
    stack, labels = nuclei_volume((16, SIDE, SIDE), seed)
    nuclei = labels[8]
    large = np.bincount(nuclei.ravel()) > SMALLEST * 2 // 3
    nuclei = np.where(large[nuclei], nuclei, 0)
    far, nearest = distance_transform_edt(nuclei == 0, return_indices=True)
    cells = np.where(far > WIDTH, 0, nuclei[tuple(nearest)])
    if kind == KINDS[2]:
        is_first = random.random(cells.max() + 1) < 0.5
        return *(
            photographed(gaussian_filter(part * texture(random, 0.15), 1.2), random)
            for part in ((cells > 0) & is_first[cells], (cells > 0) & ~is_first[cells])
        ), cells
    edges = ndimage.maximum_filter(cells, 3) != ndimage.minimum_filter(cells, 3)
    if kind == KINDS[0]:
        signal = gaussian_filter(edges * texture(random, 0.5), 1) + 0.06 * (cells > 0)
    else:
        inside = (cells > 0) * np.where(edges, 0.93, 1) * texture(random, 0.15)
        signal = gaussian_filter(inside, 1.2)
    return photographed(signal, random), in_8_bits(stack[8]), cells


def texture(random: np.random.Generator, strength: float) -> np.ndarray:
    noise = gaussian_filter(random.standard_normal((SIDE, SIDE)), 5, mode="wrap")
    return np.maximum(1 + strength * noise / noise.std(), 0)


def photographed(signal: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return in_8_bits(random.poisson(60 * signal / signal.max() + 3))


def in_8_bits(values: np.ndarray) -> np.ndarray:
    return estimate_intensity([values]).apply(values)


def colours(order: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Return what makes red, green and blue of two channels."""

    def look(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        mean = (first // 2 + second // 2).astype(np.uint8)
        known = {"1": first, "2": second, "m": mean, "-": np.zeros_like(first)}
        return np.stack([known[letter] for letter in order], axis=-1)

    return look


LOOKS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "first alone": lambda first, _: first,
    "second alone": lambda _, second: second,
    "brighter of both, grey": np.maximum,
    "red, green": colours("12-"),
    "green, red": colours("21-"),
    "green, blue": colours("-12"),
    "red, green, blue the mean": colours("12m"),
    "**yellow, blue**": colours("112"),
}

if __name__ == "__main__":
    main()
