"""Hashes, position codes, and tables whose rows are found by a hash."""

from __future__ import annotations

from typing import Any, List, Tuple

import numpy

from ..ops import Ops
from . import gather
from ._arrays import apart, contig, fits, flag, frequencies_of, here, numbers, plain, suffix, target
from ._base import CudaOps
from ._deterministic import is_deterministic

STEM = "hash"
UINT32, UINT64, FLOAT32 = numpy.dtype("uint32"), numpy.dtype("uint64"), numpy.dtype("float32")
IDS_OF_A_WARP, MOST_TABLES = 8, 6  # of hash.cu
MOST_COLUMNS, MOST_IDS = 2**27, 2**31  # pieces of a warp's ids, and groups of ids, are counted in 32 bits
NO_TABLE = (None, 1, 0, 0, 0)


def _keys(ops: Any, ids: Any, ndim: int) -> Any:
    """Integers as 64 bits, in any layout that steps from element to element; None when they are none."""
    if type(ids) is not getattr(ops.xp, "ndarray", None) or ids.dtype.kind not in "iu" or ids.ndim != ndim:
        return None
    if len(ids) > MOST_IDS or (ops._several is not False and not here(ops, ids)):
        return None
    if ids.dtype != UINT64 and ids.dtype != numpy.int64:
        return ids.astype("uint64", order="C")
    return ids if all(step % 8 == 0 for step in (ids.data.ptr, *ids.strides)) else contig(ops, ids)


def _seed(value: Any) -> bool:
    return type(value) is int and 0 <= value <= 0xFFFFFFFF


def _count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _hashable(table: Any) -> bool:
    """A table that hashes can be taken modulo: 2-d, with 1 to 2^31 rows."""
    return table.ndim == 2 and 1 <= table.shape[0] <= 0x7FFFFFFF and table.shape[1] <= MOST_COLUMNS


def _overlap(X: Any, Y: Any) -> bool:
    """Whether X may share memory with Y, an array in any layout: bounds alone are compared."""
    low = Y.data.ptr + sum(min(step * (n - 1), 0) for step, n in zip(Y.strides, Y.shape))
    high = Y.data.ptr + sum(max(step * (n - 1), 0) for step, n in zip(Y.strides, Y.shape)) + Y.itemsize
    return Y.size > 0 and low < X.data.ptr + X.nbytes and X.data.ptr < high


def _lists(tables: Any, ids: Any, columns: Any, seeds: Any) -> bool:
    """Whether there are as many columns and seeds as tables, each in its range."""
    if not all(isinstance(each, (list, tuple)) and len(each) == len(tables) for each in (tables, columns, seeds)):
        return False
    in_range = all(type(c) is int and 0 <= c < ids.shape[1] for c in columns)
    return in_range and len(tables) > 0 and all(map(_seed, seeds))


