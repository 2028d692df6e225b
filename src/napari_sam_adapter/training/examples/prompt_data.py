"""Training batches for prompts: images, and a few reference masks of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from napari_sam_adapter.errors import TrainingError
from napari_sam_adapter.inference.frame.preprocessing import normalise, to_rgb
from napari_sam_adapter.model.families.preparation import SMALL
from napari_sam_adapter.training.examples.augmentation import View, random_view
from napari_sam_adapter.training.samples.synthetic import draw_sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from napari_sam_adapter.model.families.preparation import Family
    from napari_sam_adapter.training.recipes.recipe import Phase, Recipe
    from napari_sam_adapter.training.samples.samples import Sample

TARGET_STRIDE = 2
"""Input pixels per pixel of a target mask."""
SYNTHETIC_SIDE = 320
"""Side of the drawn images in pixels."""
REGION_STRIDE = 4
"""Input pixels per cell of a region map."""
MIN_OBJECT = 6
"""Smallest object in target pixels."""
TRIES = 100
"""Views looked at until one shows an object."""
NOTHING_SHOWN = (
    f"Expected objects of some size, but {TRIES} views showed none. "
    "Leave out images with tiny objects, or cut them into smaller ones."
)


class PromptExample(NamedTuple):
    """One image with the masks to be asked for.

    Attributes
    ----------
    image : (3, S, S) float tensor
        Normalised, zero where padded.
    masks : (N, S / 2, S / 2) bool tensor
        Objects, repeated if the image has fewer.
    priors : (N, S / 2, S / 2) bool tensor
        The same objects on a neighbouring plane, or on this one where none is known.
    has_prior : (N,) bool tensor
        Whether a neighbouring plane is known.
    foreground : (S / 2, S / 2) bool tensor
        All objects of the first layer together.
    regions : (S / 4, S / 4) int tensor
        See `region_map`.
    """

    image: Tensor
    masks: Tensor
    priors: Tensor
    has_prior: Tensor
    foreground: Tensor
    regions: Tensor


class PromptDataset(Dataset[PromptExample]):
    """The examples of one phase, each a pure function of seed and number.

    Parameters
    ----------
    groups : sequence of (samples, weight)
        Real samples and how often their group is drawn.
    recipe : Recipe
        Seed and synthetic share.
    phase : Phase
        Image size, batch size and objects per image.
    first_step : int
        Step within all phases at which this data set starts.
    """

    def __init__(
        self,
        groups: Sequence[tuple[Sequence[Sample], float]],
        recipe: Recipe,
        phase: Phase,
        first_step: int,
    ) -> None:
        self.groups: list[Sequence[Sample]] = [samples for samples, _ in groups]
        weights = np.array([weight for _, weight in groups], dtype=float)
        self.weights = weights / weights.sum() if len(weights) else weights
        self.recipe, self.phase, self.first_step = recipe, phase, first_step

    def __len__(self) -> int:
        return self.phase.steps * self.phase.batch

    def __getitem__(self, number: int) -> PromptExample:
        step, within = divmod(number, self.phase.batch)
        rng = np.random.default_rng((self.recipe.seed, self.first_step + step, within))
        for _ in range(TRIES):
            view = random_view(self._draw(rng), self.phase.image_size, rng)
            picked = pick_objects(view, self.phase.objects, rng)
            if picked is not None:
                foreground = torch.from_numpy(halve(view.layers[0] > 0))
                regions = region_map(view.layers)
                return PromptExample(network_input(view), *picked, foreground, regions)
        raise TrainingError(NOTHING_SHOWN)

    def _draw(self, rng: np.random.Generator) -> Sample:
        if not self.groups or rng.random() < self.recipe.synthetic_share:
            return draw_sample(rng, SYNTHETIC_SIDE)
        group = self.groups[rng.choice(len(self.groups), p=self.weights)]
        return group[int(rng.integers(len(group)))]


def pick_objects(
    view: View, count: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor] | None:
    """Choose objects of a view.

    Parameters
    ----------
    view : View
        Image with label layers.
    count : int
        Number N of masks wanted.
    rng : numpy.random.Generator
        Source of all randomness.

    Returns
    -------
    masks, priors, has_prior : tensors, or None
        As in `PromptExample`; None if no object is large enough.
    """
    found = [
        (layer, number)
        for layer in range(len(view.layers))
        for number in _large_objects(view.layers[layer])
    ]
    chosen = [
        (halve(view.layers[layer] == number), *_prior_of(view, layer, number))
        for layer, number in (found[i] for i in rng.permutation(len(found))[:count])
    ]
    chosen = [entry for entry in chosen if entry[0].sum() >= MIN_OBJECT]
    if not chosen:
        return None
    masks, priors, known = zip(
        *(chosen[i % len(chosen)] for i in range(count)), strict=True
    )
    return (
        torch.from_numpy(np.stack(masks)),
        torch.from_numpy(np.stack(priors)),
        torch.tensor(known),
    )


def _large_objects(layer: npt.NDArray[np.int32]) -> list[int]:
    sizes = np.bincount(layer.ravel())
    sizes[0] = 0
    return [int(number) for number in np.flatnonzero(sizes >= 4 * MIN_OBJECT)]


def _prior_of(
    view: View, layer: int, number: int
) -> tuple[npt.NDArray[np.bool_], bool]:
    """Return an object on the neighbouring plane, and whether that plane is known."""
    if view.prior is not None and layer == 0:
        prior = halve(view.prior == number)
        if prior.any():
            return prior, True
    return halve(view.layers[layer] == number), False


def to_device(tensors: Iterable[Tensor], device: torch.device) -> list[Tensor]:
    """Copy tensors; the processor does not wait for a CUDA device.

    Parameters
    ----------
    tensors : iterable of tensors
        From a `DataLoader`.
    device : torch.device
        Where they go.

    Returns
    -------
    list of tensors
        In the same order.

    Notes
    -----
    Apple GPUs may read the memory of a copy that nobody waits for after it is free
    again (pytorch/pytorch issues 139550 and 189690).
    """
    is_cuda = device.type == "cuda"
    return [tensor.to(device, non_blocking=is_cuda) for tensor in tensors]


def region_map(layers: tuple[npt.NDArray[np.int32], ...]) -> Tensor:
    """Return numbers for the regions in which no layer changes its label.

    Parameters
    ----------
    layers : tuple of (S, S) int arrays
        Label layers.

    Returns
    -------
    (S / 4, S / 4) int tensor
        0 where no layer has an object.
    """
    cells = slice(REGION_STRIDE // 2, None, REGION_STRIDE)
    regions = torch.zeros((), dtype=torch.long)
    for layer in layers:
        coarse = torch.from_numpy(layer[cells, cells].astype(np.int64))
        regions = regions * (int(coarse.max()) + 1) + coarse
    return regions


def halve(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return a mask at half the resolution, by majority of each 2 x 2 block.

    Parameters
    ----------
    mask : (S, S) bool array
        S must be even.

    Returns
    -------
    (S / 2, S / 2) bool array
        True where at least half of the block is.
    """
    rows = np.add(mask[::2], mask[1::2], dtype=np.uint8)
    majority: npt.NDArray[np.bool_] = rows[:, ::2] + rows[:, 1::2] >= 2
    return majority


def network_input(view: View, family: Family = SMALL) -> Tensor:
    """Return the network input of a view.

    Parameters
    ----------
    view : View
        8-bit pixels and the part that is not padding.
    family : Family
        How the network wants them.

    Returns
    -------
    (3, S, S) float tensor
        As at inference, zero where padded.
    """
    rows, columns = view.valid
    image = torch.zeros(3, *view.image.shape[:2])
    shown = view.image[:rows, :columns]
    if family.intensity == "channel_min_max":
        shown = to_rgb(shown, family.intensity)
    pixels = torch.from_numpy(shown).permute(2, 0, 1).float()
    image[:, :rows, :columns] = normalise(pixels, family)
    return image
