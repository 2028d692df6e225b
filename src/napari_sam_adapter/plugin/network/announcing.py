"""What is said of a network that was just loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_adapter.intensity import CT_WINDOWS, PLANE
from napari_sam_adapter.predictions import learned_window

if TYPE_CHECKING:
    from napari_sam_adapter.intensity import IntensityMapping
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
    window = learned_window(predictor)
    if window is not None:
        sentences.append(
            f"It learned from images seen {_through(window)}, and sees yours so, if "
            "they have more than 8 bits, unless you choose otherwise under What the "
            "network sees."
        )
    if "note" in description:
        sentences.append(description["note"])
    return " ".join(sentences)


def _through(window: IntensityMapping) -> str:
    if window.rule == PLANE:
        return "each slice by itself"
    values = f"{window.low:g} to {window.high:g}"
    if window.rule in CT_WINDOWS:
        return f"by CT {window.rule} ({values})"
    return f"from {values}"
