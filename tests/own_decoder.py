"""A second network on the encoder of the first."""

from __future__ import annotations

import copy

from napari_sam_adapter.model.sam import Sam


def with_own_decoder(sam: Sam) -> Sam:
    """Return a network that shares the image encoder; all else is copied."""
    parts = copy.deepcopy((sam.prompt_encoder, sam.mask_decoder))
    return Sam(sam.image_encoder, *parts).train(sam.training)
