"""Where the window keeps embeddings, and how much room they have."""

from __future__ import annotations

from napari_sam_adapter.errors import SettingError
from napari_sam_adapter.plugin.preferences import preferences
from napari_sam_adapter.volume.embeddings.embedding_store import (
    GIGABYTE,
    EmbeddingStore,
    embeddings_folder,
)

DEFAULT_ROOM = 10
"""GB, where napari has no Preferences of this plugin; as in napari.yaml."""


def window_store() -> EmbeddingStore:
    """Return the store of a new session of the window.

    Returns
    -------
    EmbeddingStore
        It keeps nothing if the Preferences give it no room; embeddings are rounded all
        the same, so that the room can change at any time.
    """
    store = EmbeddingStore(None)
    give_room(store)
    return store


def give_room(store: EmbeddingStore) -> None:
    """Give a store the folder and the room of the Preferences, and a new start.

    Parameters
    ----------
    store : EmbeddingStore
        From `window_store`.
    """
    known = preferences()
    room = DEFAULT_ROOM if known is None else known.embeddings.room
    store.budget = room * GIGABYTE
    store.folder = None
    store.try_again()
    try:
        store.folder = embeddings_folder()
    except SettingError as error:
        store.problem = f"Embeddings are not kept. {error}"
