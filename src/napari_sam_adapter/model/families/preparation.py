"""How each family of networks wants its images and prompts; data only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from napari_sam_adapter.errors import CheckpointError
from napari_sam_adapter.predictions import ALL_PROMPTS, Capabilities

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)
"""Statistics of the published SAM, on the 0..255 scale."""


@dataclass(frozen=True)
class Family:
    """What cannot be read off the tensors of a network.

    Parameters
    ----------
    name : str
        What users type to choose it.
    stretch : bool
        Fill the square instead of keeping the aspect ratio and padding.
    resampling : str
        ``"antialiased"`` and ``"area"`` work on 8-bit pixels, ``"cubic"`` too but with
        splines; ``"bilinear"`` and ``"nearest"`` look at single pixels.
    intensity : str
        ``"as_is"``; ``"channel_min_max"`` stretches each channel to 0..255 before
        resizing, ``"min_max"`` all channels together after it; ``"standardised"``
        takes the image's own mean and deviation for all channels.
    mean, std : three floats
        Subtracted and divided by, on the 0..255 scale.
    is_centred : bool
        Map pixel centres to pixel centres, as the small model was trained.
    answers : str
        Which masks were trained: ``"by_ambiguity"`` the first for clear prompts and
        the others for ambiguous ones; ``"first"``; or ``"best_of_three"``.
    upscaling : str
        From low-resolution logits to the image: ``"twice"`` over the square,
        ``"probabilities"`` at once after a sigmoid, ``"bicubic"`` at once.
    mask_prompt : str
        Whether an earlier answer goes in as ``"logits"`` or as ``"probabilities"``.
    least_piece : float
        Pieces of a mask that are smaller than this part of its largest one, and that no
        point lies in, are dropped; 0 keeps all, as the published networks do.
    marks_objects : bool
        Whether it was trained to mark all objects when it gets no prompt.
    min_score, min_stability : float
        What masks of a grid of points need to be kept, where nobody says more: those of
        SAM, or what the scores of the network are worth.
    capabilities : Capabilities
        Which prompts it understands.
    """

    name: str
    stretch: bool = False
    resampling: Literal["antialiased", "area", "cubic", "bilinear", "nearest"] = (
        "antialiased"
    )
    intensity: Literal["as_is", "channel_min_max", "min_max", "standardised"] = "as_is"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    is_centred: bool = False
    answers: Literal["by_ambiguity", "first", "best_of_three"] = "by_ambiguity"
    upscaling: Literal["twice", "probabilities", "bicubic"] = "twice"
    mask_prompt: Literal["logits", "probabilities"] = "logits"
    least_piece: float = 0.0
    marks_objects: bool = False
    min_score: float = 0.88
    min_stability: float = 0.95
    capabilities: Capabilities = ALL_PROMPTS


_UNJUDGED = Capabilities(score_is_trusted=False)
_BLACK, _WHITE = (0.0, 0.0, 0.0), (255.0, 255.0, 255.0)

SAM = Family("sam")
SMALL = Family(
    "small",
    intensity="standardised",
    is_centred=True,
    least_piece=0.2,
    marks_objects=True,
    min_score=0.6,
    min_stability=0.8,
)
MICRO_SAM = Family("micro-sam", intensity="channel_min_max")
MEDSAM = Family(
    "medsam",
    stretch=True,
    resampling="cubic",
    intensity="min_max",
    mean=_BLACK,
    std=_WHITE,
    answers="first",
    upscaling="probabilities",
    capabilities=_UNJUDGED,
)
LITE_MEDSAM = Family(
    "lite-medsam",
    resampling="area",
    intensity="min_max",
    mean=_BLACK,
    std=_WHITE,
    answers="first",
)
EFFICIENT_SAM = Family(
    "efficient-sam",
    stretch=True,
    resampling="bilinear",
    answers="best_of_three",
    upscaling="bicubic",
    capabilities=Capabilities(negative_points=False, mask_prompts=False, max_points=6),
)
SAM_MED2D = Family(
    "sam-med2d",
    stretch=True,
    resampling="nearest",
    answers="best_of_three",
    mask_prompt="probabilities",
)
SAM_ADAPTER = Family(
    "sam-adapter",
    stretch=True,
    answers="first",
    marks_objects=True,
    capabilities=Capabilities(
        # its files tell points by position alone, and lack the mask branch
        negative_points=False,
        mask_prompts=False,
        score_is_trusted=False,
    ),
)

LAYOUTS = {
    "sam": (SAM, MEDSAM, MICRO_SAM),
    "small": (SMALL,),
    "sam-adapter": (SAM_ADAPTER,),
    "mobile-sam": (SAM, MICRO_SAM),
    "lite-medsam": (LITE_MEDSAM,),
    "efficient-sam": (EFFICIENT_SAM,),
    "sam-med2d": (SAM_MED2D,),
}
"""The families that share each layout of tensors, the usual one first."""
PREPROCESSINGS = tuple(
    dict.fromkeys(family.name for families in LAYOUTS.values() for family in families)
)
"""What ``--preprocessing`` takes."""


def sibling(family: Family, name: str) -> Family | None:
    """Return the family of a name whose networks have the same tensors.

    Parameters
    ----------
    family : Family
        What is known of the network.
    name : str
        Of the same or of another family.

    Returns
    -------
    Family or None
        None if there is none of that name among those that share its layout.
    """
    alike = (families for families in LAYOUTS.values() if family in families)
    return next((f for families in alike for f in families if f.name == name), None)


_NAMED = (
    (re.compile(r"medsam", re.I), MEDSAM),
    (re.compile(r"micro.?sam|vit_[btlh]_(lm|em|hist|med(?!ium))", re.I), MICRO_SAM),
    (re.compile(r"vit.?[btlh]|mobile.?sam", re.I), SAM),
)


def choose_family(
    layout: str, asked: str | None, told: str | None, file_name: str, is_vit_b: bool
) -> Family:
    """Find out how a network wants its images.

    Parameters
    ----------
    layout : str
        Key of `LAYOUTS`.
    asked : str or None
        Name of the family that the user asks for.
    told : str or None
        Name of the family that the file itself tells.
    file_name : str
        Says it where tensors cannot.
    is_vit_b : bool
        Whether SAM vit_b and MedSAM have exactly these tensors.

    Returns
    -------
    Family
        One of those that share the layout.

    Raises
    ------
    CheckpointError
        If the choice does not fit the layout, or nothing tells.
    """
    families = LAYOUTS[layout]
    if asked is not None:
        return _asked_for(families, asked, file_name)
    if told is not None:
        return _told_by(families, told, file_name)
    named = (family for pattern, family in _NAMED if pattern.search(file_name))
    family = next((family for family in named if family in families), None)
    if family is None and layout == "sam" and is_vit_b:
        raise CheckpointError(
            f"Expected to know how {file_name} wants its images, but SAM vit_b, MedSAM "
            "and micro-sam have the same tensors. Say which it is: preprocessing "
            '"sam", "medsam" or "micro-sam" ("sam" if nobody can tell; in the shell '
            "--preprocessing sam)."
        )
    return family or families[0]


def _asked_for(families: tuple[Family, ...], asked: str, file_name: str) -> Family:
    for family in families:
        if family.name == asked:
            return family
    raise CheckpointError(
        f"Expected a preprocessing that fits {file_name} ({_names(families)}), got "
        f"{asked!r}. Choose one of these, or leave it out."
    )


def _told_by(families: tuple[Family, ...], told: str, file_name: str) -> Family:
    for family in families:
        if family.name == told.strip().lower():
            return family
    raise CheckpointError(
        f"Expected {file_name} to name a preprocessing that fits it "
        f"({_names(families)}), got {told[:40]!r}. Say which it is: preprocessing in "
        "Python, --preprocessing in the shell, images in the window."
    )


def _names(families: tuple[Family, ...]) -> str:
    return ", ".join(family.name for family in families)
