"""Joined steps give the numbers of single ones, and overwrite only what they may."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_sam_adapter.model.decoder.mask_decoder import MapRefiner
from napari_sam_adapter.model.encoder.conv_stem import ConvStem, FinerMaps
from napari_sam_adapter.model.fast_convolution import convolved, with_convolved
from napari_sam_adapter.model.layers import ConvBlock
from napari_sam_adapter.model.prompt_maps import MAP_CHANNELS, MapEmbed

LAYERS = {
    "3 x 3": (nn.Conv2d(8, 12, 3, padding=1), (9, 7)),
    "3 x 3, every second": (nn.Conv2d(8, 12, 3, stride=2, padding=1), (10, 8)),
    "4 x 4, every second": (nn.Conv2d(8, 16, 4, stride=2, padding=1), (10, 8)),
    "1 x 1": (nn.Conv2d(8, 5, 1), (4, 6)),
}


@pytest.mark.parametrize("is_last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("is_cut", [False, True], ids=["whole", "cut"])
@pytest.mark.parametrize("name", LAYERS)
def test_joined_steps_equal_single_ones(name: str, is_cut: bool, is_last: bool) -> None:
    """Channels come first or last in memory."""
    layer, size = LAYERS[name]
    layer.requires_grad_(False)
    x = torch.randn(2, 8, *size, generator=torch.manual_seed(0))
    if is_last:
        x = x.contiguous(memory_format=torch.channels_last)
    alone = layer(x)
    total = torch.randn_like(alone)
    expected = [alone, total + alone]
    if is_cut:
        expected = [values.relu() for values in expected]
    with torch.inference_mode():
        found = convolved(layer, x, is_cut)
        summed = with_convolved(total.clone(), layer, x, is_cut)
    assert torch.allclose(found, expected[0], atol=1e-6)
    assert torch.allclose(summed, expected[1], atol=1e-6)


def test_nothing_is_overwritten_while_gradients_are_needed() -> None:
    layer = nn.Conv2d(4, 4, 3, padding=1)
    x, total = torch.randn(1, 4, 5, 5), torch.ones(1, 4, 5, 5)
    with_convolved(total, layer, x, is_cut=True).sum().backward()
    assert torch.equal(total, torch.ones(1, 4, 5, 5))
    assert layer.weight.grad is not None


def test_the_small_model_without_gradients_is_the_one_that_was_trained() -> None:
    torch.manual_seed(0)
    image, maps = torch.randn(2, 3, 64, 64), torch.rand(2, MAP_CHANNELS, 16, 16)
    features = torch.randn(2, 256, 4, 4)
    stem, finer, drawn = ConvStem(32), FinerMaps(), MapEmbed(32)
    refiner, block = MapRefiner(64, 32), ConvBlock(8)

    def run() -> list[torch.Tensor]:
        tokens, sides = stem(image)
        eighth, quarter = finer(features, sides)
        coarse = refiner.coarse(eighth.clone(), maps)
        refined = block(maps.clone())
        fine = refiner.fine(quarter.clone(), maps)
        return [tokens, *sides, eighth, quarter, drawn(maps), coarse, fine, refined]

    before = image.clone(), maps.clone(), features.clone()
    plain = run()
    with torch.inference_mode():
        joined = run()
    for one, other in zip(plain, joined, strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    for given, kept in zip((image, maps, features), before, strict=True):
        assert torch.equal(given, kept)
