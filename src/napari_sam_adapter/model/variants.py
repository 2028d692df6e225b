"""The models and adapters that can be named; data only."""

from __future__ import annotations

from dataclasses import dataclass, replace

_GITHUB, _HUB = "https://github.com/", "https://huggingface.co/"
_OFFICIAL = "https://dl.fbaipublicfiles.com/segment_anything/"
_CLOUD = "https://owncloud.gwdg.de/index.php/s/"
_ZOO = "https://uk1s3.embassy.ebi.ac.uk/public-datasets/bioimage.io/"
_SAM_SOURCE = "github.com/facebookresearch/segment-anything"
_TI_SHA256 = "dff858b19600a46461cbb7de98f796b23a7a888d9f5e34c0b033f7d6eb9e4e6a"
_SIZES = {"t": 40_700_000, "b": 375_000_000, "l": 1_249_500_000, "h": 2_564_600_000}


@dataclass(frozen=True)
class ModelVariant:
    """A named set of weights: either shipped, or downloaded, or fetched by hand.

    Parameters
    ----------
    name : str
        What users type.
    description : str
        One line for lists.
    licence : str
        Of the weights.
    source : str
        Who made them.
    file : str or None
        File inside the package, for weights that are shipped.
    url : str or None
        Where the others are downloaded from.
    page : str or None
        Where people find weights that no program may download.
    sha256 : str or None
        Checksum of the download; None if its authors published none.
    size : int
        About how many bytes it has, for lists.
    saved_as : str
        Name of the file in the cache folder.
    is_archive : bool
        Whether the URL gives a zip file that holds the file.
    preprocessing : str or None
        How the network wants its images, for imported files; None where the file tells.
    base : str or None
        The only model that an adapter belongs to; None where the file tells.
    """

    name: str
    description: str
    licence: str
    source: str
    file: str | None = None
    url: str | None = None
    page: str | None = None
    sha256: str | None = None
    size: int = 0
    saved_as: str = ""
    is_archive: bool = False
    preprocessing: str | None = None
    base: str | None = None


def _official(size: str, file: str, sha256: str, n_bytes: int) -> ModelVariant:
    return ModelVariant(
        f"vit_{size}",
        f"Segment Anything, ViT-{size.upper()}",
        "Apache-2.0",
        _SAM_SOURCE,
        url=_OFFICIAL + file,
        sha256=sha256,
        size=n_bytes,
        saved_as=file,
    )


def _micro_sam(size: str, data: str, zoo_id: str, what: str) -> ModelVariant:
    name = f"vit_{size}_{data}"
    return ModelVariant(
        name,
        f"micro-sam for {what}, ViT-{size.upper()}",
        "CC-BY-4.0",
        f"github.com/computational-cell-analytics/micro-sam, {zoo_id.split('/')[0]}",
        url=f"{_ZOO}{zoo_id}/files/vit_{size}.pt",
        size=_SIZES[size],
        saved_as=f"micro_sam_{name}.pt",
    )


def _micro_sam_from_cloud(size: str, data: str, share: str, what: str) -> ModelVariant:
    listed = _micro_sam(size, data, "", what)
    return replace(
        listed,
        licence="none stated",
        source="github.com/computational-cell-analytics/micro-sam",
        url=f"{_CLOUD}{share}/download",
    )


def _hugging_face(size: str, word: str) -> ModelVariant:
    return ModelVariant(
        f"hf_vit_{size}",
        f"Segment Anything, ViT-{size.upper()}, as Hugging Face's SamModel",
        "Apache-2.0",
        f"huggingface.co/facebook/sam-vit-{word}",
        url=f"{_HUB}facebook/sam-vit-{word}/resolve/main/model.safetensors",
        size=_SIZES[size],
        saved_as=f"hf_sam_vit_{word}.safetensors",
    )


