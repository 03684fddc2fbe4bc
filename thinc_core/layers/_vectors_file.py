"""Vectors in memory-mapped files, which all models of a process share."""

import os
from functools import lru_cache
from typing import Any, Optional, Tuple

import numpy


def look_up(path: str, keys: Optional[str], ids: Any) -> Any:
    """(B, nM) the vectors of ids (B,) on the host: those of the rows with these numbers or, with a file of keys, with
    these keys; zeros where there is none.
    """
    vectors = mapped(path)
    if keys is None:
        rows = ids.astype("int64")  # an id beyond its range becomes negative
        found = (rows >= 0) & (rows < len(vectors))
    else:
        known, order = _sorted(keys, _changed(keys))
        if len(known) != len(vectors):
            raise ValueError(
                f"static_vectors: keys must have one entry for each of the {len(vectors)} vectors; got {len(known)}"
            )
        wanted = ids.astype("uint64")
        at = numpy.searchsorted(known, wanted)
        found = at < len(known)
        found[found] = known[at[found]] == wanted[found]
        rows = numpy.where(found, order[numpy.where(found, at, 0)], 0) if len(known) else at
    Y = numpy.zeros((len(ids), vectors.shape[1]), dtype=vectors.dtype)
    Y[found] = vectors[rows[found]]
    return Y


def mapped(path: str) -> Any:
    """The array in a file, of which only the rows that are looked up are ever read."""
    return _open(path, _changed(path))


def _changed(path: str) -> int:
    return os.stat(path).st_mtime_ns


@lru_cache(maxsize=16)
def _open(path: str, changed: int) -> Any:
    vectors = numpy.load(path, mmap_mode="r", allow_pickle=False)
    if vectors.ndim != 2 or vectors.dtype.kind != "f":
        got = f"got {vectors.dtype} of shape {vectors.shape}"
        raise ValueError(f"static_vectors: path must name a 2-d array of floats; {got} in {path}")
    return vectors


@lru_cache(maxsize=16)
def _sorted(path: str, changed: int) -> Tuple[Any, Any]:
    keys = numpy.load(path, allow_pickle=False)
    if keys.ndim != 1 or keys.dtype.kind not in "iu":
        got = f"got {keys.dtype} of shape {keys.shape}"
        raise ValueError(f"static_vectors: keys must name a 1-d array of integers; {got} in {path}")
    order = numpy.argsort(keys.astype("uint64"), kind="stable")
    return keys.astype("uint64")[order], order
