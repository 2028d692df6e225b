import numpy as np
import pytest
from tests.fakes import DiskEmbedding

from napari_sam_adapter.volume.embeddings.embedding_cache import (
    EmbeddingCache,
    embedding_bytes,
)
from napari_sam_adapter.volume.planes.planes import Plane

KILOBYTE = 1024


def key(number):
    return Plane((1, 2), (number,)), 1, None


def filled(budget, count):
    cache = EmbeddingCache(budget)
    for number in range(count):
        cache.put(key(number), np.zeros(KILOBYTE, np.uint8))
    return cache


def test_the_budget_holds_and_the_oldest_goes():
    cache = filled(3 * KILOBYTE, 5)
    assert cache.nbytes == 3 * KILOBYTE
    assert [key(number) in cache for number in range(5)] == [False] * 2 + [True] * 3


def test_what_was_used_last_stays():
    cache = filled(2 * KILOBYTE, 2)
    cache.get(key(0))
    cache.put(key(2), np.zeros(KILOBYTE, np.uint8))
    assert key(0) in cache
    assert key(1) not in cache


def test_the_newest_stays_even_if_it_is_too_large():
    cache = filled(10, 2)
    assert len(cache) == 1
    assert cache.get(key(1)) is not None


def test_replacing_an_entry_counts_it_once():
    cache = filled(9 * KILOBYTE, 2)
    cache.put(key(1), np.zeros(2 * KILOBYTE, np.uint8))
    assert cache.nbytes == 3 * KILOBYTE


def test_another_predictor_has_its_own_embeddings():
    assert filled(KILOBYTE, 1).get((key(0)[0], 2)) is None


def test_clear_drops_everything():
    cache = filled(9 * KILOBYTE, 2)
    cache.clear()
    assert (len(cache), cache.nbytes) == (0, 0)


@pytest.mark.parametrize(
    ("embedding", "size"),
    [(np.zeros(8), 64), (DiskEmbedding(np.zeros(4, np.float32)), 16), ("text", 0)],
    ids=["array", "object", "opaque"],
)
def test_the_size_of_any_embedding_is_found(embedding, size):
    assert embedding_bytes(embedding) == size
