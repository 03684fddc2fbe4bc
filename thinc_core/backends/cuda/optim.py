"""What training does to whole parameters."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy

from ..ops import Ops
from ..reference.optim import StepRates, average_rate
from ._arrays import LANES, apart, contig, fits, map_elements, numbers, plain, suffix
from ._base import CudaOps
from ._step_tables import Table, find_steps

STEM = "optim"
INT32 = numpy.dtype("int32")
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

    def apply_gradients(
        self,
        weights,
        gradients,
        mom1,
        mom2,
        averages,
        rates,
        unscale=1.0,
        found_inf=None,
        *,
        reached=None,
        touched=None,
    ):
        factor, lists = numbers((unscale,)), (weights, gradients, mom1, mom2, averages, rates)
        steps = find_steps(self, lists) if fits(self, found_inf, (1,), INT32) else None
        if factor is None or steps is None or reached is not None or touched is not None:
            return Ops.apply_gradients(self, *lists, unscale, found_inf, reached=reached, touched=touched)
        more = (*factor, found_inf)
        partials = [self._gradient_squares(table, step, *more) for table, step in steps]
        for (table, step), sums in zip(steps, partials):
            self._apply_gradients(table, step, sums, *more)
        return None

    def _gradient_squares(self, table: Table, rates: StepRates, unscale: float, found_inf: Any) -> Any:
        """The sums of squares of all chunks in each class; None when nobody wants to know."""
        if not rates.grad_clip and found_inf is None:
            return None
        partials = self.xp.empty((CLASSES * table.count,), dtype=table.wide)
        args = (partials, found_inf, table.items, table.chunks, table.count, unscale, rates.penalty)
        self._device().launch_blocks(STEM, f"gradient_squares_{table.kind}", table.count, *args)
        return partials

    def _apply_gradients(self, table: Table, rates: StepRates, partials: Any, unscale: float, found_inf: Any) -> None:
        clipping = (partials if rates.grad_clip else None, rates.grad_clip, found_inf)
        decays = (rates.beta1, 1 - rates.beta1, rates.beta2, 1 - rates.beta2)
        around = (unscale, rates.penalty, rates.momentum_rate, rates.decay, rates.average_rate)
        after = (*around, rates.share, rates.by_sign)
        args = (table.items, table.chunks, table.count, *clipping, *decays, rates.eps, rates.learn_rate, *after)
        self._device().launch_blocks(STEM, f"apply_gradients_{table.kind}", table.count, *args)

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
            step = average_rate(*given)
            self._device().launch(
                STEM, f"update_averages_{kind}", -(-ema.size // LANES[kind]), ema, source, ema.size, step
            )
        return None

    def logloss(self, y_true, y_pred, *, out=None):
        return map_elements(self, STEM, "logloss", (y_true, y_pred), False, out)
