"""Ways to adapt one base to new images, side by side: the paper left that out.

    python benchmarks/adaptation.py FOLDER_OF_DATA_SETS --runs RUNS
    python benchmarks/adaptation.py FOLDER_OF_DATA_SETS --runs RUNS --labelled

Same base, data, steps, batches and seeds for every method; the last state is judged on
images that training never saw. Every run is a process of its own and leaves a JSON file
in RUNS; runs whose file is there are skipped, so a stopped comparison goes on. With
--labelled a few images are labelled, and quality is measured on others.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from adapter_quality import remember_images
from evp_trainee import EvpPredictor, train_evp
from tqdm import tqdm

from napari_sam_adapter import (
    Interactive,
    PromptFree,
    TrainingConfig,
    evaluate,
    load_predictor,
    open_dataset,
    train_adapter,
)
from napari_sam_adapter.datasets.planes import planes_of
from napari_sam_adapter.evaluation.prompt_free import judge_map
from napari_sam_adapter.evaluation.reports import markdown
from napari_sam_adapter.training.samples.datasets import read_samples
from napari_sam_adapter.training.samples.labels import separate_objects

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_sam_adapter import SamPredictor
    from napari_sam_adapter.datasets import Dataset
    from napari_sam_adapter.training.samples.samples import Sample

SETS = ("nuclei2d_dsb2018", "mri2d_heart_sunnybrook")
NOTHING, EVP = "no adaptation", "EVP"
METHODS: dict[str, dict[str, Any]] = {
    NOTHING: {},
    "decoder only": {"trains": "decoder"},
    "SAM-Adapter, F_pe": {"sources": "patch_embedding"},
    "SAM-Adapter, F_hfc": {"sources": "fft_highpass"},
    "SAM-Adapter, both": {},
    "SAM-Adapter, learned w_j": {"learned_weights": "shared"},
    EVP: {},
    "LoRA": {"trains": "lora"},
    "everything": {"trains": "everything"},
}
LABELLED = (1, 2, 5, 10, 20)
LABELLED_METHOD = "decoder only"
STEPS, BATCH, LEARNING_RATE = 32, 2, 2e-4
OBJECTS, OBJECTS_JUDGED, IMAGES_JUDGED = 2, 4, 16
KILOBYTE = 1024 if sys.platform != "darwin" else 1
MEASURES = ("dice", "point", "box")


@dataclass(frozen=True)
class Run:
    """One training and what it is measured on; 0 labelled images mean all."""

    dataset: str
    method: str
    seed: int
    labelled: int = 0

    @property
    def file(self) -> str:
        """Return a name for the result."""
        words = f"{self.dataset} {self.method} {self.labelled} {self.seed}"
        return "".join(c if c.isalnum() else "_" for c in words) + ".json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--labelled", action="store_true")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--run", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.runs.mkdir(parents=True, exist_ok=True)
    if options.run:
        run = Run(**json.loads(options.run))
        found = json.dumps(measure(run, options.data), indent=1)
        partial = options.runs / f"{run.file}.part"
        partial.write_text(found)
        partial.replace(options.runs / run.file)
        return
    seeds = range(options.seeds)
    runs = list(labelled_runs(seeds) if options.labelled else compared_runs(seeds))
    for run in tqdm([r for r in runs if not (options.runs / r.file).exists()]):
        start(run)
    results = [json.loads((options.runs / run.file).read_text()) for run in runs]
    print_labelled(results) if options.labelled else print_compared(results)


def compared_runs(seeds: range) -> Iterator[Run]:
    for seed, dataset, method in product(seeds, SETS, METHODS):
        if method != NOTHING or seed == 0:
            yield Run(dataset, method, seed)


def labelled_runs(seeds: range) -> Iterator[Run]:
    yield from (Run(dataset, NOTHING, 0) for dataset in SETS)
    for seed, dataset, count in product(seeds, SETS, LABELLED):
        yield Run(dataset, LABELLED_METHOD, seed, count)


def start(run: Run) -> None:
    """Run in a process of its own, whose memory is then known."""
    command = [sys.executable, *sys.argv, "--run", json.dumps(asdict(run))]
    subprocess.run(command, check=True)


def measure(run: Run, data: Path) -> dict[str, Any]:
    """Train, and judge what came out."""
    path = data / f"{run.dataset}.zip"
    dataset = judged(open_dataset(path, split="val"))
    samples = [] if run.method == NOTHING else chosen(run, read_samples(path, "train"))
    with tempfile.TemporaryDirectory() as folder:
        config = TrainingConfig(
            Path(folder) / "trained.safetensors",
            steps=STEPS,
            batch=BATCH,
            learning_rate=LEARNING_RATE,
            objects=OBJECTS,
            corrections=0,
            validate_every=STEPS,
            device="cpu",
            seed=run.seed,
            **METHODS[run.method],
        )
        costs, quality = (
            _evp(config, samples, dataset)
            if run.method == EVP
            else _sam(run, config, samples, dataset)
        )
    return {**asdict(run), **costs, **quality}


def judged(dataset: Dataset) -> Dataset:
    """Return a part of a set, spread over it."""
    places = np.linspace(0, len(dataset) - 1, min(IMAGES_JUDGED, len(dataset)))
    return replace(dataset, pairs=tuple(dataset.pairs[int(i)] for i in places))


def chosen(run: Run, samples: Sequence[Sample]) -> list[Sample]:
    """Return all samples, or as many as were labelled, drawn by the seed."""
    order = np.random.default_rng(run.seed).permutation(len(samples))
    return [samples[i] for i in order[: run.labelled or None]]


def _sam(
    run: Run, config: TrainingConfig, samples: Sequence[Sample], dataset: Dataset
) -> tuple[dict[str, float], dict[str, float]]:
    if run.method == NOTHING:
        return {"parameters": 0, "bytes": 0}, _quality(dataset, load_predictor())
    started = time.monotonic()
    *_, last = train_adapter(config, samples, [])
    costs = {
        "parameters": last.estimate.trained_parameters,
        "bytes": config.output.stat().st_size,
        **_spent(started),
    }
    if config.trains == "everything":
        return costs, _quality(dataset, load_predictor(config.output))
    return costs, _quality(dataset, load_predictor(adapter=config.output))


def _quality(dataset: Dataset, predictor: SamPredictor) -> dict[str, float]:
    remember_images(predictor)
    point, box = (
        evaluate(dataset, predictor, Interactive(kind, 0, OBJECTS_JUDGED))
        for kind in ("point", "box")
    )
    return {
        "dice": evaluate(dataset, predictor, PromptFree()).mean("dice"),
        "point": point.mean("iou_1"),
        "box": box.mean("iou_1"),
    }


def _evp(
    config: TrainingConfig, samples: Sequence[Sample], dataset: Dataset
) -> tuple[dict[str, float], dict[str, float]]:
    started = time.monotonic()
    trainee = train_evp(config, separate_objects(samples, config.label_kind))
    half = 2
    costs = {
        "parameters": trainee.trained, "bytes": half * trainee.trained,
        **_spent(started),
    }  # fmt: skip
    predictor = EvpPredictor(trainee)
    dices = [
        judge_map(predictor.foreground(plane.seen), plane.labels > 0)[0]
        for reference in dataset.read()
        for plane in planes_of(reference)
    ]
    return costs, {"dice": float(np.mean(dices))}


def _spent(started: float) -> dict[str, float]:
    """Return minutes, and the most memory that this process has used."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KILOBYTE
    return {"minutes": (time.monotonic() - started) / 60, "memory": peak}


