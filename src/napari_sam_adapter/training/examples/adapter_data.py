"""The examples that an adapter learns from, each a function of seed and number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from napari_sam_adapter.errors import TrainingError
from napari_sam_adapter.training.examples.augmentation import (
    View,
    fit_view,
    random_view,
)
from napari_sam_adapter.training.examples.follow_data import (
    NOTHING_ASKED,
    FollowPrompts,
    can_follow,
    check_neighbours,
    follow_objects,
)
from napari_sam_adapter.training.examples.prompt_data import (
    NOTHING_SHOWN,
    SYNTHETIC_SIDE,
    TRIES,
    PromptExample,
    halve,
    network_input,
    pick_objects,
    region_map,
)
from napari_sam_adapter.training.samples.synthetic import draw_sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_sam_adapter.model.families.preparation import Family
    from napari_sam_adapter.training.recipes.config import TrainingConfig
    from napari_sam_adapter.training.samples.samples import Sample

StepKind = Literal["prompt-free", "prompted", "followed"]

FIXED_VIEWS = 4
"""Random views of a sample when images are encoded only once."""
NEW_VIEW = -1
"""Key of a view that will not come again."""


class AdapterExample(NamedTuple):
    """A prompt example, where its image ends, and whether it comes again.

    Attributes
    ----------
    prompt : PromptExample
        Image and masks.
    valid : (2,) int tensor
        Rows and columns of the image that are not padding.
    key : () int tensor
        Equal for equal images, `NEW_VIEW` for those that come once.
    asked : FollowPrompts
        What follows from a neighbouring slice, in steps that learn to follow.
    """

    prompt: PromptExample
    valid: Tensor
    key: Tensor
    asked: FollowPrompts = NOTHING_ASKED


def kind_of_step(config: TrainingConfig, step: int) -> StepKind:
    """Return what a step learns; all images of a step learn the same.

    Parameters
    ----------
    config : TrainingConfig
        Seed and shares.
    step : int
        Steps before.

    Returns
    -------
    str
        ``"prompt-free"``, ``"prompted"`` or ``"followed"``.
    """
    rng = np.random.default_rng((config.seed, step))
    if rng.random() >= config.prompted_share:
        return "prompt-free"
    return "followed" if rng.random() < config.follow_share else "prompted"


class AdapterExamples(Dataset[AdapterExample]):
    """All examples of a training for one of several processes.

    Parameters
    ----------
    samples : sequence of Sample
        What to learn from.
    config : TrainingConfig
        Seed, steps, batch, objects and augmentation.
    size : int
        Side of the network's input in pixels.
    family : Family
        How the network wants its images.
    rank, world : int
        Number of this process, and of all.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        config: TrainingConfig,
        size: int,
        family: Family,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self._samples, self._config, self._size = samples, config, size
        self._family = family
        self.batch = config.batch // world
        self.first = rank * self.batch
        weights = np.array([sample.weight for sample in samples], dtype=float)
        self._weights = weights / weights.sum()
        if config.prompted_share and config.follow_share:
            check_neighbours(samples)
            weights = weights * [can_follow(sample) for sample in samples]
            self._follow_weights = weights / weights.sum()

    def __len__(self) -> int:
        return self._config.steps * self.batch

    @property
    def count(self) -> int:
        """Number of samples."""
        return len(self._samples)

    def __getitem__(self, number: int) -> AdapterExample:
        step, within = divmod(number, self.batch)
        rng = np.random.default_rng((self._config.seed, step, self.first + within))
        follows = kind_of_step(self._config, step) == "followed"
        for _ in range(TRIES):
            found = self._follow(rng) if follows else self._prompt(rng)
            if found is not None:
                return found
        raise TrainingError(NOTHING_SHOWN)

    def _prompt(self, rng: np.random.Generator) -> AdapterExample | None:
        if rng.random() < self._config.synthetic_share:
            drawn = draw_sample(rng, SYNTHETIC_SIDE)
            view, key = self._random_view(drawn, rng), NEW_VIEW
        else:
            view, key = self._draw(rng, self._weights)
        picked = pick_objects(view, self._config.objects, rng)
        return picked and _example(view, picked, key, self._family)

    def _follow(self, rng: np.random.Generator) -> AdapterExample | None:
        view, key = self._draw(rng, self._follow_weights)
        found = follow_objects(view, self._config.objects, self._family, rng)
        if found is None:
            return None
        masks, asked = found
        picked = masks, masks, torch.ones(len(masks), dtype=torch.bool)
        return _example(view, picked, key, self._family)._replace(asked=asked)

    def _random_view(self, sample: Sample, rng: np.random.Generator) -> View:
        return random_view(sample, self._size, rng, self._size, self._family.stretch)

    def _draw(
        self, rng: np.random.Generator, weights: npt.NDArray[np.float64]
    ) -> tuple[View, int]:
        config = self._config
        index = int(rng.choice(len(self._samples), p=weights))
        sample = self._samples[index]
        if not config.augment:
            return fit_view(sample, self._size, self._family.stretch), index
        if config.trains != "decoder":
            return self._random_view(sample, rng), NEW_VIEW
        key = FIXED_VIEWS * index + int(rng.integers(FIXED_VIEWS))
        fixed = np.random.default_rng((config.seed, key))
        return self._random_view(sample, fixed), key


def _example(
    view: View, picked: tuple[Tensor, Tensor, Tensor], key: int, family: Family
) -> AdapterExample:
    foreground = torch.from_numpy(halve(view.layers[0] > 0))
    image, regions = network_input(view, family), region_map(view.layers)
    prompt = PromptExample(image, *picked, foreground, regions)
    return AdapterExample(prompt, torch.tensor(view.valid), torch.tensor(key))


def cut(batch: AdapterExample, start: int, stop: int) -> AdapterExample:
    """Return some examples of a batch.

    Parameters
    ----------
    batch : AdapterExample
        Stacked examples.
    start, stop : int
        The first, and the first that is left out.

    Returns
    -------
    AdapterExample
        Stacked.
    """
    prompt = PromptExample(*(tensor[start:stop] for tensor in batch.prompt))
    asked = FollowPrompts(*(tensor[start:stop] for tensor in batch.asked))
    return AdapterExample(prompt, batch.valid[start:stop], batch.key[start:stop], asked)
