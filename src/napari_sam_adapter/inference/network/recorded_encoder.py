"""The kernels of an encoder, recorded once on a CUDA GPU and then replayed.

An encoder is some hundred short kernels. For one image the processor takes as long to
launch them as the GPU to run them; a recording is one launch.
"""

from __future__ import annotations

import logging
import threading
from functools import cache
from typing import TYPE_CHECKING

import torch

from napari_sam_adapter.model.encoder.image_encoder import EncodedImage, Started

if TYPE_CHECKING:
    from torch import Tensor

    from napari_sam_adapter.model.adapters.adapted_encoder import AdaptedImageEncoder
    from napari_sam_adapter.model.encoder.image_encoder import ImageEncoder

    Encoder = ImageEncoder | AdaptedImageEncoder
    Key = tuple[tuple[int, ...], tuple[torch.Size, ...]]

_LOCK = threading.Lock()
_log = logging.getLogger(__name__)


class RecordedEncoder:
    """Completes what an encoder has started, by a recording from the second time on.

    Weights may change in place. Where they are replaced, or tokens of another shape
    come, there is a new recording; only the last one is kept.
    """

    def __init__(self) -> None:
        self._seen: Key | None = None
        self._recording: Recording | None = None
        self._has_failed = False

    def complete(self, encoder: Encoder, started: Started) -> EncodedImage:
        """Do what `complete` of the encoder does.

        Parameters
        ----------
        encoder : ImageEncoder or AdaptedImageEncoder
            On a CUDA device.
        started : Started
            Of inference, always in the same number format.

        Returns
        -------
        EncodedImage
            Its own tensors.
        """
        started = started._replace(prompts=tuple(started.prompts))
        with _LOCK:
            recording = self._recording_for(encoder, started)
            if recording is not None:
                return recording.replay(started)
        return encoder.complete(started)

    def _recording_for(self, encoder: Encoder, started: Started) -> Recording | None:
        """Return a recording; None for what comes for the first time, or failed."""
        key = _key(encoder, started)
        if self._has_failed or key != self._seen:
            self._seen, self._recording = key, None
        elif self._recording is None:
            self._recording = self._recorded(encoder, started)
        return self._recording

    def _recorded(self, encoder: Encoder, started: Started) -> Recording | None:
        try:
            return Recording(encoder, started)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            _log.warning("Encoding without a recording on the GPU: %s", reason)
            self._has_failed = True
        return None


class Recording:
    """The kernels that complete what was started, with memory of their own.

    Parameters
    ----------
    encoder : ImageEncoder or AdaptedImageEncoder
        Its weights have to stay where they are.
    started : Started
        An example.

    Raises
    ------
    RuntimeError
        If memory runs out, or the device cannot record.
    """

    def __init__(self, encoder: Encoder, started: Started) -> None:
        self._started = _copied(started)
        device = started.tokens.device
        side, current = _side_stream(device), torch.cuda.current_stream(device)
        side.wait_stream(current)
        with torch.cuda.stream(side):  # libraries get their memory before, not within
            encoder.complete(self._started)
        current.wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        # other threads may use the device meanwhile
        with torch.cuda.graph(
            self._graph, stream=side, capture_error_mode="thread_local"
        ):
            self._encoded = encoder.complete(self._started)

    def replay(self, started: Started) -> EncodedImage:
        """Complete what was started; return tensors that nothing else holds."""
        for own, given in zip(_tensors(self._started), _tensors(started), strict=True):
            own.copy_(given)
        self._graph.replay()
        embedding, skips, sides = self._encoded
        return EncodedImage(
            embedding.clone(),
            tuple(skip.clone() for skip in skips),
            tuple(side.clone() for side in sides),
        )


@cache
def _side_stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def _key(encoder: Encoder, started: Started) -> Key:
    """Tell where the weights are, and what shape the tokens have."""
    weights = (*encoder.parameters(), *encoder.buffers())
    shapes = tuple(x.shape for x in _tensors(started))
    return tuple(weight.data_ptr() for weight in weights), shapes


def _tensors(started: Started) -> tuple[Tensor, ...]:
    return started.tokens, *started.sides, *started.prompts


def _copied(started: Started) -> Started:
    return Started(
        started.tokens.clone(),
        tuple(side.clone() for side in started.sides),
        tuple(prompt.clone() for prompt in started.prompts),
    )
