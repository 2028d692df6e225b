from __future__ import annotations

import pytest
import torch

from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.model.adapters.adapted_encoder import AdaptedImageEncoder
from napari_sam_adapter.model.adapters.adapter import SamAdapter
from napari_sam_adapter.model.adapters.task_information import FILTERS
from napari_sam_adapter.model.layers import Window
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import small_shape

WIDTH, DEPTH = 32, 3


@pytest.fixture(autouse=True)
def _same_numbers() -> None:
    torch.manual_seed(0)


def make(**options) -> SamAdapter:
    adapter = SamAdapter(WIDTH, DEPTH, **options)
    torch.nn.init.normal_(adapter.shared_mlp.weight)
    return adapter


def prompts(adapter: SamAdapter) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(1, 3, 64, 64, generator=generator)
    tokens = torch.randn(1, 4, 4, WIDTH, generator=generator)
    with torch.no_grad():
        return torch.stack(list(adapter(image, tokens, (40, 64))))


def with_state_of(other: SamAdapter, **options) -> SamAdapter:
    adapter = make(**options)
    adapter.load_state_dict(other.state_dict(), strict=False)
    return adapter


@pytest.mark.parametrize(("width", "inner"), [(192, 24), (768, 24), (1280, 40)])
def test_bottleneck_is_as_published_but_not_less_than_24(
    width: int, inner: int
) -> None:
    assert SamAdapter(width, 1).shared_mlp.weight.shape == (width, inner)


def test_published_vit_b_adapter_has_63312_numbers() -> None:
    adapter = SamAdapter(768, 12)
    assert sum(p.numel() for p in adapter.parameters()) == 63_312
    assert "log_weights" not in adapter.state_dict()


@pytest.mark.parametrize("source", [*FILTERS, "patch_embedding"])
def test_every_source_works_alone_and_matters(source: str) -> None:
    adapter = make(sources=[source])
    assert prompts(adapter).shape == (DEPTH, 1, 4, 4, WIDTH)
    silent = with_state_of(adapter, sources=[source], weights={source: 0.0})
    assert not torch.equal(prompts(adapter), prompts(silent))


def test_own_function_is_a_source() -> None:
    sources = ["fft_highpass", "inverted"]
    seen = []

    def inverted(part: torch.Tensor) -> torch.Tensor:
        seen.append(part.shape)
        return -part

    adapter = make(sources=sources, functions={"inverted": inverted})
    assert prompts(adapter).shape == (DEPTH, 1, 4, 4, WIDTH)
    assert seen == [(1, 3, 40, 64)]
    assert "embed_inverted.proj.weight" in adapter.state_dict()


def test_weights_scale_the_sources() -> None:
    full = make()
    half = with_state_of(full, weights={"fft_highpass": 0.5})
    scaled = with_state_of(full)
    for value in scaled.prompt_generator.parameters():
        value.data.mul_(0.5)
    assert not torch.allclose(prompts(half), prompts(full))
    assert torch.allclose(prompts(half), prompts(scaled), atol=1e-6)
    assert half.weights == {"patch_embedding": 1.0, "fft_highpass": 0.5}


@pytest.mark.parametrize("learned", ["shared", "per_block"])
def test_learned_weights_start_where_they_are_told(learned: str) -> None:
    fixed = make(weights={"fft_highpass": 0.5})
    adapter = with_state_of(
        fixed, weights={"fft_highpass": 0.5}, learned_weights=learned
    )
    assert torch.allclose(prompts(adapter), prompts(fixed), atol=1e-6)


def test_learned_weights_per_block_reach_their_block_alone() -> None:
    adapter = make(learned_weights="per_block")
    before = prompts(adapter)
    adapter.log_weights.data[1, 0] = 2.0
    changed = (prompts(adapter) != before).flatten(1).any(dim=1)
    assert changed.tolist() == [False, True, False]
    assert adapter.weights["patch_embedding"] == pytest.approx([1, 7.389, 1], abs=1e-3)
    assert adapter.weights["fft_highpass"] == [1, 1, 1]


def test_learned_weights_receive_gradients() -> None:
    adapter = make(learned_weights="shared")
    image, tokens = torch.randn(1, 3, 64, 64), torch.randn(1, 4, 4, WIDTH)
    torch.stack(list(adapter(image, tokens))).sum().backward()
    assert adapter.log_weights.grad is not None
    assert adapter.log_weights.grad.abs().min() > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sources": ["edges"]}, "got edges. For a source of your own"),
        ({"sources": []}, "got none"),
        ({"sources": ["srm", "srm"]}, "different sources"),
        ({"sources": ["a.b"], "functions": {"a.b": abs}}, "letters, digits"),
        ({"weights": {"srm": 1.0}}, "got srm"),
        ({"sources": ["srm", 1]}, "got 1. For a source of your own"),
        ({"weights": {1: 1.0}}, "fft_highpass, got 1"),
        ({"weights": {"fft_highpass": float("nan")}}, "finite weight for fft_highpass"),
        ({"weights": {"fft_highpass": "a"}}, "finite weight for fft_highpass, got a"),
        ({"weights": {"fft_highpass": [1, 2]}}, r"fft_highpass, got \[1, 2\]"),
        ({"weights": {"fft_highpass": None}}, "fft_highpass, got None"),
        (
            {"weights": {"fft_highpass": 0.0}, "learned_weights": "shared"},
            "positive weight",
        ),
        (
            {"weights": {"srm": "a"}, "sources": ["srm"], "learned_weights": "shared"},
            "positive weight for srm, got a",
        ),
        ({"learned_weights": "sometimes"}, "none, shared, per_block, got sometimes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_senseless_options_are_refused(options: dict, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        make(**options)


def test_fresh_adapter_changes_nothing_of_the_small_model_and_its_windows() -> None:
    encoder = build_sam(small_shape(32, 2, 128, 64)).image_encoder.eval()
    torch.nn.init.normal_(encoder.pos_embed)
    adapted = AdaptedImageEncoder(encoder, SamAdapter(32, 2))
    image, window = torch.randn(1, 3, 64, 64), Window(0, 64, 64)
    with torch.no_grad():
        found, expected = adapted(image, window=window), encoder(image, window)
    assert torch.equal(found.embedding, expected.embedding)
    assert len(found.skips) == len(expected.skips) == 2
