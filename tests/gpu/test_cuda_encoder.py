"""A CUDA GPU gives what the CPU gives, whatever happens to weights and memory."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_sam_adapter import Prompts, SamPredictor
from napari_sam_adapter.inference.network.network import Network, one_by_one
from napari_sam_adapter.model.adapters.adapter import SamAdapter
from napari_sam_adapter.model.files.checkpoints import Checkpoint
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import TINY, SamShape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn

    from napari_sam_adapter.model.sam import Sam

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

SHAPE = SamShape(256, 128, 2, (14, 14, 0), 512)
VALID = 256, 192
F32, HALF = torch.float32, torch.bfloat16
NEAR = 5e-3
"""Of embeddings that may differ by rounding in bfloat16; others differ by 1e-2."""


def shaken(module: nn.Module, seed: int = 0) -> None:
    """Change every weight, so that no position, bias or prompt is zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in module.parameters():
            noise = torch.randn(weight.shape, generator=generator) * 0.05
            weight.add_(noise.to(weight.device))


def random_sam() -> Sam:
    torch.manual_seed(0)
    sam = build_sam(SHAPE).eval().requires_grad_(False)
    shaken(sam)
    return sam


def random_adapter(seed: int) -> SamAdapter:
    adapter = SamAdapter(SHAPE.width, len(SHAPE.windows)).eval().requires_grad_(False)
    shaken(adapter, seed)
    return adapter


