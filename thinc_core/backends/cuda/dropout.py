"""Dropout, and its masks."""

from __future__ import annotations

from typing import Any, Optional, Tuple

import numpy

from .. import checks
from ..ops import Ops
from ._arrays import apart, contig, fits, flag, numbers, plain, suffix, target
from ._base import CudaOps

STEM = "dropout"
FLOAT32 = numpy.dtype("float32")
MOST = 1 - 2.0**-17  # beyond, all are dropped


class CudaDropout(CudaOps):
    """Masks of the reference's generator, bit for bit."""

    def get_dropout_mask(self, shape, drop, *, rng=None, out=None):
        share = numbers((0.0 if drop is None else drop,))
        wanted = shape if type(shape) is tuple else (shape,)
        if share is None or not 0 < share[0] < MOST or not fits(self, out, wanted, FLOAT32):
            return Ops.get_dropout_mask(self, shape, drop, rng=rng, out=out)
        source = checks.generator("get_dropout_mask", rng)
        mask = self.alloc(shape, zeros=False) if out is None else out
        seed, (threshold, kept) = self._dropout_seed(source), self._dropout_values(share[0])
        if mask.size:
            counters = (mask.size + 63) // 64 * 8
            self._device().launch(STEM, "get_dropout_mask", counters, mask, mask.size, seed, threshold, kept)
        return mask

    def dropout(self, X, drop, seed, *, inplace=False, out=None):
        kind, into, given = suffix(self, X), flag(inplace), drawn(self, drop, seed)
        if (
            kind is None
            or given is None
            or given[1] == 0
            or into is None
            or (into and (out is not None or not plain(X)))
            or not fits(self, out, X.shape, X.dtype)
        ):
            return Ops.dropout(self, X, drop, seed, inplace=inplace, out=out)
        x = contig(self, X)
        Y = x if into else target(self, out, X.shape, X.dtype)
        if out is not None and x.data.ptr != Y.data.ptr and not apart(x, Y):
            return Ops.dropout(self, X, drop, seed, inplace=inplace, out=out)
        if Y.size:
            self._device().launch(STEM, f"dropout_{kind}", (Y.size + 63) // 64 * 8, Y, x, Y.size, *given)
        return Y


def drawn(ops: Any, drop: Any, seed: Any) -> Optional[Tuple[int, int, float]]:
    """Seed, threshold and the factor of what is kept, as kernels want them; a threshold of 0 if nothing is dropped.

    None when everything is dropped, or drop or seed are none.
    """
    share = numbers((drop,))
    if share is None or type(seed) is not int or not 0 <= seed < 2**53 or not share[0] < MOST:
        return None
    if share[0] <= 0:
        return 0, 0, 1.0
    threshold, kept = ops._dropout_values(share[0])
    return seed, threshold, float(numpy.float32(kept))
