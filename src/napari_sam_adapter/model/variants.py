"""The models and adapters that can be named; data only."""

from __future__ import annotations

from dataclasses import dataclass

_OFFICIAL = "https://dl.fbaipublicfiles.com/segment_anything/"
_SAM_SOURCE = "github.com/facebookresearch/segment-anything"


@dataclass(frozen=True)
class ModelVariant:
    """A named set of weights.

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
    sha256 : str or None
        Checksum of the download.
    """

    name: str
    description: str
    licence: str
    source: str
    file: str | None = None
    url: str | None = None
    sha256: str | None = None

    @property
    def is_shipped(self) -> bool:
        """Whether the weights come with the package."""
        return self.file is not None


def _official(name: str, file: str, sha256: str, megabytes: int) -> ModelVariant:
    return ModelVariant(
        name,
        f"Segment Anything {name}, {megabytes:,} MB, downloaded at first use",
        "Apache-2.0",
        _SAM_SOURCE,
        url=_OFFICIAL + file,
        sha256=sha256,
    )


MODELS = {
    variant.name: variant
    for variant in (
        ModelVariant(
            "tiny",
            "small SAM for nuclei, cells and simple organs; works offline",
            "BSD-3-Clause",
            "trained from scratch by this project",
            file="tiny.safetensors",
        ),
        _official(
            "vit_b",
            "sam_vit_b_01ec64.pth",
            "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
            375,
        ),
        _official(
            "vit_l",
            "sam_vit_l_0b3195.pth",
            "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
            1250,
        ),
        _official(
            "vit_h",
            "sam_vit_h_4b8939.pth",
            "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
            2565,
        ),
    )
}
"""Models by name."""

ADAPTERS: dict[str, ModelVariant] = {}
"""Adapters by name; none is shipped yet, files are given by path."""
