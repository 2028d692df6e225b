"""Embeddings of planes within a memory budget."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_sam_adapter.volume.planes.plane import Plane
    from napari_sam_adapter.volume.planes.windows import Window

Key = tuple["Plane", int, "Window | None"]
"""Plane, number of the predictor that embedded it, and which part of the plane."""


class EmbeddingCache:
    """Embeddings, least recently used out; safe in any thread.

    Parameters
    ----------
    budget : int
        Bytes to keep. The newest embedding stays even if it alone is larger.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._entries: OrderedDict[Key, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()
        self._nbytes = 0

    @property
    def nbytes(self) -> int:
        """Bytes in use."""
        return self._nbytes

    def __contains__(self, key: Key) -> bool:
        with self._lock:
            return key in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key) -> Any:
        """Return an embedding and mark it as used.

        Parameters
        ----------
        key : (Plane, int, Window or None)
            Plane, number of the predictor, and part of the plane.

        Returns
        -------
        object or None
            The embedding; None if it is not here.
        """
        with self._lock:
            if key not in self._entries:
                return None
            self._entries.move_to_end(key)
            return self._entries[key][0]

    def put(self, key: Key, embedding: Any) -> None:
        """Keep an embedding and drop old ones until the budget holds.

        Parameters
        ----------
        key : (Plane, int, Window or None)
            Plane, number of the predictor, and part of the plane.
        embedding : object
            What the predictor returned.
        """
        with self._lock:
            self._drop(key)
            self._entries[key] = embedding, embedding_bytes(embedding)
            self._nbytes += self._entries[key][1]
            while self._nbytes > self._budget and len(self._entries) > 1:
                self._drop(next(iter(self._entries)))

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._entries.clear()
            self._nbytes = 0

    def _drop(self, key: Key) -> None:
        _, size = self._entries.pop(key, (None, 0))
        self._nbytes -= size


def embedding_bytes(embedding: Any) -> int:
    """Return the memory of an embedding, whatever it is made of.

    Parameters
    ----------
    embedding : object
        An array or tensor, or an object with such attributes.

    Returns
    -------
    int
        Bytes of all arrays found; 0 if there is none.
    """
    if hasattr(embedding, "nbytes"):
        return int(embedding.nbytes)
    parts = getattr(embedding, "__dict__", {}).values()
    return sum(int(getattr(part, "nbytes", 0)) for part in parts)