_SHIPPED = (
    ModelVariant(
        "tiny",
        "small SAM for nuclei, cells and simple organs; works offline",
        "CC-BY-SA-4.0",
        "trained from scratch by this project",
        file="tiny.safetensors",
    ),
)
_SAM = (
    _official(
        "b",
        "sam_vit_b_01ec64.pth",
        "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        375_042_383,
    ),
    _official(
        "l",
        "sam_vit_l_0b3195.pth",
        "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
        1_249_524_607,
    ),
    _official(
        "h",
        "sam_vit_h_4b8939.pth",
        "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
        2_564_550_879,
    ),
)
_SMALLER = (
    ModelVariant(
        "mobile_sam",
        "MobileSAM: SAM with a small, quick encoder",
        "Apache-2.0",
        "github.com/ChaoningZhang/MobileSAM",
        url=_GITHUB + "ChaoningZhang/MobileSAM/raw/master/weights/mobile_sam.pt",
        sha256="6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
        size=40_728_226,
        saved_as="mobile_sam.pt",
    ),
    ModelVariant(
        "efficient_sam_ti",
        "EfficientSAM-Ti: no negative clicks, no mask prompts",
        "Apache-2.0",
        "github.com/yformer/EfficientSAM",
        url=_GITHUB + "yformer/EfficientSAM/raw/main/weights/efficient_sam_vitt.pt",
        sha256=_TI_SHA256,
        size=41_000_000,
        saved_as="efficient_sam_vitt.pt",
    ),
    ModelVariant(
        "efficient_sam_s",
        "EfficientSAM-S: no negative clicks, no mask prompts",
        "Apache-2.0",
        "github.com/yformer/EfficientSAM",
        url=_GITHUB + "yformer/EfficientSAM/raw/main/weights/efficient_sam_vits.pt.zip",
        size=106_000_000,
        saved_as="efficient_sam_vits.pt",
        is_archive=True,
    ),
)
_MEDICAL = (
    ModelVariant(
        "medsam",
        "MedSAM: medical images, boxes only",
        "Apache-2.0",
        "github.com/bowang-lab/MedSAM",
        url="https://zenodo.org/records/10689643/files/medsam_vit_b.pth",
        size=375_000_000,
        saved_as="medsam_vit_b.pth",
    ),
    ModelVariant(
        "lite_medsam",
        "LiteMedSAM: medical images, boxes only, quick",
        "Apache-2.0",
        "github.com/bowang-lab/MedSAM, branch LiteMedSAM",
        page=_GITHUB + "bowang-lab/MedSAM/tree/LiteMedSAM",
        size=_SIZES["t"],
        saved_as="lite_medsam.pth",
    ),
    ModelVariant(
        "sam_med2d",
        "SAM-Med2D: medical images, 256 pixels",
        "Apache-2.0",
        "github.com/OpenGVLab/SAM-Med2D",
        page=_GITHUB + "OpenGVLab/SAM-Med2D",
        saved_as="sam-med2d_b.pth",
    ),
)
_MICROSCOPY = (
    _micro_sam("t", "lm", "faithful-chicken/1.1", "light microscopy"),
    _micro_sam("b", "lm", "diplomatic-bug/1.2", "light microscopy"),
    _micro_sam("l", "lm", "idealistic-rat/1.2", "light microscopy"),
    _micro_sam("t", "em_organelles", "greedy-whale/1", "organelles in EM"),
    _micro_sam("b", "em_organelles", "noisy-ox/1.2", "organelles in EM"),
    _micro_sam("l", "em_organelles", "humorous-crab/1.2", "organelles in EM"),
    _micro_sam_from_cloud("b", "histopathology", "sBB4H8CTmIoBZsQ", "histopathology"),
    _micro_sam_from_cloud("l", "histopathology", "IZgnn1cpBq2PHod", "histopathology"),
    _micro_sam_from_cloud("h", "histopathology", "L7AcvVz7DoWJ2RZ", "histopathology"),
    _micro_sam_from_cloud("b", "medical_imaging", "f5Ol4FrjPQWfjUF", "medical images"),
)
_ADAPTED = (
    ModelVariant(
        "sam_adapter",
        "published SAM-Adapter: a whole network, made for use without prompts",
        "none stated (code: MIT)",
        "github.com/tianrun-chen/SAM-Adapter-PyTorch",
        page=_GITHUB + "tianrun-chen/SAM-Adapter-PyTorch",
        saved_as="sam_adapter_model_epoch_best.pth",
    ),
)
_HUGGING_FACE = (
    _hugging_face("b", "base"),
    _hugging_face("l", "large"),
    _hugging_face("h", "huge"),
)

MODELS = {
    variant.name: variant
    for variant in (
        *_SHIPPED,
        *_SAM,
        *_SMALLER,
        *_MEDICAL,
        *_MICROSCOPY,
        *_ADAPTED,
        *_HUGGING_FACE,
    )
}
"""Models by name."""

ADAPTERS = {
    variant.name: variant
    for variant in (
        ModelVariant(
            "microscopy",
            "SAM-Adapter for tiny: nuclei and organelles, with and without prompts",
            "CC-BY-SA-4.0",
            "trained by this project",
            file="microscopy.safetensors",
            base="tiny",
        ),
        ModelVariant(
            "medical",
            "SAM-Adapter for tiny: MRI and skin, with and without prompts",
            "CC-BY-SA-4.0",
            "trained by this project",
            file="medical.safetensors",
            base="tiny",
        ),
    )
}
"""Adapters by name."""


def other_adapters(model: str, adapter: str | None = None) -> list[str]:
    """Return the adapters of the table that a model could be used with instead.

    Parameters
    ----------
    model : str
        Name or path of a model.
    adapter : str or None
        The one in use, which is left out.

    Returns
    -------
    list of str
        Names; none for most models.
    """
    fitting = (variant.name for variant in ADAPTERS.values() if variant.base == model)
    return [name for name in fitting if name != adapter]
