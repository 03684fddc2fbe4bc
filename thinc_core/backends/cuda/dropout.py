"""Dropout masks."""

from __future__ import annotations

import numpy

from .. import checks
from ..ops import Ops
from ._arrays import fits, numbers
from ._base import CudaOps

STEM = "dropout"
FLOAT32 = numpy.dtype("float32")


class CudaDropout(CudaOps):
    """Masks of the reference's generator, bit for bit."""

    def get_dropout_mask(self, shape, drop, *, rng=None, out=None):
        share = numbers((0.0 if drop is None else drop,))
        wanted = shape if type(shape) is tuple else (shape,)
        if share is None or not 0 < share[0] < 1 - 2.0**-17 or not fits(self, out, wanted, FLOAT32):
            return Ops.get_dropout_mask(self, shape, drop, rng=rng, out=out)
        source = checks.generator("get_dropout_mask", rng)
        mask = self.alloc(shape, zeros=False) if out is None else out
        seed, (threshold, kept) = self._dropout_seed(source), self._dropout_values(share[0])
        if mask.size:
            counters = (mask.size + 63) // 64 * 8
            self._device().launch(STEM, "get_dropout_mask", counters, mask, mask.size, seed, threshold, kept)
        return mask