def images(count: int = 1, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    batch = torch.randn(count, 3, 256, 256, generator=generator)
    batch[..., VALID[1] :] = 0
    return batch


def embeddings(network: Network, batch: Tensor) -> list[Tensor]:
    """Return what each image gives, on the CPU."""
    parts = network.encode(batch, VALID)
    return [features.cpu() for part in parts for features, _ in one_by_one(part)]


def on(device: str, sam: Sam, adapter: SamAdapter | None = None, dtype=F32) -> Network:
    return Network(Checkpoint(sam, adapter, ""), device, dtype)


def distance(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("is_adapted", [False, True])
def test_float32_equals_the_cpu(is_adapted: bool) -> None:
    sam, adapter = random_sam(), random_adapter(1) if is_adapted else None
    batch = images(3)
    expected = embeddings(on("cpu", *copy.deepcopy((sam, adapter))), batch)
    gpu = on("cuda", sam, adapter)
    together = embeddings(gpu, batch)
    one_at_a_time = [embeddings(gpu, batch[i : i + 1])[0] for i in (0, 1, 2)]
    for found in (*together, *one_at_a_time):
        assert not found.isnan().any()
    for found in (together, one_at_a_time):
        for i in range(3):
            assert (found[i] - expected[i]).abs().max() < 1e-4


@pytest.mark.parametrize("dtype", [F32, HALF])
def test_a_replay_equals_the_first_time(dtype: torch.dtype) -> None:
    gpu = on("cuda", random_sam(), random_adapter(1), dtype)
    batch = images(2)
    first, other = (gpu.encode(batch[i : i + 1], VALID)[0] for i in (0, 1))
    kept = first.embedding.clone()
    for i, expected in ((0, first), (1, other), (0, first)):
        replayed = gpu.encode(batch[i : i + 1], VALID)[0]
        near = NEAR if dtype == HALF else 1e-5
        assert distance(replayed.embedding, expected.embedding) < near
    assert torch.equal(first.embedding, kept)
    assert gpu._recorded._recording is not None


def test_half_precision_is_near() -> None:
    sam, adapter = random_sam(), random_adapter(1)
    (expected,) = embeddings(on("cpu", *copy.deepcopy((sam, adapter))), images())
    gpu = on("cuda", sam, adapter, HALF)
    for _ in range(3):
        (found,) = embeddings(gpu, images())
        assert 0 < distance(found, expected) < 0.02


def test_weights_that_change_are_seen() -> None:
    sam = random_sam()
    gpu = on("cuda", sam, dtype=HALF)
    before = [embeddings(gpu, images()) for _ in range(3)][-1][0]
    shaken(sam, 2)
    (after,) = embeddings(gpu, images())
    (expected,) = embeddings(on("cuda", copy.deepcopy(sam), dtype=HALF), images())
    assert distance(after, before) > 0.01
    assert distance(after, expected) < NEAR


def test_weights_that_are_replaced_are_seen() -> None:
    sam = random_sam()
    gpu = on("cuda", sam)
    before = [embeddings(gpu, images()) for _ in range(3)][-1][0]
    changed = random_sam()
    shaken(changed, 2)
    sam.image_encoder.load_state_dict(
        changed.cuda().image_encoder.state_dict(), assign=True
    )
    found = [embeddings(gpu, images())[0] for _ in range(3)]
    (expected,) = embeddings(on("cuda", changed), images())
    assert distance(found[0], before) > 0.01
    assert all(distance(one, expected) < NEAR for one in found)


def test_adapters_take_turns_on_one_base() -> None:
    sam = random_sam()
    networks = [on("cuda", sam), *(on("cuda", sam, random_adapter(i)) for i in (1, 2))]
    first = [embeddings(network, images())[0] for network in networks]
    for _ in range(3):
        for network, expected in zip(networks, first, strict=True):
            assert distance(embeddings(network, images())[0], expected) < NEAR
    assert distance(first[1], first[2]) > 0.01


def test_threads_get_what_they_ask_for() -> None:
    gpu = on("cuda", random_sam(), dtype=HALF)
    batch = images(4)
    expected = [embeddings(gpu, batch[i : i + 1])[0] for i in range(4)]

    def encode(i: int) -> float:
        return distance(embeddings(gpu, batch[i : i + 1])[0], expected[i])

    with ThreadPoolExecutor(4) as pool:
        assert max(pool.map(encode, [i % 4 for i in range(32)])) < NEAR


@pytest.fixture
def memory() -> Iterator[Callable[[float], None]]:
    """Set which share of the GPU's memory may be used."""
    yield torch.cuda.set_per_process_memory_fraction
    torch.cuda.set_per_process_memory_fraction(1.0)


def test_without_memory_it_goes_on_on_the_cpu(memory: Callable[[float], None]) -> None:
    sam = random_sam()
    (expected,) = embeddings(on("cpu", copy.deepcopy(sam)), images())
    gpu = on("cuda", sam)
    embeddings(gpu, images())
    torch.cuda.empty_cache()
    memory(1e-5)
    with pytest.warns(RuntimeWarning, match="Too little memory"):
        (found,) = embeddings(gpu, images())
    assert gpu.device.type == "cpu"
    assert (found - expected).abs().max() < 1e-4


def test_masks_equal_those_of_the_cpu() -> None:
    sam = random_sam()
    pixels = np.random.default_rng(0).integers(0, 4096, (100, 75)).astype(np.uint16)
    prompts = Prompts([(50, 40)], box=(20, 20, 80, 60))
    answers = []
    for device in ("cpu", "cuda"):
        checkpoint = Checkpoint(copy.deepcopy(sam), None, "")
        predictor = SamPredictor(checkpoint, {"model": "random"}, device)
        embedding = predictor.encode_batch([pixels[::-1]] * 9 + [pixels])[9]
        answers.append(predictor.predict(embedding, prompts))
    one, other = (np.asarray(answer.logits) for answer in answers)
    assert np.abs(one - other).max() < 1e-3 * np.abs(one).max()


def test_the_small_model_runs() -> None:
    torch.manual_seed(0)
    sam = build_sam(TINY).eval().requires_grad_(False)
    batch = torch.randn(1, 3, 512, 512)
    cpu = Network(Checkpoint(copy.deepcopy(sam), None, ""), "cpu", F32)
    gpu = Network(Checkpoint(sam, None, ""), "cuda", F32)
    (expected,) = cpu.encode(batch, (512, 512))
    for _ in range(3):
        (found,) = gpu.encode(batch, (512, 512))
        pairs = [(found.embedding, expected.embedding)]
        pairs += zip(found.skips, expected.skips, strict=True)
        assert all((a.cpu() - b).abs().max() < 1e-3 for a, b in pairs)
