"""Names and files to a predictor that is ready to use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_sam_adapter import __version__
from napari_sam_adapter.errors import DeviceError
from napari_sam_adapter.inference.predictor import SamPredictor
from napari_sam_adapter.inference.weights import find_weights
from napari_sam_adapter.model.checkpoints import load_checkpoint
from napari_sam_adapter.model.variants import MODELS

if TYPE_CHECKING:
    from pathlib import Path

DTYPES = {"auto": torch.float32, "float32": torch.float32, "bfloat16": torch.bfloat16}


def load_predictor(
    model: str | Path = "tiny",
    adapter: str | Path | None = None,
    device: str = "auto",
    dtype: str = "auto",
) -> SamPredictor:
    """Load a model, with or without an adapter.

    Parameters
    ----------
    model : str or Path
        A name that ``napari-sam-adapter models`` lists, or the path of a checkpoint.
    adapter : str, Path or None
        A name, or the path of an adapter file that was trained for this model.
    device : str
        ``"auto"`` takes a CUDA GPU if there is one, else the CPU.
    dtype : str
        ``"auto"``, ``"float32"`` or ``"bfloat16"``.

    Returns
    -------
    SamPredictor
        Ready to encode.

    Raises
    ------
    CheckpointError
        If a file cannot be used, or the adapter belongs to another model.
    DeviceError
        If the device or number format is not there.
    """
    chosen_device = choose_device(device)
    if dtype not in DTYPES:
        raise DeviceError(
            f"Expected a number format among {', '.join(DTYPES)}, got {dtype!r}."
        )
    checkpoint = load_checkpoint(find_weights(str(model), MODELS, "model"))
    description = {
        "model": str(model),
        "model_sha256": checkpoint.sha256,
        "device": chosen_device,
        "dtype": str(DTYPES[dtype]).removeprefix("torch."),
        "version": __version__,
    }
    predictor = SamPredictor(checkpoint, description, chosen_device, DTYPES[dtype])
    return predictor if adapter is None else predictor.with_adapter(adapter)


def choose_device(device: str) -> str:
    """Return a device that is there.

    Parameters
    ----------
    device : str
        ``"auto"``, or the name of a PyTorch device.

    Returns
    -------
    str
        For ``"auto"`` a CUDA GPU if there is one, else the CPU.

    Raises
    ------
    DeviceError
        If this machine does not have the device.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=device).item()  # "meta" has no numbers
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise DeviceError(
            f"Expected a device of this machine, got {device!r}. "
            'Use "auto", or "cpu", which always works.'
        ) from error
    return device
