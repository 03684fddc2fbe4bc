"""What training does to whole parameters."""

from __future__ import annotations

from itertools import combinations

from ..ops import Ops
from ._arrays import LANES, apart, contig, map_elements, numbers, plain, suffix
from ._base import CudaOps

STEM = "optim"
CLASSES = 3  # of magnitude, in sums of squares


class CudaOptim(CudaOps):
    """Steps of optimizers, averages, losses."""

    def adam(self, weights, gradient, mom1, mom2, beta1, beta2, eps, learn_rate, mod_rate=1.0):
        arrays = (weights, gradient, mom1, mom2)
        kind, given = suffix(self, *arrays), numbers((beta1, beta2, eps, learn_rate, mod_rate))
        if (
            kind is None
            or given is None
            or not all(X.shape == weights.shape and plain(X) for X in arrays)
            or not all(apart(X, Y) for X, Y in combinations(arrays, 2))
        ):
            return Ops.adam(self, *arrays, beta1, beta2, eps, learn_rate, mod_rate)
        if weights.size:
            decays = (given[0], 1 - given[0], given[1], 1 - given[1])
            work = -(-weights.size // LANES[kind])
            self._device().launch(STEM, f"adam_{kind}", work, *arrays, weights.size, *decays, *given[2:])
        return arrays

    def clip_gradient(self, gradient, threshold):
        kind, limit = suffix(self, gradient), numbers((threshold,))
        if kind is None or limit is None or not plain(gradient):
            return Ops.clip_gradient(self, gradient, threshold)
        n, device = gradient.size, self._device()
        if n:
            work = -(-n // LANES[kind])
            blocks = min(-(-work // device.threads), max(device.most_blocks // 4, 1))  # all of them at once
            wide = "float64" if kind == "f64" else "float32"
            partials = self.xp.empty((CLASSES * blocks,), dtype=wide)
            device.launch_blocks(STEM, f"sum_squares_{kind}", blocks, partials, gradient, n)
            device.launch(STEM, f"clip_gradient_{kind}", work, gradient, n, partials, blocks, *limit)
        return gradient

    def update_averages(self, ema, weights, t, max_decay=0.9999):
        kind, given = suffix(self, ema, weights), numbers((t, max_decay))
        if kind is None or given is None or ema.shape != weights.shape or not plain(ema):
            return Ops.update_averages(self, ema, weights, t, max_decay)
        source = contig(self, weights)
        if not (source.data.ptr == ema.data.ptr or apart(ema, source)):
            return Ops.update_averages(self, ema, weights, t, max_decay)
        if ema.size:
            step = 1.0 - min((1.0 + given[0]) / (10.0 + given[0]), given[1])
            self._device().launch(
                STEM, f"update_averages_{kind}", -(-ema.size // LANES[kind]), ema, source, ema.size, step
            )
        return None

    def logloss(self, y_true, y_pred, *, out=None):
        return map_elements(self, STEM, "logloss", (y_true, y_pred), False, out)
