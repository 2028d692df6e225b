"""Train an adapter on pictures of your own, see what it gained, and use it.

Run it as ``python examples/train_and_apply.py FOLDER [STEPS]``. The folder holds
``train`` and ``val``, each with ``images`` and ``masks`` of the same names; masks
number the objects from 1. Nothing is learned from the pictures in ``val``: they choose
the state that is kept, and show what it gained.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import napari_sam_adapter as nsa


def main(folder: str, steps: int | str = 100, base: str = "tiny") -> float:
    output = Path(folder) / "mine.safetensors"
    found = nsa.find_samples(folder)
    config = nsa.TrainingConfig(output, base, trains="decoder", steps=int(steps))
    for progress in nsa.train_adapter(config, found):
        print(f"\rstep {progress.step} of {progress.total_steps}", end="", flush=True)
    print()

    plain = nsa.load_predictor(base)
    mine = plain.with_adapter(output)
    held_back = nsa.open_dataset(Path(folder), split="val")
    asked = nsa.Interactive(start="point", corrections=0)
    before, after = (
        nsa.evaluate(held_back, predictor, asked).mean("iou_1")
        for predictor in (plain, mine)
    )
    print(f"IoU by one point: {before:.3f} before, {after:.3f} with the adapter")

    for path in sorted((Path(folder) / "val" / "images").iterdir()):
        image = nsa.open_image(path)
        probability = nsa.segment_semantic(image, mine)
        target = Path(folder) / f"{path.stem}_found.tif"
        mask = (probability > 0.5).astype(np.uint8)
        nsa.save_labels(target, mask, like=image, overwrite=True)
    return after - before


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    main(*sys.argv[1:3])
