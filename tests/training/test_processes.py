"""Training on two processes equals training on one."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from napari_sam_adapter.model.files.weight_files import read_weights
from napari_sam_adapter.training.runs.adapter_training import train_adapter

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam_adapter.training.recipes.config import TrainingConfig
    from napari_sam_adapter.training.samples.samples import Sample

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.training.conftest import disk_sample
from napari_sam_adapter.training.runs.adapter_training import train_adapter
from napari_sam_adapter.training.recipes.config import TrainingConfig

config = TrainingConfig(
    Path({output!r}), base={base!r}, steps=3, batch=4, micro_batch=1, objects=2,
    validate_every=2, dtype="float32", device="cpu",
)
disks = [disk_sample(number) for number in range(8)]
if {is_left}:
    steps = train_adapter(config, disks)
    next(p for p in steps if p.step == 1)
    steps.close()
    first, *_ = train_adapter(config, disks, resume=True)
    assert first.step == 1
else:
    list(train_adapter(config, disks))
"""


def meeting_place() -> list[str]:
    """Name a free port; ``--standalone`` gives up processes that are late."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return ["--master-addr", "127.0.0.1", "--master-port", str(port)]


@pytest.mark.slow
@pytest.mark.parametrize("is_left", [False, True], ids=["whole", "resumed"])
def test_two_processes_give_what_one_gives(
    config: Callable[..., TrainingConfig],
    disks: list[Sample],
    base: Path,
    tmp_path: Path,
    is_left: bool,
) -> None:
    output = tmp_path / "two.safetensors"
    script = tmp_path / "train.py"
    script.write_text(
        SCRIPT.format(
            root=str(ROOT), output=str(output), base=str(base), is_left=is_left
        )
    )
    launcher = [sys.executable, "-m", "torch.distributed.run", *meeting_place()]
    subprocess.run([*launcher, "--nproc-per-node", "2", str(script)], check=True)
    alone = config(steps=3, batch=4, micro_batch=1)
    list(train_adapter(alone, disks))
    one, two = (read_weights(path)[0] for path in (alone.output, output))
    moved = torch.cat([(one[key] - two[key]).abs().flatten() for key in one])
    # AdamW follows signs: where a gradient is nearly zero, rounding decides
    assert (moved > 1e-5).float().mean() < 0.01
