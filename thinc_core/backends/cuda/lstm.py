"""Long short-term memory: a product and a kernel per step, on the reference's loop over layers and directions.

Half precision comes here as float32, in which the reference computes and keeps the state.
"""

from __future__ import annotations

from typing import Any, Tuple

from ..reference.lstm import LSTMState, Weights, lstm_steps
from ._arrays import contig, suffix
from ._base import CudaOps
from .gemm import add_column_sums, multiply, multiply_new

STEM = "lstm"


class CudaLSTM(CudaOps):
    """LSTM and its gradient."""

    def _new_units(self, op: str, shape: Tuple[int, ...], dtype: Any) -> Any:
        depth, dirs, N, _, nO = shape  # for inference none: a direction keeps the cells of a step
        return self.xp.empty((depth, dirs, N if op == "lstm_forward_training" else 0, 6, nO), dtype=dtype)

    def _lstm_direction(self, units: Any, X: Any, weights: Weights, start: Tuple[Any, Any], steps: Any) -> Any:
        kind, (N, nO) = suffix(self, X, units, *weights, *start), (X.shape[0], start[0].shape[0])
        kept = units.shape[0] == N
        if kind is None or X.size == 0 or nO == 0:
            units = units if kept else self.xp.empty((N, 6, nO), dtype=X.dtype)
            return super()._lstm_direction(units, X, weights, start, steps)
        x, h0, c0, Wx, bx, Wh, bh = (contig(self, each) for each in (X, *start, *weights))
        A, z0 = multiply_new(self, x, Wx.T), multiply_new(self, h0.reshape(1, nO), Wh.T)
        Z, H = self.xp.empty_like(A), self.xp.empty((N, nO), dtype=X.dtype)
        steps, device, name, row = list(steps), self._device(), f"lstm_step_{kind}", nO * X.itemsize
        largest = max(step.kept + step.new for step in steps)
        cells = units if kept else self.xp.empty((largest, nO), dtype=X.dtype)
        ld = 6 if kept else 1  # cells of neighbouring rows, in rows of H
        for step in steps:
            count, first = step.kept + step.new, step.rows.start
            if count == 0:
                continue
            if step.kept:
                multiply(self, H[step.before], Wh.T, Z[: step.kept])
            unit = units.data.ptr + first * 6 * row if kept else None
            now = before = cells.data.ptr  # overwritten in place, unless they are kept
            if kept:
                now, before = (before + (at * 6 + 4) * row for at in (first, step.before.start))
            places = (H.data.ptr + first * row, now, unit, A.data.ptr + first * 4 * row)
            more = (bx, bh, Z, z0, before, c0, count, step.kept, nO, ld * nO)
            device.launch(STEM, name, count * nO, *places, *more)
        return H

    def _backprop_direction(
        self, dY: Any, state: LSTMState, at: Tuple[int, int], weights: Weights, dH0: Any, dC0: Any
    ) -> Tuple[Any, Any]:
        units, h0, c0 = state.units[at], state.H0[at], state.C0[at]
        kind = suffix(self, dY, units, h0, c0, *weights, dH0, dC0)
        if kind is None or units.size == 0 or dY.strides[1] != dY.itemsize or dY.data.ptr % dY.itemsize:
            return super()._backprop_direction(dY, state, at, weights, dH0, dC0)
        units, h0, c0, Wh = (contig(self, each) for each in (units, h0, c0, weights.Wh))
        (N, nO), size = dY.shape, dY.itemsize
        dA, H = self.xp.empty((N, 4 * nO), dtype=dY.dtype), self.xp.empty((N, nO), dtype=dY.dtype)
        # Where a sequence has begun, what its row of these holds is no longer changed: the gradient of h0 and of c0.
        dh, dc = (self.xp.zeros((int(state.sizes.max(initial=0)), nO), dtype=dY.dtype) for _ in range(2))
        device, name, ldy = self._device(), f"backprop_lstm_step_{kind}", dY.strides[0] // size
        for step in reversed(list(lstm_steps(state.sizes, at[1] == 1))):
            count, first = step.kept + step.new, step.rows.start
            if count == 0:
                continue
            places = (dA.data.ptr + first * 4 * nO * size, H.data.ptr + first * nO * size, dc, dh)
            given = (dY.data.ptr + first * ldy * size, units.data.ptr + first * 6 * nO * size)
            before = units.data.ptr + step.before.start * 6 * nO * size
            device.launch(STEM, name, count * nO, *places, *given, before, h0, c0, count, step.kept, nO, ldy)
            multiply(self, dA[step.rows], Wh, dh[:count])
        add_column_sums(self, kind, dH0, dh)
        add_column_sums(self, kind, dC0, dc)
        return dA, H
