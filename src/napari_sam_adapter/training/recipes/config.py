"""What to train and how: one frozen, validated value. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence  # the options of the shell look at annotations
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from napari_sam_adapter.errors import TrainingError
from napari_sam_adapter.plain_numbers import check_numbers

PARTS = ("adapter", "decoder", "lora", "everything")
PROMPT_FREE_LOSSES = ("iou", "balanced")
LABEL_KINDS = ("auto", "instance", "semantic")
LEARNED_WEIGHTS = ("none", "shared", "per_block")
DTYPES = ("auto", "float32", "bfloat16")
PUBLISHED_SOURCES = ("patch_embedding", "fft_highpass")

SUFFIX = ".safetensors"
"""Of the files that training writes."""


def _about(text: str, choices: Sequence[str] = ()) -> dict[str, Any]:
    return {"help": text, "choices": tuple(choices)}


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides what an adapter becomes, and where it goes.

    Command line and form are made from the fields; their help stands in the metadata.

    Parameters
    ----------
    output : str or Path
        The adapter, NAME.safetensors. The state to resume from stands beside it as
        ``OUTPUT.state``.
    base : str
        Name or file of the model to train for.
    preprocessing : str or None
        How the base wants its images, where neither its file nor its name tells.
    start : str or None
        Name or file of the adapter to start from.
    trains : str
        ``"adapter"`` (with the decoder, encoder frozen: the paper), ``"decoder"``
        (images are encoded once: quick), ``"lora"`` (on q and v, with the decoder),
        or ``"everything"`` (the result is then a model, not an adapter).
    bottleneck : int
        Inner width of the adapter; 0 takes token width / 32, at least 24.
    sources : sequence of str
        What a new adapter is told of the image, see `SamAdapter`: names, or a text with
        commas between them. Kept as a tuple. The functions of your own ones are given
        to `train_adapter`.
    learned_weights : str
        Whether the weights w_j of the sources are learned: ``"none"``, ``"shared"``
        or ``"per_block"``.
    published_order : bool
        Whether a new adapter reads tokens and images as the published SAM-Adapter code
        does, so that it can be exported in that layout: images are stretched to a
        square, and every prompt has one answer.
    lora_rank : int
        Inner width of LoRA.
    prompted_share : float
        Share of steps with simulated clicks and boxes; the others have no prompt, and
        the target is everything that is labelled.
    follow_share : float
        Share of the steps with prompts that learn to follow objects: asked with an
        object on a neighbouring slice as propagation asks, answered by the object on
        this one. Needs labels on neighbouring slices.
    prompt_free_loss : str
        ``"iou"`` is BCE + soft IoU, ``"balanced"`` the balanced BCE for thin or rare
        structures.
    corrections : int
        Simulated clicks after the first prompt.
    objects : int
        Objects asked for in an image.
    steps : int
        Optimiser steps at most.
    batch : int
        Images per step, over all processes.
    micro_batch : int
        Images in memory at once; 0 tries all, and fewer if memory runs out.
    learning_rate, weight_decay : float
        Of AdamW. The rate warms up and falls by a cosine; only adapter and LoRA
        matrices decay.
    synthetic_share : float
        Share of images that a program draws.
    augment : bool
        Whether to crop, turn and expose images at random.
    label_kind : str
        ``"instance"``: a number is an object; ``"semantic"``: it is a class, and its
        pieces are the objects; ``"auto"`` looks at the labels.
    validation_share : float
        Share of the samples kept for validation where none are given.
    validation_images : int
        Samples looked at in each validation, at most.
    validate_every : int
        Steps between two validations.
    patience : int
        Validations without a better one before training ends; 0 never ends early.
    checkpointing : bool
        Whether to compute activations twice, to save memory.
    dtype : str
        ``"auto"`` takes bfloat16 on a GPU, and on a CPU where it is faster.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ...
    workers : int
        Processes that prepare images.
    seed : int
        Start of all randomness.
    licence : str
        Of the result; written into an adapter's header.

    Raises
    ------
    TrainingError
        If a value makes no sense.
    """

    output: Path
    base: str = field(default="tiny", metadata=_about("Name or file of the model."))
    preprocessing: str | None = field(
        default=None,
        metadata=_about(
            "How the model wants its images, for files that do not tell: sam or "
            "micro-sam."
        ),
    )
    start: str | None = field(
        default=None, metadata=_about("Adapter to start from, a name or a file.")
    )
    trains: str = field(default="adapter", metadata=_about("What is trained", PARTS))
    bottleneck: int = field(
        default=0, metadata=_about("Inner width of the adapter; 0: as published.")
    )
    sources: Sequence[str] = field(
        default=PUBLISHED_SOURCES,
        metadata=_about("What the adapter is told, names with commas between."),
    )
    learned_weights: Literal["none", "shared", "per_block"] = field(
        default="none", metadata=_about("Learn the weights w_j", LEARNED_WEIGHTS)
    )
    published_order: bool = field(
        default=False,
        metadata=_about(
            "Read images as the published SAM-Adapter code does, so that the adapter "
            "can be exported for it."
        ),
    )
    lora_rank: int = field(default=4, metadata=_about("Inner width of LoRA."))
    prompted_share: float = field(
        default=0.5,
        metadata=_about("Share of steps with simulated prompts; others have none."),
    )
    follow_share: float = field(
        default=0.0,
        metadata=_about(
            "Share of steps with prompts that learn to follow objects from slice to "
            "slice."
        ),
    )
    prompt_free_loss: str = field(
        default="iou",
        metadata=_about("Loss of steps without prompts", PROMPT_FREE_LOSSES),
    )
    corrections: int = field(
        default=1, metadata=_about("Simulated clicks after the first prompt.")
    )
    objects: int = field(default=4, metadata=_about("Objects asked for in an image."))
    steps: int = field(default=300, metadata=_about("Steps at most."))
    batch: int = field(default=4, metadata=_about("Images per step."))
    micro_batch: int = field(
        default=0, metadata=_about("Images in memory at once; 0: as many as fit.")
    )
    learning_rate: float = field(default=2e-4, metadata=_about("Highest rate."))
    weight_decay: float = field(default=0.01, metadata=_about("Of adapter and LoRA."))
    synthetic_share: float = field(
        default=0.0, metadata=_about("Share of generated images.")
    )
    augment: bool = field(
        default=True, metadata=_about("Crop, turn and expose images at random.")
    )
    label_kind: str = field(
        default="auto", metadata=_about("What a label number is", LABEL_KINDS)
    )
    validation_share: float = field(
        default=0.2, metadata=_about("Share of samples to validate on.")
    )
    validation_images: int = field(
        default=24, metadata=_about("Images per validation, at most.")
    )
    validate_every: int = field(
        default=25, metadata=_about("Steps between two validations.")
    )
    patience: int = field(
        default=8,
        metadata=_about("Validations without gain before the end; 0: never."),
    )
    checkpointing: bool = field(
        default=False, metadata=_about("Less memory, more time.")
    )
    dtype: str = field(default="auto", metadata=_about("Number format", DTYPES))
    device: str = field(default="auto", metadata=_about("auto, cpu, cuda, ..."))
    workers: int = field(default=0, metadata=_about("Processes that prepare images."))
    seed: int = field(default=0, metadata=_about("Start of all randomness."))
    licence: str = field(default="", metadata=_about("Licence of the adapter."))

    def __post_init__(self) -> None:
        object.__setattr__(self, "output", Path(self.output))
        if self.output.suffix != SUFFIX:
            raise TrainingError(
                f"Expected an output NAME{SUFFIX}, got {self.output.name!r}."
            )
        object.__setattr__(self, "sources", _names(self.sources))
        for entry in fields(self):
            choices = entry.metadata.get("choices")
            value = getattr(self, entry.name)
            if choices and value not in choices:
                raise TrainingError(
                    f"Expected {entry.name} among {', '.join(choices)}, got {value!r}."
                )
        check_numbers(self, TrainingError)
        positive = ("lora_rank", "objects", "steps", "batch", "validation_images")
        self._check_at_least(1, *positive, "validate_every")
        self._check_at_least(
            0, "bottleneck", "corrections", "micro_batch", "patience", "workers", "seed"
        )
        self._check_at_least(0, "weight_decay", "learning_rate")
        self._check_shares("prompted_share", "follow_share")
        self._check_shares("synthetic_share", "validation_share")
        if self.validation_share == 1:
            raise TrainingError("Expected a validation share below 1, got 1.")
        if self.published_order:
            self._check_published()

    def _check_published(self) -> None:
        is_adapter = self.trains == "adapter" and self.learned_weights != "per_block"
        if not is_adapter or set(self.sources) != set(PUBLISHED_SOURCES):
            raise TrainingError(
                "Expected an adapter that the published layout can express, with the "
                f"sources {' and '.join(PUBLISHED_SOURCES)} and no weights per block, "
                f"got trains={self.trains!r}, sources={','.join(self.sources)!r}, "
                f"learned_weights={self.learned_weights!r}."
            )

    def _check_at_least(self, lowest: int, *names: str) -> None:
        for name in names:
            if not lowest <= getattr(self, name) < float("inf"):
                raise TrainingError(
                    f"Expected {name} of at least {lowest}, got {getattr(self, name)}."
                )

    def _check_shares(self, *names: str) -> None:
        for name in names:
            if not 0 <= getattr(self, name) <= 1:
                raise TrainingError(
                    f"Expected {name} from 0 to 1, got {getattr(self, name)}."
                )

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of prompts that are learned, by their names in `Validation`."""
        shares = {
            "prompted": self.prompted_share * (1 - self.follow_share),
            "prompt_free": 1 - self.prompted_share,
            "followed": self.prompted_share * self.follow_share,
        }
        return tuple(name for name, share in shares.items() if share)

    @property
    def identity(self) -> dict[str, Any]:
        """What has to stay the same when a stopped training is resumed."""
        content = asdict(self) | {"sources": ",".join(self.sources)}
        for name in (
            "output", "device", "workers", "micro_batch", "dtype", "licence"
        ):  # fmt: skip
            del content[name]
        return content

    @property
    def state_path(self) -> Path:
        """Where the state to resume from stands."""
        return state_beside(self.output)


def _names(sources: object) -> tuple[str, ...]:
    if isinstance(sources, str):
        sources = sources.split(",")
    if isinstance(sources, Sequence) and all(isinstance(i, str) for i in sources):
        names = tuple(name.strip() for name in sources)
        if names and all(names):
            return names
    raise TrainingError(
        f"Expected sources as names, such as {PUBLISHED_SOURCES!r}, got {sources!r}."
    )


def state_beside(output: Path) -> Path:
    """Return where the state to resume from stands.

    Parameters
    ----------
    output : Path
        What is trained.

    Returns
    -------
    Path
        In the same folder.
    """
    return output.with_name(output.name + ".state")
