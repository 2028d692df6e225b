"""Weights of every family as its authors store them, with reproducible numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch
from tests.model import reference_numbers as ref

from napari_sam_adapter.model.families.efficient_sam import build_efficient_sam
from napari_sam_adapter.model.families.sam_med2d import build_sam_med2d
from napari_sam_adapter.model.families.tiny_vit import (
    StageShape,
    TinyVitShape,
    build_tiny_vit_sam,
)
from napari_sam_adapter.model.sam import build_sam
from napari_sam_adapter.model.shape import SamShape

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam_adapter.model.sam import Sam

    Sizes = dict[str, tuple[int, ...]]
    State = dict[str, torch.Tensor]

SMALL = SamShape(64, 32, 2, (2, 0), 64, decoder_mlp_width=64)
MOBILE = TinyVitShape(
    32,
    3,
    (
        StageShape(64, 2, 256),
        StageShape(128, 2, 512, 4, 7),
        StageShape(160, 6, 640, 5, 14),
        StageShape(320, 2, 1280, 10, 7),
    ),
)


def small_tiny_vit(kernel: int) -> TinyVitShape:
    stages = (StageShape(4, 1, 8), *(StageShape(8, 1, 16, 2, w) for w in (7, 14, 7)))
    return TinyVitShape(4, kernel, stages)


def sizes_of(build: Callable[[], Sam]) -> Sizes:
    with torch.device("meta"):
        state = build().state_dict()
    return {key: tuple(value.shape) for key, value in state.items()}


def sam(shape: SamShape = SMALL) -> State:
    return ref.fill(sizes_of(lambda: build_sam(shape)))


def tiny_vit(shape: TinyVitShape) -> State:
    sizes = sizes_of(lambda: build_tiny_vit_sam(shape))
    width = shape.stages[-1].width
    unused = {"norm_head.weight": (width,), "norm_head.bias": (width,)}
    unused |= {"head.weight": (1000, width), "head.bias": (1000,)}
    return ref.fill(sizes | {f"image_encoder.{k}": v for k, v in unused.items()})


def sam_med2d(shape: SamShape = SMALL) -> State:
    marker = "image_encoder.blocks.0.mlp.Adapter.channel.0.weight"
    hints = sizes_of(lambda: build_sam(shape)) | {marker: (shape.width // 4,)}
    sizes = sizes_of(lambda: build_sam_med2d(hints))
    return ref.fill({k.replace("mlp.Adapter", "Adapter"): v for k, v in sizes.items()})


def efficient_sam(width: int = 64, depth: int = 1, mlp: int = 32) -> State:
    hints = {
        "mask_decoder.transformer.layers.0.mlp.fc.weight": (256, mlp),
        **{
            f"image_encoder.blocks.{i}.mlp.lin1.weight": (4 * width, width)
            for i in range(depth)
        },
    }
    sizes = sizes_of(lambda: build_efficient_sam(hints))
    stored = {
        re.sub(r"^(image_encoder.*mlp\.)lin", r"\1fc", key): size
        for key, size in sizes.items()
    }
    return ref.fill(stored | {"image_encoder.pos_embed": (1, 197, width)})


TO_HUGGING_FACE = (
    ("image_encoder.patch_embed.proj.", "vision_encoder.patch_embed.projection."),
    ("image_encoder.neck.0.", "vision_encoder.neck.conv1."),
    ("image_encoder.neck.1.", "vision_encoder.neck.layer_norm1."),
    ("image_encoder.neck.2.", "vision_encoder.neck.conv2."),
    ("image_encoder.neck.3.", "vision_encoder.neck.layer_norm2."),
    ("image_encoder.blocks.", "vision_encoder.layers."),
    ("image_encoder.", "vision_encoder."),
    ("mask_downscaling.0.", "mask_embed.conv1."),
    ("mask_downscaling.1.", "mask_embed.layer_norm1."),
    ("mask_downscaling.3.", "mask_embed.conv2."),
    ("mask_downscaling.4.", "mask_embed.layer_norm2."),
    ("mask_downscaling.6.", "mask_embed.conv3."),
    ("point_embeddings.", "point_embed."),
    ("output_upscaling.0.", "upscale_conv1."),
    ("output_upscaling.1.", "upscale_layer_norm."),
    ("output_upscaling.3.", "upscale_conv2."),
    (".norm", ".layer_norm"),
    (
        "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
        "prompt_encoder.shared_embedding.positional_embedding",
    ),
)


def hugging_face(state: State) -> State:
    """Name tensors as transformers' SamModel does, which keeps one of them twice."""
    renamed = {}
    for key, tensor in state.items():
        if ".layers." in key and ("_head" in key or "_mlps" in key):
            for old, new in (("0", "proj_in"), ("1", "layers.0"), ("2", "proj_out")):
                if f".layers.{old}." in key:
                    key = key.replace(f".layers.{old}.", f".{new}.")
                    break
        for old, new in TO_HUGGING_FACE:
            key = key.replace(old, new)
        renamed[key] = tensor
    tied = renamed["prompt_encoder.shared_embedding.positional_embedding"]
    return renamed | {"shared_image_embedding.positional_embedding": tied.clone()}
