"""Lookups in a table of vectors."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, Tuple

from .. import checks
from ..ops import Ops
from ._arrays import LANES, apart, contig, fits, plain, suffix, target
from ._arrays import indices as as_indices
from ._base import CudaOps
from ._deterministic import is_deterministic

STEM = "gather"


class CudaGather(CudaOps):
    """Lookups and their gradients."""

    def gather_add(self, table, indices, *, out=None):
        kind = suffix(self, table)
        rows, index = as_indices(self, indices)
        if kind is None or rows is None or table.ndim != 2 or rows.ndim != 2 or 0 in (*table.shape, rows.shape[1]):
            return Ops.gather_add(self, table, indices, out=out)
        (V, width), (B, K) = table.shape, rows.shape
        source = contig(self, table)
        if not fits(self, out, (B, width), table.dtype, source, rows):
            return Ops.gather_add(self, table, indices, out=out)
        Y = target(self, out, (B, width), table.dtype)
        if B:
            describe = partial(checks.bad_index, "gather_add", "indices", rows.shape)
            work, name = B * -(-width // LANES[kind]), f"gather_add_{kind}_{index}"
            self._device().launch_checking(STEM, name, work, describe, Y, source, rows, B, K, V, width)
        return Y

    def scatter_add(self, table, indices, values):
        kind = suffix(self, table, values)
        rows, index = as_indices(self, indices)
        if kind is not None and rows is not None and table.ndim:
            values = _broadcast(self, values, rows.shape + table.shape[1:])
        if (
            kind is None
            or rows is None
            or table.ndim == 0
            or 0 in table.shape
            or values.shape != rows.shape + table.shape[1:]
            or not plain(table)
            or not (apart(table, rows) and apart(table, source := contig(self, values)))
        ):
            return Ops.scatter_add(self, table, indices, values)
        if source.size:
            _scatter(self, table, rows, source, kind, index)
        return table


def _broadcast(ops: Any, values: Any, shape: Tuple[int, ...]) -> Any:
    """values with this shape, where that is theirs by broadcasting; else as they are."""
    axes = zip(values.shape[::-1], shape[::-1])
    if values.shape == shape or values.ndim > len(shape) or not all(n in (1, want) for n, want in axes):
        return values
    return ops.xp.broadcast_to(values, shape)


def _scatter(ops: Any, table: Any, rows: Any, values: Any, kind: str, index: str) -> None:
    """table[rows] += values, in a fixed order if that is wanted."""
    V, n, width, device = table.shape[0], rows.size, math.prod(table.shape[1:]), ops._device()
    describe = partial(checks.bad_index, "scatter_add", "indices", rows.shape)
    if is_deterministic():
        order, bits = sort_keys(ops, n)
        device.launch_checking(STEM, f"scatter_keys_{index}", n, describe, order, rows, n, V, bits)
        add_sorted(ops, table.reshape((V, width)), values, 0, order, bits, 0, width)
        return
    name, work = f"scatter_add_{kind}_{index}", n * -(-width // LANES[kind])
    device.launch_checking(STEM, name, work, describe, table, rows, values, n, V, width)


def sort_keys(ops: Any, n: int) -> Tuple[Any, int]:
    """A place for n keys: row << bits | number of the term; and how many bits that is."""
    return ops.xp.empty((n,), dtype="int64"), (n - 1).bit_length()


def add_sorted(ops: Any, table: Any, values: Any, start: int, keys: Any, bits: int, shared: int, width: int) -> None:
    """table[row] += values[term >> shared], from column `start` on, for all keys, in the order of the terms.

    width: from one row of the values to the next.
    """
    kind, n, (V, columns) = suffix(ops, table) or "", keys.size, table.shape
    begin, order, work = values.data.ptr + start * values.itemsize, ops.xp.sort(keys), n * -(-columns // LANES[kind])
    ops._device().launch(STEM, f"add_sorted_{kind}", work, table, begin, order, n, bits, V, columns, shared, width)
