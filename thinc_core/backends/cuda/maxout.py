"""Maxout: the largest of P pieces, and where its gradient goes."""

from __future__ import annotations

from functools import partial

from .. import checks
from ..ops import Ops
from ._arrays import LANES, contig, count, fits, fits_both, suffix, target
from ._arrays import indices as as_indices
from ._base import CudaOps

STEM = "maxout"
MOST_PIECES = 2**31 - 1  # which is int32


class CudaMaxout(CudaOps):
    """The largest of P pieces, and its gradient."""

    def maxout(self, X, *, out=None):
        kind = suffix(self, X)
        if kind is None or X.ndim != 3 or not 1 <= X.shape[2] <= MOST_PIECES:
            return Ops.maxout(self, X, out=out)
        shape, x = X.shape[:2], contig(self, X)
        outs = fits_both(self, out, shape, X.dtype, shape, "int32", x)
        if outs is None:
            return Ops.maxout(self, X, out=out)
        best, which = target(self, outs[0], shape, X.dtype), target(self, outs[1], shape, "int32")
        if best.size:
            work = -(-best.size // LANES[kind])
            self._device().launch(STEM, f"maxout_{kind}", work, best, which, x, best.size, X.shape[2])
        return best, which

    def backprop_maxout(self, dY, which, P, *, out=None):
        kind, pieces = suffix(self, dY), count(P, 1)
        chosen, index = as_indices(self, which)
        if kind is None or pieces is None or chosen is None or dY.ndim != 2 or dY.shape != chosen.shape:
            return Ops.backprop_maxout(self, dY, which, P, out=out)
        shape, dy = (*dY.shape, pieces), contig(self, dY)
        if not fits(self, out, shape, dY.dtype, dy, chosen):
            return Ops.backprop_maxout(self, dY, which, P, out=out)
        dX = target(self, out, shape, dY.dtype)
        if dX.size:
            describe = partial(checks.bad_index, "backprop_maxout", "which", dY.shape)
            work, name = -(-dX.size // LANES[kind]), f"backprop_maxout_{kind}_{index}"
            self._device().launch_checking(STEM, name, work, describe, dX, dy, chosen, dy.size, pieces)
        return dX