class CudaHash(CudaOps):
    """Hashes, lookups by hash and their gradients, position codes."""

    def hash(self, ids, seed, *, out=None):
        keys = _keys(self, ids, 1)
        if keys is None or not _seed(seed) or not _fits(self, out, (len(ids), 4), UINT32, keys):
            return Ops.hash(self, ids, seed, out=out)
        words = target(self, out, (len(ids), 4), UINT32)
        if words.size:
            self._device().launch(STEM, "hash", len(ids), words, keys.data.ptr, keys.strides[0] // 8, len(ids), seed)
        return words

    def ngrams(self, n, keys, *, out=None):
        wide = _keys(self, keys, 1)
        if wide is None or not _count(n) or not 1 <= n <= len(wide):
            return Ops.ngrams(self, n, keys, out=out)
        windows = len(wide) - n + 1
        if not _fits(self, out, (windows,), UINT64, wide):
            return Ops.ngrams(self, n, keys, out=out)
        hashes = target(self, out, (windows,), UINT64)
        self._device().launch(STEM, "ngrams", windows, hashes, wide.data.ptr, wide.strides[0] // 8, windows, n)
        return hashes

    def position_encode(self, N, D, period=10000, out=None):
        base = numbers((period,))
        kind = "f32" if out is None else suffix(self, out)
        if base is None or kind is None or not (_count(N) and _count(D)) or not fits(self, out, (N, D), _dtype(out)):
            return Ops.position_encode(self, N, D, period, out)
        if N * D == 0:
            return target(self, out, (N, D), FLOAT32)
        with numpy.errstate(all="ignore"):
            frequencies, most = frequencies_of(Ops()._periods(D, base[0]), kind)
        if N > most:
            return Ops.position_encode(self, N, D, period, out)
        Y = target(self, out, (N, D), FLOAT32)
        given = self.xp.asarray(frequencies)
        self._device().launch(STEM, f"position_encode_{kind}", N * len(frequencies), Y, given, N, D)
        return Y

    def _slots(self, op, keys, W, b, v1_indexing):
        given, masked = _keys(self, keys, 1), flag(v1_indexing)
        if given is None or masked is None or not given.size:
            return Ops._slots(self, op, keys, W, b, v1_indexing)
        (K,), O = given.shape, b.shape[0]  # noqa: E741
        slots = self.xp.empty((K, 2, O), dtype="int64")
        sizes = (given.strides[0] // 8, K, O, W.shape[0] // O, int(masked))
        self._device().launch(STEM, "sparse_slots", 2 * K, slots, given, *sizes)
        return slots

    def hash_embed(self, table, ids, seed, *, out=None):
        keys = _keys(self, ids, 1)
        if keys is None or not _seed(seed) or suffix(self, table) is None or not _hashable(table):
            return Ops.hash_embed(self, table, ids, seed, out=out)
        shape = (len(keys), table.shape[1])
        source = contig(self, table)
        if not _fits(self, out, shape, table.dtype, keys, source):
            return Ops.hash_embed(self, table, ids, seed, out=out)
        Y = target(self, out, shape, table.dtype)
        _launch(self, "hash_embeds", Y, keys, [source], [0], [seed])
        return Y

    def backprop_hash_embed(self, dY, ids, seed, dtable, *, touched=None):
        keys = _keys(self, ids, 1)
        if (
            keys is None
            or not _seed(seed)
            or suffix(self, dY, dtable) is None
            or not _hashable(dtable)
            or dY.shape != (len(keys), dtable.shape[1])
            or not _into(dtable, keys, dy := contig(self, dY))
            or touched is not None
        ):
            return Ops.backprop_hash_embed(self, dY, ids, seed, dtable, touched=touched)
        _backprop(self, dy, keys, [dtable], [0], [seed])
        return None

    def hash_embeds(self, tables, ids, columns, seeds, *, out=None):
        keys = _keys(self, ids, 2)
        if keys is None or not _lists(tables, ids, columns, seeds) or not _same_floats(self, tables):
            return Ops.hash_embeds(self, tables, ids, columns, seeds, out=out)
        shape = (len(keys), sum(table.shape[1] for table in tables))
        sources = [contig(self, table) for table in tables]
        if not _fits(self, out, shape, tables[0].dtype, keys, *sources):
            return Ops.hash_embeds(self, tables, ids, columns, seeds, out=out)
        Y = target(self, out, shape, tables[0].dtype)
        _launch(self, "hash_embeds", Y, keys, sources, columns, seeds)
        return Y

    def backprop_hash_embeds(self, dY, ids, columns, seeds, dtables, *, touched=None):
        keys = _keys(self, ids, 2)
        if (
            keys is None
            or not _lists(dtables, ids, columns, seeds)
            or not _same_floats(self, dtables)
            or suffix(self, dY, dtables[0]) is None
            or dY.shape != (len(keys), sum(dtable.shape[1] for dtable in dtables))
            or not all(_into(dtable, keys, dy) for dy in [contig(self, dY)] for dtable in dtables)
            or touched is not None
        ):
            return Ops.backprop_hash_embeds(self, dY, ids, columns, seeds, dtables, touched=touched)
        _backprop(self, contig(self, dY), keys, dtables, columns, seeds)
        return None


def _dtype(out: Any) -> Any:
    return None if out is None else out.dtype


def _fits(ops: Any, out: Any, shape: Tuple[int, ...], dtype: Any, keys: Any, *read: Any) -> bool:
    """As `fits`, for keys in any layout."""
    return fits(ops, out, shape, dtype, *read) and (out is None or not _overlap(out, keys))


def _same_floats(ops: Any, tables: Any) -> bool:
    return suffix(ops, *tables) is not None and all(map(_hashable, tables))


def _into(dtable: Any, keys: Any, dY: Any) -> bool:
    """Whether a kernel can add to dtable while it reads the others."""
    return plain(dtable) and apart(dtable, dY) and not _overlap(dtable, keys)


def _launch(ops: Any, op: str, Y: Any, keys: Any, tables: List[Any], columns: Any, seeds: Any) -> None:
    """A kernel for all ids and tables; for many tables several, with as many as one takes.

    Y: the columns of all tables side by side, to write or, backwards, to read.
    """
    kind, B, width, start = suffix(ops, Y), len(keys), Y.shape[1], 0
    across = keys.strides[1] // 8 if keys.ndim == 2 else 0
    for first in range(0, len(tables), MOST_TABLES):
        group = range(first, min(first + MOST_TABLES, len(tables)))
        given = [(tables[k], *tables[k].shape, columns[k] * across, seeds[k]) for k in group]
        if B and any(shape[2] for shape in given):
            args = sum(given + [NO_TABLE] * (MOST_TABLES - len(given)), ())
            begin, work = Y.data.ptr + start * Y.itemsize, 32 * -(-B // IDS_OF_A_WARP) * len(group)
            name = f"{op}_{kind}"
            ops._device().launch(
                STEM, name, work, begin, keys.data.ptr, keys.strides[0] // 8, B, width, len(group), *args
            )
        start += sum(shape[2] for shape in given)


def _backprop(ops: Any, dY: Any, keys: Any, dtables: List[Any], columns: Any, seeds: Any) -> None:
    """Add the gradient to the tables, in a fixed order if that is wanted."""
    if not is_deterministic():
        _launch(ops, "backprop_hash_embeds", dY, keys, dtables, columns, seeds)
        return
    B, start, device = len(keys), 0, ops._device()
    across = keys.strides[1] // 8 if keys.ndim == 2 else 0
    for dtable, column, seed in zip(dtables, columns, seeds):
        V, width = dtable.shape
        if B and width:
            order, bits = gather.sort_keys(ops, 4 * B)
            begin = keys.data.ptr + column * across * 8
            device.launch(STEM, "hash_keys", B, order, begin, keys.strides[0] // 8, B, V, seed, bits)
            gather.add_sorted(ops, dtable, dY, start, order, bits, 2, dY.shape[1])
        start += width
