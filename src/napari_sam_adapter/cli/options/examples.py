"""What stands below the options in the help of each command: commands to try."""

from __future__ import annotations

PROGRAM = "napari-sam-adapter"

_EXAMPLES = {
    "segment": (
        "segment cells.png --point 130,34 --negative 130,55 -o labels.png",
        "segment nuclei.ome.tif --point 20,89,138 --propagate -o labels.ome.tif",
        "segment ct.nii.gz --box 40,100,120:40,160,190 --propagate -o liver.nii.gz",
        "segment cells.png --point 130,34 --point 15,40 --separate -o labels.png",
        "segment cells.png --prompts points.csv -o labels.png",
    ),
    "find": (
        "find cells.png --adapter microscopy -o labels.png",
        "find nuclei.ome.tif --adapter microscopy --slices 15 --propagate -o all.tif",
        "find nuclei.ome.tif --adapter microscopy --slices : -o labels.tif",
        "find cells/train/images --adapter microscopy -o found_cells",
    ),
    "embed": (
        "embed nuclei.ome.tif --embeddings embeddings",
        "segment nuclei.ome.tif --point 20,89,138 --embeddings embeddings -o one.tif",
    ),
    "sample": ("sample", "sample to_try/"),
    "demo": ("demo", "demo --headless -o picture.png"),
    "annotate": ("annotate plate_1/", "annotate a.tif b.tif c.nii.gz"),
    "evaluate": (
        "evaluate cells/ --adapter microscopy --output found",
        "evaluate cells/ --start box --corrections 0 --objects 10",
        "evaluate cells/ --compare none mine.safetensors",
        "evaluate nuclei.ome.tif --labels nuclei_labels.ome.tif --protocol propagation",
    ),
    "measure": (
        "measure nuclei.ome.tif nuclei_labels.ome.tif -o objects.csv",
        "measure plate_1/ -o all.csv",
        "measure cells/train/images found_cells -o all.csv",
    ),
    "export": (
        "export nuclei_labels.ome.tif labels.nii.gz --image nuclei.ome.tif",
        "export cells_labels.png annotations.json --image cells.png",
    ),
    "models": (
        "models",
        "models show vit_b",
        "models download vit_b --yes",
        "models import mine.safetensors --name mine",
    ),
    "pretrain": ("pretrain tiny --data FOLDER -o tiny.safetensors",),
    "replay": (
        "replay cells.session --image cells.tif -o labels.tif",
        "replay cells.session --image cells.tif --methods",
    ),
    "train": (
        "train cells/ -o mine.safetensors",
        "train nuclei.ome.tif --labels nuclei_labels.ome.tif --trains decoder "
        "-o decoder.safetensors",
        "train cells/ --from microscopy --steps 100 -o mine.safetensors",
        "segment cells.png --adapter mine.safetensors --point 130,34 -o labels.png",
    ),
}


def examples_of(command: str) -> str:
    """Return the examples of a command for the end of its help.

    Parameters
    ----------
    command : str
        Its name.

    Returns
    -------
    str
        One example on a line.
    """
    lines = (f"{PROGRAM} {example}" for example in _EXAMPLES[command])
    return "\n".join(["\b", "Examples:", *lines])  # \b: lines stay as they are