def print_compared(results: Sequence[dict[str, Any]]) -> None:
    head = ("method", "trained", "file", "minutes", "memory",
            "no prompt, Dice", "one point, IoU", "one box, IoU")  # fmt: skip
    for dataset in SETS:
        rows = []
        for method in METHODS:
            found = _those(results, dataset=dataset, method=method)
            quality = (_spread(found, measure) for measure in MEASURES)
            rows.append((method, *_costs(found), *quality))
        print(f"\n{dataset}\n\n{markdown(head, rows)}")


def print_labelled(results: Sequence[dict[str, Any]]) -> None:
    head = ("labelled", "minutes", "no prompt, Dice", "one point, IoU", "one box, IoU")
    for dataset in SETS:
        rows = []
        for count in (0, *LABELLED):
            found = _those(results, dataset=dataset, labelled=count)
            minutes = f"{_middle(found, 'minutes'):.1f}" if count else ""
            quality = (_spread(found, measure) for measure in MEASURES)
            rows.append((str(count), minutes, *quality))
        print(f"\n{dataset}, {LABELLED_METHOD}\n\n{markdown(head, rows)}")


def _those(results: Sequence[dict[str, Any]], **wanted: Any) -> list[dict[str, Any]]:
    return [r for r in results if all(r[key] == wanted[key] for key in wanted)]


def _costs(found: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    first = found[0]
    if not first["parameters"]:
        return "0", "", "", ""
    return (
        f"{first['parameters']:,}",
        f"{first['bytes'] / 1e6:.1f} MB",
        f"{_middle(found, 'minutes'):.1f}",
        f"{_middle(found, 'memory') / 1e6:,.0f} MB",
    )


def _middle(found: Sequence[dict[str, Any]], name: str) -> float:
    return statistics.median(result[name] for result in found)


def _spread(found: Sequence[dict[str, Any]], name: str) -> str:
    """Return mean and standard deviation over the seeds."""
    values = [result[name] for result in found if name in result]
    if not values:
        return ""
    mean = f"{statistics.fmean(values):.3f}"
    return f"{mean} ± {statistics.stdev(values):.3f}" if len(values) > 1 else mean


if __name__ == "__main__":
    main()
