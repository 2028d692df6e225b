"""The predictor: encode a plane once, then ask it for masks as often as you like."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from napari_sam_adapter.inference.asking import shared_pass
from napari_sam_adapter.inference.asking.nearby import ask_nearby
from napari_sam_adapter.inference.asking.proposals import propose
from napari_sam_adapter.inference.network.embedding import drawn_on
from napari_sam_adapter.inference.network.encoding import Encoding
from napari_sam_adapter.inference.network.network import Network
from napari_sam_adapter.inference.predictor.weights import find_weights, lasting_name
from napari_sam_adapter.model.files.adapter_files import load_adapter
from napari_sam_adapter.model.files.weight_files import file_hash
from napari_sam_adapter.model.layers import warm_up_vector_math
from napari_sam_adapter.predictions import named
from napari_sam_adapter.weight_store.entries import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from napari_sam_adapter.image_io import OpenedImage
    from napari_sam_adapter.inference.asking.proposals import Proposal
    from napari_sam_adapter.inference.network.embedding import ImageEmbedding
    from napari_sam_adapter.intensity import IntensityMapping
    from napari_sam_adapter.model.adapters.task_information import ImageFilter
    from napari_sam_adapter.model.files.checkpoints import Checkpoint
    from napari_sam_adapter.predictions import Capabilities, MaskPrediction
    from napari_sam_adapter.prompts import Prompts


class SamPredictor:
    """Segments single planes; made by `load_predictor`.

    Remembers nothing of an image. May be called from several threads at once. A pickle
    names its files, which are loaded where it arrives. Its parts are in `network`.

    Parameters
    ----------
    checkpoint : Checkpoint
        The network.
    description : dict of str to str
        What the journal records: names and hashes of model and adapter.
    device : str
        ``"cpu"``, ``"cuda"``, or another PyTorch device that this machine has.
    dtype : torch.dtype
        Number format of the image encoder.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        description: dict[str, str],
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        warm_up_vector_math()
        self._base, self._family = checkpoint, checkpoint.family
        self._intensity, self._learned = checkpoint.intensity, checkpoint.learned_from
        self._description = description
        self._asked_device = torch.device(device)
        self.loaded_with: dict[str, Any] | None = None
        """What `load_predictor` was given, files by their whole path."""
        self.network = Network(checkpoint, device, dtype)
        self._encoding = Encoding(self.network, self._family, self._intensity)

    def __reduce__(self) -> tuple[Any, ...]:
        from napari_sam_adapter.inference.predictor.loading import how_to_load

        return how_to_load(self)

    def __repr__(self) -> str:
        return f"<SamPredictor {named(self)} on {self.device}>"

    @property
    def device(self) -> torch.device:
        """Where it computes: the CPU once another device had too little memory."""
        return self.network.device

    @property
    def description(self) -> dict[str, str]:
        """Names and hashes of model and adapter, device and number format."""
        is_asked = self.device.type == self._asked_device.type
        return self._description | ({} if is_asked else {"device": str(self.device)})

    @description.setter
    def description(self, description: Mapping[str, str]) -> None:
        self._description = dict(description)

    @property
    def image_size(self) -> int:
        """Side of the network's square input in pixels."""
        return self.network.sam.image_size

    @property
    def capabilities(self) -> Capabilities:
        """Which prompts the network understands, and whether to trust its score."""
        return self._family.capabilities

    @property
    def marks_objects(self) -> bool:
        """Whether it was trained to mark all objects without a prompt."""
        return self._family.marks_objects

    @property
    def thresholds(self) -> tuple[float, float]:
        """Least score and least stability of a mask that a grid of points found."""
        return self._family.min_score, self._family.min_stability

    @property
    def intensity(self) -> IntensityMapping | None:
        """Window that the adapter was trained with; None if each image has its own."""
        return self._intensity

    @property
    def learned_from(self) -> frozenset[str]:
        """Fingerprints of the labels that its adapter was trained on."""
        return self._learned

    def with_adapter(
        self,
        adapter: str | Path | None,
        functions: Mapping[str, ImageFilter] | None = None,
    ) -> SamPredictor:
        """Return a predictor with another adapter on the same base model.

        Parameters
        ----------
        adapter : str, Path or None
            A name, the path of an adapter file, or None for the model as it was loaded.
        functions : mapping of str to callable, optional
            Sources of task information of your own, by name; see `SamAdapter`.

        Returns
        -------
        SamPredictor
            With the same base weights, in well under a second; both can be used.

        Raises
        ------
        CheckpointError
            If the adapter cannot be used, or belongs to another model.
        """
        about = {k: v for k, v in self.description.items() if "adapter" not in k}
        about.pop("note", None)
        checkpoint, lasting = self._base, None
        if adapter is not None:
            path = find_weights(str(adapter), Kind.ADAPTER)
            lasting = lasting_name(str(adapter), Kind.ADAPTER)
            checkpoint = load_adapter(path, self._base, about["model"], functions)
            about |= {"adapter": str(adapter), "adapter_sha256": file_hash(path)}
        noted = {"note": checkpoint.note} if checkpoint.note else {}
        about |= {"preprocessing": checkpoint.family.name, **noted}
        changed = SamPredictor(checkpoint, about, str(self.device), self.network.dtype)
        changed._base = self._base
        told, own = self.loaded_with, {"adapter": lasting, "functions": functions}
        changed.loaded_with = None if told is None else told | own
        return changed

    def encode(self, image: npt.NDArray[Any] | OpenedImage) -> ImageEmbedding:
        """Encode one plane; the slow part.

        Parameters
        ----------
        image : (H, W) or (H, W, 3) array, or OpenedImage
            8-bit pixels are used as they are; others are seen through the window of
            the adapter, or stretched between percentiles of this plane.

        Returns
        -------
        ImageEmbedding
            To be given to `predict`.

        Raises
        ------
        ImageError
            If the pixels cannot be segmented.
        """
        return self.encode_batch([image])[0]

    def encode_reduced(
        self, image: npt.NDArray[Any], shape: tuple[int, int]
    ) -> ImageEmbedding:
        """Encode a plane of some (rows, columns) from a smaller picture of it.

        Returns
        -------
        ImageEmbedding
            Prompts and masks are in pixels of the plane.
        """
        return replace(self.encode(image), frame=self._encoding.frame_of(shape))

    def encode_batch(
        self, images: Sequence[npt.NDArray[Any] | OpenedImage]
    ) -> list[ImageEmbedding]:
        """Encode several planes; up to eight in a row that have one size share a pass.

        Parameters
        ----------
        images : sequence
            As for `encode`.

        Returns
        -------
        list of ImageEmbedding
            In the same order.

        Raises
        ------
        ImageError
            If the pixels cannot be segmented.
        """
        return self._encoding.encode(images)

    def encode_rounded(
        self, image: npt.NDArray[Any], shape: tuple[int, int]
    ) -> ImageEmbedding:
        """Encode a plane of some (rows, columns) as `unpack` will give it back."""
        return self._encoding.encode_rounded(image, shape)

    def pack(self, embedding: ImageEmbedding) -> dict[str, npt.NDArray[np.float16]]:
        """Return what is to be kept of an embedding, in half precision."""
        return {"features": embedding.features.half().cpu().numpy()}

    def unpack(
        self,
        arrays: Mapping[str, npt.NDArray[np.float16]],
        image: npt.NDArray[Any],
        shape: tuple[int, int],
    ) -> ImageEmbedding:
        """Return an embedding in float32, as `PackingPredictor` tells."""
        return self._encoding.unpack(arrays["features"], image, shape)

    def predict(
        self,
        embedding: ImageEmbedding,
        prompts: Prompts,
        previous: MaskPrediction | None = None,
    ) -> MaskPrediction:
        """Segment one object; the fast part.

        Parameters
        ----------
        embedding : ImageEmbedding
            The encoded plane.
        prompts : Prompts
            In (row, column) pixels of the plane.
        previous : MaskPrediction or None
            The last answer for this object on this plane; its logits go in again.

        Returns
        -------
        MaskPrediction
            For a single positive point the best of three candidates.

        Raises
        ------
        PromptError
            If there is no prompt, or one lies outside the plane.

        Notes
        -----
        Prompts with a box and a mask are answered around both: a piece of the mask that
        lies apart from what they and their positive points enclose is left out.
        """
        network, asked = self.network, drawn_on(embedding, [prompts])
        logits = [None if previous is None else previous.logits]
        return shared_pass.ask_alike(network, self._family, embedding, asked, logits)[0]

    def predict_many(
        self, embedding: ImageEmbedding, prompts_list: Sequence[Prompts]
    ) -> list[MaskPrediction]:
        """Segment many objects of one plane; prompts of one kind share a pass.

        Parameters
        ----------
        embedding : ImageEmbedding
            The encoded plane.
        prompts_list : sequence of Prompts
            One per object.

        Returns
        -------
        list of MaskPrediction
            In the same order; up to rounding what `predict` gives one by one.

        Raises
        ------
        PromptError
            If an object has no prompt, or one lies outside the plane.
        """
        asked = drawn_on(embedding, prompts_list)
        return shared_pass.ask_all(self.network, self._family, embedding, asked)

    def predict_nearby(
        self, embedding: ImageEmbedding, prompts_list: Sequence[Prompts]
    ) -> list[MaskPrediction]:
        """Do what `predict_many` does for objects that lie where their boxes are."""
        asked = drawn_on(embedding, prompts_list)
        found = ask_nearby(self.network, self._family, embedding, asked)
        rest = [p for p, known in zip(asked, found, strict=True) if not known]
        whole = iter(self.predict_many(embedding, rest))
        return [known or next(whole) for known in found]

    def propose(
        self,
        embedding: ImageEmbedding,
        points: npt.NDArray[np.float64],
        min_score: float,
    ) -> list[Proposal]:
        """Ask at many points; make only masks that promise enough, each in its box.

        Parameters
        ----------
        embedding : ImageEmbedding
            The encoded plane.
        points : (N, 2) float array
            (row, column) pixels of the plane.
        min_score : float
            Masks whose score is not higher are left out.

        Returns
        -------
        list of Proposal
            In the order of the points; none of them empty.
        """
        return propose(self.network, self._family, embedding, points, min_score)

    def foreground(self, embedding: ImageEmbedding) -> npt.NDArray[np.float32]:
        """Ask the decoder without a prompt.

        Parameters
        ----------
        embedding : ImageEmbedding
            The encoded plane.

        Returns
        -------
        (H, W) float32 array
            Probability of each pixel to belong to an object.
        """
        return shared_pass.ask_nothing(self.network, self._family, embedding)
