"""Reproducible inputs that look like real ones: random values, lengths of sentences, ids that repeat as words do."""

from functools import cache
from math import prod
from typing import Any

import numpy as np

POOL = 1 << 20


@cache
def _pool(dtype: str) -> np.ndarray:
    """A million normal values: more than a branch predictor can learn, drawn once."""
    return np.random.default_rng(0).standard_normal(POOL, dtype=np.float32).astype(dtype)


def normal(*shape: int, dtype: str = "float32", seed: int = 0) -> np.ndarray:
    """Normal values; another seed starts elsewhere in the pool."""
    pool, count, start = _pool(dtype), prod(shape), seed * 99_991 % POOL
    values = pool[start : start + count] if start + count <= POOL else np.resize(np.roll(pool, -start), count)
    return np.array(values).reshape(shape)


def sentence_lengths(rows: int) -> np.ndarray:
    """Lengths between 1 and 40 that sum to rows, as sentences have."""
    lengths = np.random.default_rng(3).integers(1, 41, rows)
    ends = np.minimum(np.cumsum(lengths), rows)
    ends = ends[: int(np.searchsorted(ends, rows)) + 1]
    return np.diff(ends, prepend=0).astype("int32")


def uniform_ids(below: int, *shape: int, dtype: str = "int32") -> np.ndarray:
    """Rows of a table, all alike."""
    return np.random.default_rng(5).integers(0, below, shape).astype(dtype)


def zipf_ids(below: int, *shape: int, dtype: str = "int32") -> np.ndarray:
    """Rows of a table as words ask for them: a few very often, most of them seldom, spread over the table."""
    rng = np.random.default_rng(6)
    ranks = np.minimum(rng.zipf(1.2, shape), below) - 1
    return rng.permutation(below)[ranks].astype(dtype)


def word_ids(rows: int) -> np.ndarray:
    """64-bit hashes of words."""
    return np.random.default_rng(7).integers(0, 2**63, rows).astype("uint64")


def moved_bytes(*values: Any) -> int:
    """Bytes of all arrays in values, lists and containers of arrays included."""
    total = 0
    for value in values:
        if isinstance(value, np.ndarray):
            total += value.nbytes
        elif isinstance(value, (list, tuple)):
            total += moved_bytes(*value)
        elif hasattr(value, "size_at_t"):  # Padded
            total += value.data.nbytes
    return total
