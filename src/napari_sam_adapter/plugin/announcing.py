"""What is said of a network that was just loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_adapter.intensity import PLANE
from napari_sam_adapter.plugin.image_window_panel import RULES
from napari_sam_adapter.predictions import trained_window

if TYPE_CHECKING:
    from napari_sam_adapter.predictions import Predictor


def ready(model: str, predictor: Predictor) -> str:
    """Say where a network computes, and what it does not understand or use.

    Parameters
    ----------
    model : str
        What the user chose.
    predictor : Predictor
        What was loaded.

    Returns
    -------
    str
        Some sentences for the status line.
    """
    description, understood = predictor.description, predictor.capabilities
    where = f"on {description['device']}"
    if "dtype" in description:
        where = f"{where} in {description['dtype']}"
    sentences = [f"{model} is ready {where}."]
    gaps = {
        "clicks on the background": understood.negative_points,
        "masks as prompts": understood.mask_prompts,
    }
    missing = [kind for kind, is_there in gaps.items() if not is_there]
    if missing:
        sentences.append(f"It does not understand {' or '.join(missing)}.")
    window = trained_window(predictor, None)
    if window is not None:
        values = f" ({window.low:g} to {window.high:g})" * (window.rule != PLANE)
        title = RULES.get(window.rule, window.rule)
        sentences.append(
            f"It learned from images seen by {title}{values}: choose that under What "
            "the network sees."
        )
    if "note" in description:
        sentences.append(description["note"])
    return " ".join(sentences)
