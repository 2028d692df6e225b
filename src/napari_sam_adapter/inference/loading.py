"""Names and files to a predictor that is ready to use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_sam_adapter import __version__
from napari_sam_adapter.errors import DeviceError
from napari_sam_adapter.inference.number_format import choose_format
from napari_sam_adapter.inference.predictor import SamPredictor
from napari_sam_adapter.inference.weights import find_weights
from napari_sam_adapter.model.checkpoints import load_checkpoint
from napari_sam_adapter.weight_store.entries import Kind

if TYPE_CHECKING:
    from pathlib import Path


def load_predictor(
    model: str | Path = "tiny",
    adapter: str | Path | None = None,
    device: str = "auto",
    dtype: str = "auto",
    preprocessing: str | None = None,
) -> SamPredictor:
    """Load a model, with or without an adapter.

    Parameters
    ----------
    model : str or Path
        A name that ``napari-sam-adapter models`` lists, or the path of a checkpoint.
        What is not here yet is downloaded; its size and licence are logged first.
    adapter : str, Path or None
        A name, or the path of an adapter file that was trained for this model.
    device : str
        ``"auto"`` takes a CUDA GPU if there is one, else the CPU.
    dtype : str
        ``"auto"``, ``"float32"`` or ``"bfloat16"``. ``"auto"`` is bfloat16 where a
        short measurement shows that it pays; the predictor's description says what
        was taken.
    preprocessing : str or None
        How the network wants its images, where neither its file nor its name tells:
        ``"sam"``, ``"medsam"`` or ``"micro-sam"`` for files with SAM's tensors.

    Returns
    -------
    SamPredictor
        Ready to encode.

    Raises
    ------
    CheckpointError
        If a file cannot be used or fetched, does not tell its preprocessing, or the
        adapter belongs to another model.
    OutputError
        If a download cannot be written.
    DeviceError
        If the device or number format is not there.
    """
    chosen_device = choose_device(device)
    path = find_weights(str(model), Kind.MODEL)
    checkpoint = load_checkpoint(path, preprocessing)
    chosen_format = choose_format(dtype, chosen_device, checkpoint)
    description = {
        "model": str(model),
        "model_sha256": checkpoint.sha256,
        "device": chosen_device,
        "dtype": str(chosen_format).removeprefix("torch."),
        "preprocessing": checkpoint.family.name,
        "version": __version__,
    }
    if checkpoint.note:
        description["note"] = checkpoint.note
    predictor = SamPredictor(checkpoint, description, chosen_device, chosen_format)
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
