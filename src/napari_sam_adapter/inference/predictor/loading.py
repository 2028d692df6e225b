"""Names and files to a predictor that is ready to use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam_adapter import __version__
from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.inference.network.fastest import (
    EXACT,
    FORMATS,
    checked_device,
    choose_way,
)
from napari_sam_adapter.inference.predictor.predictor import SamPredictor
from napari_sam_adapter.inference.predictor.weights import (
    check_base,
    lasting_name,
    load_model,
)
from napari_sam_adapter.model.families.preparation import SMALL
from napari_sam_adapter.weight_store.entries import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch

    from napari_sam_adapter.model.adapters.task_information import ImageFilter


def load_predictor(
    model: str | Path = "tiny",
    adapter: str | Path | None = None,
    device: str | torch.device = "auto",
    dtype: str = "auto",
    preprocessing: str | None = None,
    functions: Mapping[str, ImageFilter] | None = None,
) -> SamPredictor:
    """Load a model, with or without an adapter.

    Parameters
    ----------
    model : str or Path
        A name that ``napari-sam-adapter models`` lists, or the path of a checkpoint.
        What is not here yet is downloaded; its size and licence are logged first.
    adapter : str, Path or None
        A name, or the path of an adapter file that was trained for this model.
    device : str or torch.device
        ``"auto"``, ``"cpu"``, ``"cuda"``, ... ``"auto"`` is the device that a short
        measurement finds fastest.
    dtype : str
        ``"auto"``, ``"float32"`` or ``"bfloat16"``. ``"auto"`` is bfloat16 where a
        short measurement shows that it pays. The predictor's description says what was
        taken, the log how long each took.
    preprocessing : str or None
        How the network wants its images, where neither its file nor its name tells:
        ``"sam"``, ``"medsam"`` or ``"micro-sam"`` for files with SAM's tensors. An
        imported model remembers it.
    functions : mapping of str to callable, optional
        The adapter's sources of task information of your own, by name; see
        `SamAdapter`.

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
    device = str(device)
    if device != "auto":
        checked_device(device)  # before a large file is read
    if adapter is not None:
        check_base(str(model), str(adapter))
    checkpoint = load_model(str(model), preprocessing)
    # the small model gains nothing by half precision
    formats = EXACT if checkpoint.family == SMALL else tuple(FORMATS)
    way = choose_way(device, dtype, formats)
    description = {
        "model": str(model),
        "model_sha256": checkpoint.sha256,
        "device": way.device,
        "dtype": way.dtype,
        "preprocessing": checkpoint.family.name,
        "version": __version__,
    }
    if checkpoint.note:
        description["note"] = checkpoint.note
    predictor = SamPredictor(checkpoint, description, way.device, FORMATS[way.dtype])
    predictor.loaded_with = {
        "model": lasting_name(str(model), Kind.MODEL),
        "adapter": None,
        "preprocessing": preprocessing,
        "functions": None,
    }
    if adapter is None:
        return predictor
    return predictor.with_adapter(adapter, functions)


def how_to_load(predictor: SamPredictor) -> tuple[Any, ...]:
    """Return what a pickle of a predictor keeps: names and sums of its files.

    Parameters
    ----------
    predictor : SamPredictor
        From `load_predictor`.

    Returns
    -------
    (callable, tuple)
        `load_again` and its arguments.

    Raises
    ------
    CheckpointError
        If it was not made by `load_predictor`.
    """
    about, given = predictor.description, predictor.loaded_with
    if given is None:
        raise CheckpointError(
            "Expected a predictor from load_predictor to send to another process, got "
            f"one that was put together from {about.get('model')}. Save its weights, "
            "and load them there."
        )
    return load_again, (about, given)


def load_again(
    description: Mapping[str, str], given: Mapping[str, Any]
) -> SamPredictor:
    """Load a predictor by what another one says of itself, as pickles do.

    Parameters
    ----------
    description : mapping of str to str
        `SamPredictor.description`.
    given : mapping of str
        `SamPredictor.loaded_with`.

    Returns
    -------
    SamPredictor
        With the same weights.

    Raises
    ------
    CheckpointError
        If a file is not here, or holds other weights.
    DeviceError
        If the device is not there.
    """
    device, dtype = description["device"], description["dtype"]
    loaded = load_predictor(device=device, dtype=dtype, **given)
    for part in ("model", "adapter"):
        key = f"{part}_sha256"
        if loaded.description.get(key) != description.get(key):
            raise CheckpointError(
                f"Expected the {part} {description[part]} as it was loaded before, got "
                "other weights of that name. Load the predictor anew."
            )
    names = {k: v for k, v in description.items() if k in ("model", "adapter")}
    loaded.description = loaded.description | names
    return loaded
