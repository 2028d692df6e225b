"""The predictor: encode a plane once, then ask it for masks as often as you like."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_sam_adapter.errors import PromptError
from napari_sam_adapter.inference.answers import to_prediction, trained_masks
from napari_sam_adapter.inference.decoding import Decoding
from napari_sam_adapter.inference.embedding import ImageEmbedding
from napari_sam_adapter.inference.encoding import encode_in_parts
from napari_sam_adapter.inference.mask_pixels import scaled_logits
from napari_sam_adapter.inference.preprocessing import frame_of, to_input, to_rgb
from napari_sam_adapter.inference.prompt_tensors import kind_of, to_tensors
from napari_sam_adapter.inference.stability import stability
from napari_sam_adapter.inference.weights import find_weights
from napari_sam_adapter.model.adapter import AdaptedImageEncoder
from napari_sam_adapter.model.adapter_files import load_adapter
from napari_sam_adapter.model.image_encoder import EncodedImage
from napari_sam_adapter.model.layers import warm_up_vector_math
from napari_sam_adapter.model.weight_files import file_hash
from napari_sam_adapter.weight_store.entries import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam_adapter.inference.preprocessing import Frame
    from napari_sam_adapter.model.checkpoints import Checkpoint
    from napari_sam_adapter.model.task_information import ImageFilter
    from napari_sam_adapter.predictions import Capabilities, MaskPrediction
    from napari_sam_adapter.prompts import Prompts


MASKS_PER_TOKEN = 4
"""Side of a token in pixels of a low-resolution mask."""
_OF_ADAPTER = ("adapter", "adapter_sha256")


class SamPredictor:
    """Segments single planes. Stateless: nothing of an image is remembered.

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

    Notes
    -----
    Use `load_predictor` to make one. May be called from any thread, one call at a time.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        description: dict[str, str],
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        warm_up_vector_math()
        self._base = checkpoint
        self.device = torch.device(device)
        self.description = description
        self._dtype = dtype
        self._family = checkpoint.family
        self._sam = checkpoint.sam.to(self.device)
        self._encoder: nn.Module = checkpoint.image_encoder.to(self.device)
        self._decoding = Decoding(self._sam)

    @property
    def image_size(self) -> int:
        """Side of the network's square input in pixels."""
        return self._sam.image_size

    @property
    def capabilities(self) -> Capabilities:
        """Which prompts the network understands, and whether to trust its score."""
        return self._family.capabilities

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
            Shares the base weights with this one, costs the memory of the adapter
            file, and takes well under a second. Both can be used in turn.

        Raises
        ------
        CheckpointError
            If the adapter cannot be used, or belongs to another model.
        """
        about = {k: v for k, v in self.description.items() if k not in _OF_ADAPTER}
        checkpoint = self._base
        if adapter is not None:
            path = find_weights(str(adapter), Kind.ADAPTER)
            base_name = self.description["model"]
            checkpoint = load_adapter(path, self._base, base_name, functions)
            about |= {"adapter": str(adapter), "adapter_sha256": file_hash(path)}
        about["preprocessing"] = checkpoint.family.name
        changed = SamPredictor(checkpoint, about, str(self.device), self._dtype)
        changed._base = self._base
        return changed

    def encode(self, image: npt.NDArray[Any]) -> ImageEmbedding:
        """Encode one plane; the slow part.

        Parameters
        ----------
        image : (H, W) or (H, W, 3) array
            8-bit pixels are used as they are; others are stretched between
            percentiles of this plane.

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

    @torch.inference_mode()
    def encode_batch(self, images: Sequence[npt.NDArray[Any]]) -> list[ImageEmbedding]:
        """Encode several planes of one size in one pass.

        Parameters
        ----------
        images : sequence of (H, W) or (H, W, 3) arrays
            All of one height and width.

        Returns
        -------
        list of ImageEmbedding
            In the same order.

        Raises
        ------
        ImageError
            If the pixels cannot be segmented.
        """
        family = self._family
        pictures = [to_rgb(image, family.intensity) for image in images]
        frames = [self._frame_of((p.shape[0], p.shape[1])) for p in pictures]
        inputs = [
            to_input(p, frame, family)
            for p, frame in zip(pictures, frames, strict=True)
        ]
        # channels last in memory, as convolutions like it
        batch = torch.stack([x.permute(1, 2, 0) for x in inputs]).permute(0, 3, 1, 2)
        batch = batch.to(self.device)
        valid = frames[0].resized
        parts = encode_in_parts(
            lambda part: self._encode_tensor(part, valid), batch, self._move_to_cpu
        )
        encoded = [one for part in parts for one in _one_by_one(part)]
        return [
            ImageEmbedding(features, skips, frame)
            for (features, skips), frame in zip(encoded, frames, strict=True)
        ]

    def pack(self, embedding: ImageEmbedding) -> dict[str, npt.NDArray[np.float16]]:
        """Return an embedding as arrays in half precision, for `unpack`."""
        tensors = {"features": embedding.features}
        tensors |= {f"skip {i}": skip for i, skip in enumerate(embedding.skips)}
        return {name: t.half().cpu().numpy() for name, t in tensors.items()}

    def unpack(
        self, arrays: Mapping[str, npt.NDArray[np.float16]], shape: tuple[int, int]
    ) -> ImageEmbedding:
        """Return the embedding of a plane of some rows and columns from its arrays."""
        tensors = [
            torch.from_numpy(np.array(array, np.float32)).to(self.device)
            for array in arrays.values()
        ]
        return ImageEmbedding(tensors[0], tuple(tensors[1:]), self._frame_of(shape))

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
        """
        logits = None if previous is None else previous.logits
        prompts = prompts.without_polygons(embedding.frame.original)
        return self._predict_alike(embedding, [prompts], [logits])[0]

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
            In the same order, equal to what `predict` gives one by one.

        Raises
        ------
        PromptError
            If an object has no prompt, or one lies outside the plane.
        """
        asked = [p.without_polygons(embedding.frame.original) for p in prompts_list]
        alike: dict[tuple[object, ...], list[int]] = defaultdict(list)
        for i, prompts in enumerate(asked):
            alike[kind_of(prompts)].append(i)
        answers: dict[int, MaskPrediction] = {}
        for numbers in alike.values():
            group = [asked[i] for i in numbers]
            found = self._predict_alike(embedding, group, [None] * len(group))
            answers.update(zip(numbers, found, strict=True))
        return [answers[i] for i in range(len(asked))]

    @torch.inference_mode()
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
        chosen, _ = trained_masks(self._family, is_ambiguous=False)
        logits, scores = self._decoding.decode(embedding, None, None, None, chosen)
        best = logits[:, int(scores[0].argmax())]
        full = scaled_logits(best.float(), embedding.frame, self._family)
        return torch.sigmoid(full[0]).cpu().numpy()

    @torch.inference_mode()
    def _predict_alike(
        self,
        embedding: ImageEmbedding,
        group: Sequence[Prompts],
        previous: Sequence[npt.NDArray[np.float32] | None],
    ) -> list[MaskPrediction]:
        """Segment objects whose prompts have the same kind."""
        frame = embedding.frame
        for prompts in group:
            if prompts.is_empty:
                raise PromptError("Expected a point, box or mask to segment, got none.")
            prompts.check_inside(frame.original)
            self.capabilities.check(prompts)
        points, boxes, masks = to_tensors(group, previous, frame, self.device)
        masks = self._as_mask_prompt(masks)
        ambiguous = group[0].is_ambiguous and previous[0] is None
        chosen, count = trained_masks(self._family, ambiguous)
        logits, scores = self._decoding.decode(embedding, points, boxes, masks, chosen)
        trusted = self.capabilities.score_is_trusted
        if not trusted:
            scores = stability(logits)
        found = [
            to_prediction(logits[i], scores[i], frame, self._family, count)
            for i in range(len(group))
        ]
        return [replace(p, score_is_trusted=trusted) for p in found]

    def _frame_of(self, shape: tuple[int, int]) -> Frame:
        family, size = self._family, self.image_size
        mask_stride = size // (MASKS_PER_TOKEN * self._sam.prompt_encoder.grid)
        return frame_of(shape, size, family.stretch, family.is_centred, mask_stride)

    def _as_mask_prompt(self, logits: Tensor | None) -> Tensor | None:
        """Return mask prompts in the form that the network was trained with."""
        if logits is None or not self.capabilities.mask_prompts:
            return None
        return logits if self._family.mask_prompt == "logits" else logits.sigmoid()

    def _encode_tensor(self, batch: Tensor, valid: tuple[int, int]) -> EncodedImage:
        is_adapted = isinstance(self._encoder, AdaptedImageEncoder)
        is_half = self._dtype != torch.float32
        with torch.autocast(batch.device.type, self._dtype, enabled=is_half):
            encoded = self._encoder(*((batch, valid) if is_adapted else (batch,)))
        return EncodedImage(*encoded)

    def _move_to_cpu(self) -> torch.device:
        self.device = torch.device("cpu")
        self._sam.to(self.device)
        self._encoder.to(self.device)
        self._decoding = Decoding(self._sam)
        self.description = self.description | {"device": "cpu"}
        return self.device


def _one_by_one(encoded: EncodedImage) -> Iterator[tuple[Tensor, tuple[Tensor, ...]]]:
    """Split a batch; each image gets float32 features and skips."""
    for i in range(len(encoded.embedding)):
        skips = tuple(skip[i : i + 1].float() for skip in encoded.skips)
        yield encoded.embedding[i : i + 1].float(), skips
