"""Numbers that anyone can make again, for weights and images of parity tests.

Element j of the array with text key s is a hash of both: x = j * 2654435761 + crc32(s)
modulo 2^32, mixed twice, and scaled to -0.5..0.5. The expected values in the tests were
printed by the authors' implementations with weights made by this rule.
"""

from __future__ import annotations

import zlib

import numpy as np
import torch

EMBEDDING_MARKS = (
    "pos_embed",
    "attention_biases",
    "iou_token.",
    "mask_tokens.",
    "point_embeddings",
    "no_mask_embed",
    "not_a_point_embed",
    "invalid_points",
    "bbox_",
)


SCALES = (".weight", "running_var")


def mixed_bits(key: str, count: int) -> np.ndarray:
    x = np.arange(count, dtype=np.uint32) * np.uint32(2654435761)
    x += np.uint32(zlib.crc32(key.encode()))
    x ^= x >> np.uint32(16)
    x *= np.uint32(2246822519)
    x ^= x >> np.uint32(13)
    return x


def uniform(key: str, shape: tuple[int, ...]) -> np.ndarray:
    return (mixed_bits(key, int(np.prod(shape))) / 2**32 - 0.5).reshape(shape)


def weight(key: str, shape: tuple[int, ...]) -> torch.Tensor:
    if key.endswith("num_batches_tracked"):
        return torch.tensor(0)
    u = uniform(key, shape)
    if key.endswith("positional_encoding_gaussian_matrix"):
        values = 2 * np.sqrt(3) * u
    elif len(shape) == 1:
        values = 1 + 0.2 * u if key.endswith(SCALES) else 0.2 * u
    elif any(mark in key for mark in EMBEDDING_MARKS):
        values = u
    else:
        values = 2 * np.sqrt(3) * u / np.sqrt(u.size / shape[0])
    return torch.from_numpy(values.astype(np.float32))


def fill(shapes: dict[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    return {key: weight(key, tuple(shape)) for key, shape in shapes.items()}


def image(height: int, width: int) -> np.ndarray:
    bits = mixed_bits("image", height * width * 3) >> np.uint32(24)
    return bits.astype(np.uint8).reshape(height, width, 3)


def summary(tensor: torch.Tensor | np.ndarray) -> list[float]:
    """Mean, standard deviation, and the elements at 0, n/3, 2n/3 and the end."""
    flat = np.asarray(tensor, dtype=np.float64).ravel()
    n = flat.size
    picked = flat[[0, n // 3, 2 * n // 3, n - 1]]
    return [flat.mean(), flat.std(), *picked]
