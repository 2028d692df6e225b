"""How long changing the adapter of a loaded vit_b takes, and what memory it costs."""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

from napari_sam_adapter import load_predictor
from napari_sam_adapter.model.adapters.adapter import SamAdapter
from napari_sam_adapter.model.files.adapter_files import save_adapter
from napari_sam_adapter.model.files.checkpoints import load_checkpoint
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import VIT_B

ROUNDS = 10
KILOBYTE = 1024 if sys.platform != "darwin" else 1
MEGABYTE = 2**20


def write_weights(folder: Path) -> tuple[Path, list[Path]]:
    """Write a vit_b of random weights and two adapters for it."""
    base_file = folder / "vit_b.pth"
    torch.save(build_sam(VIT_B).state_dict(), base_file)
    base = load_checkpoint(base_file)
    adapters = [folder / f"adapter{i}.safetensors" for i in range(2)]
    for path in adapters:
        adapter = SamAdapter(VIT_B.width, len(VIT_B.windows))
        save_adapter(adapter, base.sam, path, "vit_b", base.sha256)
    return base_file, adapters


def peak_memory() -> float:
    """Return the most memory this process has used so far, in MB."""
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return usage * KILOBYTE / MEGABYTE


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    """Print the table."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as name:
        base_file, adapters = write_weights(Path(name))
        predictor = load_predictor(base_file, device="cpu")
        before, seconds, alive = peak_memory(), [], []
        for i in range(ROUNDS):
            started = time.perf_counter()
            alive.append(predictor.with_adapter(adapters[i % 2]))
            seconds.append(time.perf_counter() - started)
        grown = (peak_memory() - before) / ROUNDS
        size = adapters[0].stat().st_size / MEGABYTE
    print(f"threads {torch.get_num_threads()}, {ROUNDS} adapters alive on one vit_b")
    print("| changing the adapter | median | longest | memory each | file |")
    print("|---|--:|--:|--:|--:|")
    print(
        f"| vit_b, CPU | {1000 * statistics.median(seconds):.0f} ms | "
        f"{1000 * max(seconds):.0f} ms | {grown:.1f} MB | {size:.1f} MB |"
    )


if __name__ == "__main__":
    main()
