"""Lookups in a table of vectors."""

from __future__ import annotations

from functools import partial

from .. import checks
from ..ops import Ops
from ._arrays import LANES, contig, fits, suffix, target
from ._arrays import indices as as_indices
from ._base import CudaOps

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
