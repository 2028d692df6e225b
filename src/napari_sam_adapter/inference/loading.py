"""Names and files to a predictor that is ready to use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from napari_sam_adapter import __version__
from napari_sam_adapter.errors import CheckpointError, DeviceError
from napari_sam_adapter.inference.number_format import choose_format
from napari_sam_adapter.inference.predictor import SamPredictor
from napari_sam_adapter.model.adapter_files import load_adapter
from napari_sam_adapter.model.checkpoints import load_checkpoint
from napari_sam_adapter.model.variants import ADAPTERS, MODELS
from napari_sam_adapter.model.weight_files import download, file_hash

if TYPE_CHECKING:
    from napari_sam_adapter.model.variants import ModelVariant

WEIGHTS_FOLDER = Path(__file__).parents[1] / "weights"


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
        ``"auto"``, ``"float32"`` or ``"bfloat16"``. ``"auto"`` is bfloat16 where a
        short measurement shows that it pays; the predictor's description says what
        was taken.

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
    checkpoint = load_checkpoint(_find(str(model), MODELS, "model"))
    chosen_format = choose_format(dtype, chosen_device, checkpoint)
    description = {
        "model": str(model),
        "model_sha256": checkpoint.sha256,
        "device": chosen_device,
        "dtype": str(chosen_format).removeprefix("torch."),
        "version": __version__,
    }
    if adapter is not None:
        path = _find(str(adapter), ADAPTERS, "adapter")
        checkpoint = load_adapter(path, checkpoint, str(model))
        description |= {"adapter": str(adapter), "adapter_sha256": file_hash(path)}
    return SamPredictor(checkpoint, description, chosen_device, chosen_format)


def _find(name: str, table: dict[str, ModelVariant], kind: str) -> Path:
    """Return the file of a named or given set of weights."""
    variant = table.get(name)
    if variant is None:
        path = Path(name)
        if path.is_file():
            return path
        names = ", ".join(table) or "none yet"
        raise CheckpointError(
            f"Expected the name of a {kind} ({names}) or a file, got {name!r}. "
            "Check the spelling or the path."
        )
    return WEIGHTS_FOLDER / variant.file if variant.file else download(variant)


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
