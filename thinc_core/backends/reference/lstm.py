"""Long short-term memory over sequences packed step by step, in both directions and any number of layers."""

# The array types describe what callers do with arrays, not everything that array code can do.
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterator, NamedTuple, Optional, Tuple

import numpy

from .. import checks, lstm_checks
from ._base import Base

if TYPE_CHECKING:
    from ...types import Floats1d, Floats2d, Floats3d, Ints1d


class LSTMState(NamedTuple):
    """What backprop_lstm needs of the forward pass. Opaque for callers, the same for all backends.

    inputs: what each layer was given, (N, I).  H0, C0: (depth, dirs, nO).  sizes: (steps,) integers on the host.
    units: (depth, dirs, N, 6, nO): the gates forget, input, output, candidate after their activation, then the cell
        and its tanh.
    """

    inputs: Tuple[Any, ...]
    H0: Any
    C0: Any
    sizes: Any
    units: Any


class Weights(NamedTuple):
    """Views of the parameters of one direction of one layer, or of their gradients."""

    Wx: Any
    bx: Any
    Wh: Any
    bh: Any


class Step(NamedTuple):
    """Where one step of a direction finds its rows; the first `kept` go on from those of the step before it."""

    rows: slice
    before: slice
    kept: int
    new: int


def lstm_size(depth: int, dirs: int, nI: int, nO: int) -> int:
    """The number of parameters."""
    return sum(dirs * 4 * nO * (n_in + nO + 2) for n_in in [nI] + [nO * dirs] * (depth - 1))


def lstm_weights(params: Any, depth: int, dirs: int, nI: int, nO: int) -> Iterator[Tuple[int, int, Weights]]:
    """Layer, direction and their part of params, in the order in which params holds them."""
    start = 0
    for layer in range(depth):
        for direction in range(dirs):
            parts = []
            for shape in ((4 * nO, nO * dirs if layer else nI), (4 * nO,), (4 * nO, nO), (4 * nO,)):
                size = int(numpy.prod(shape))
                parts.append(params[start : start + size].reshape(shape))
                start += size
            yield layer, direction, Weights(*parts)


def lstm_steps(sizes: Any, backwards: bool) -> Iterator[Step]:
    """The steps in the order in which a direction takes them.

    Rows of step t:  [ sequence 0 | sequence 1 | ... ]  the longest first, so those that go on are the first ones:
    the `kept` rows at the head of this step and of the one before it belong to the same sequences. The rest start
    here: at step 0, or, going backwards, each at its own last step.
    """
    ends = numpy.cumsum(sizes).tolist()
    counts = sizes.tolist()
    order = range(len(counts) - 1, -1, -1) if backwards else range(len(counts))
    before, last = 0, 0
    for t in order:
        start, kept = ends[t] - counts[t], min(counts[t], last)
        yield Step(slice(start, ends[t]), slice(before, before + kept), kept, counts[t] - kept)
        before, last = start, counts[t]


class LSTM(Base):
    def lstm_forward_training(
        self, params: Floats1d, H0: Floats3d, C0: Floats3d, X: Floats2d, size_at_t: Ints1d
    ) -> Tuple[Floats2d, Tuple]:
        """a = Wx x + bx + Wh h + bh; f, i, o = sigmoid(a); g = tanh(a); c = f c + i g; h = o tanh(c), step by step.

        params: 1-d; for each layer, for each direction: Wx (4 nO, I), bx (4 nO,), Wh (4 nO, nO), bh (4 nO,), whose
            rows are those of the gates forget, input, output, candidate. I is nI in the first layer, else nO * dirs.
        H0, C0: (depth, dirs, nO) initial output and cell, the same for every sequence; dirs 1 or 2.
        X: (N, nI) the rows of step 0 of all sequences, then of step 1, ...; in each the longest sequence first.
        size_at_t: (steps,) sequences that are longer than t, not increasing, sums to N.
        RETURNS: Y (N, nO * dirs) in X's dtype, left to right beside right to left, which starts each sequence at its
            own last step; and the state for backprop_lstm, which is opaque.
        RAISES: ValueError when ranks, shapes or dtypes do not fit, or size_at_t increases or is negative; IndexError
            when it does not sum to N.
        NUMERICS: no clipping; sums in the backend's own order.
        SOURCE: Hochreiter and Schmidhuber 1997; Gers et al. 2000 (forget gate).
        """
        return self._lstm("lstm_forward_training", params, H0, C0, X, size_at_t)

    def lstm_forward_inference(
        self, params: Floats1d, H0: Floats3d, C0: Floats3d, X: Floats2d, size_at_t: Ints1d
    ) -> Floats2d:
        """The same without the state for the backward pass.

        params, H0, C0, X, size_at_t: as in lstm_forward_training.
        RETURNS: Y (N, nO * dirs) in X's dtype.
        RAISES: as lstm_forward_training.
        """
        return self._lstm("lstm_forward_inference", params, H0, C0, X, size_at_t)[0]

    def _lstm(self, op: str, params: Any, H0: Any, C0: Any, X: Any, size_at_t: Any) -> Tuple[Any, LSTMState]:
        self._arrays(op, params=params, H0=H0, C0=C0, X=X)
        lstm_checks.forward(op, params, H0, C0, X)
        sizes = self._host(op, "size_at_t", size_at_t)
        lstm_checks.sizes(op, "size_at_t", sizes, X.shape[0])
        depth, dirs, nO = H0.shape
        layer_input, h0, c0 = self._wide(X), self._wide(H0), self._wide(C0)
        inputs, halves = [], []
        units = self._new_units(op, (depth, dirs, X.shape[0], 6, nO), layer_input.dtype)
        for layer, direction, weights in lstm_weights(self._wide(params), depth, dirs, X.shape[1], nO):
            steps = lstm_steps(sizes, direction == 1)
            start = (h0[layer, direction], c0[layer, direction])
            halves.append(self._lstm_direction(units[layer, direction], layer_input, weights, start, steps))
            if direction == dirs - 1:
                inputs.append(layer_input)
                layer_input, halves = self.xp.concatenate(halves, axis=1), []
        return layer_input.astype(X.dtype, copy=False), LSTMState(tuple(inputs), h0, c0, sizes, units)

    def _new_units(self, op: str, shape: Tuple[int, ...], dtype: Any) -> Any:
        """Where the state's units go. A backend that needs none for inference overrides this."""
        return self.xp.empty(shape, dtype=dtype)

    def _lstm_direction(self, units: Any, X: Any, weights: Weights, start: Tuple[Any, Any], steps: Any) -> Any:
        """The output of one direction of one layer; its gates and cells go to units (N, 6, nO)."""
        h0, c0 = start
        nO = h0.shape[0]
        A = (X @ weights.Wx.T + (weights.bx + weights.bh)).reshape(X.shape[0], 4, nO)
        Y = self.xp.empty((X.shape[0], nO), dtype=X.dtype)
        for step in steps:
            h, c = self._before(Y, h0, step), self._before(units[:, 4], c0, step)
            a = A[step.rows] + (h @ weights.Wh.T).reshape(step.kept + step.new, 4, nO)
            forget, into, out = (self._logistic(a[:, gate]) for gate in range(3))
            candidate = self.xp.tanh(a[:, 3])
            c = forget * c + into * candidate
            for k, values in enumerate((forget, into, out, candidate, c, self.xp.tanh(c))):
                units[step.rows, k] = values
            Y[step.rows] = out * units[step.rows, 5]
        return Y

    def _before(self, values: Any, start: Any, step: Step) -> Any:
        """(rows of the step, nO): the values of each sequence at the step before, or its initial ones."""
        new = self.xp.broadcast_to(start, (step.new,) + tuple(start.shape))
        return self.xp.concatenate([values[step.before], new])

    def _logistic(self, X: Any) -> Any:
        E = self.xp.exp(-self.xp.abs(X))
        return self.xp.where(X >= 0, 1, E) / (1 + E)

    def backprop_lstm(
        self, dY: Floats2d, lengths: Ints1d, params: Floats1d, fwd_state: Tuple
    ) -> Tuple[Floats2d, Floats1d]:
        """Backpropagation through time.

        dY: (N, nO * dirs).  lengths: size_at_t of the forward pass.  params: those of the forward pass.
        fwd_state: what lstm_forward_training returned; it may be used again.
        RETURNS: dX (N, nI), and d_params laid out like params; both biases of a gate get its gradient.
        RAISES: ValueError when dY, lengths or params do not fit the forward pass; TypeError when fwd_state is none.
        NUMERICS: sums in the backend's own order.
        SOURCE: Werbos 1990.
        """
        return self._backprop_lstm("backprop_lstm", dY, lengths, params, fwd_state)[:2]

    def backprop_lstm_states(
        self, dY: Floats2d, lengths: Ints1d, params: Floats1d, fwd_state: Tuple, *, needs_dX: bool = True
    ) -> Tuple[Optional[Floats2d], Floats1d, Floats3d, Floats3d]:
        """The same with the gradients of the initial states, for models that learn them.

        dY, lengths, params, fwd_state: as in backprop_lstm. needs_dX: False for None in place of dX, in less time.
        RETURNS: dX (N, nI), d_params like params, dH0 and dC0 (depth, dirs, nO).
        RAISES: as backprop_lstm.
        """
        return self._backprop_lstm("backprop_lstm_states", dY, lengths, params, fwd_state, needs_dX)

    def _backprop_lstm(
        self, op: str, dY: Any, lengths: Any, params: Any, fwd_state: Any, needs_dX: Any = True
    ) -> Tuple[Any, Any, Any, Any]:
        wanted = checks.flag(op, "needs_dX", needs_dX)
        lstm_checks.kept_state(op, fwd_state, LSTMState)
        self._arrays(op, dY=dY, params=params)
        state = fwd_state
        lstm_checks.backprop(op, dY, params, state)
        lstm_checks.same_sizes(op, self._host(op, "lengths", lengths), state.sizes)
        depth, dirs, nO = state.H0.shape
        shape = (depth, dirs, state.inputs[0].shape[1], nO)
        wide, d_output = self._wide(params), self._wide(dY)
        d_params = self.xp.zeros_like(wide)
        dH0, dC0 = self.xp.zeros_like(state.H0), self.xp.zeros_like(state.C0)
        d_inputs = []
        for (layer, direction, weights), (_, _, grads) in zip(
            reversed(list(lstm_weights(wide, *shape))), reversed(list(lstm_weights(d_params, *shape)))
        ):
            at = (layer, direction)
            half = d_output[:, direction * nO : (direction + 1) * nO]
            dA, H = self._backprop_direction(half, state, at, weights, dH0[at], dC0[at])
            self.gemm(dA, state.inputs[layer], grads.Wx, trans1=True)  # type: ignore[attr-defined]
            self.gemm(dA, H, grads.Wh, trans1=True)  # type: ignore[attr-defined]
            grads.bx[...] = grads.bh[...] = dA.sum(axis=0)
            if not wanted and layer == 0:
                continue
            d_inputs.append(self.gemm(dA, weights.Wx))  # type: ignore[attr-defined]
            if direction == 0:
                d_output, d_inputs = sum(d_inputs), []
        dtype = params.dtype
        return (
            d_output.astype(dY.dtype, copy=False) if wanted else None,
            d_params.astype(dtype, copy=False),
            dH0.astype(dtype, copy=False),
            dC0.astype(dtype, copy=False),
        )

    def _backprop_direction(
        self, dY: Any, state: LSTMState, at: Tuple[int, int], weights: Weights, dH0: Any, dC0: Any
    ) -> Tuple[Any, Any]:
        """The gradient of a (N, 4 nO), and the outputs h (N, nO) that a was computed from; dH0 and dC0 are set."""
        units, h0, c0 = state.units[at], state.H0[at], state.C0[at]
        N, nO = dY.shape
        output = units[:, 2] * units[:, 5]
        dA, H = self.xp.empty((N, 4 * nO), dtype=dY.dtype), self.xp.empty((N, nO), dtype=dY.dtype)
        d_next = self.xp.zeros((2, int(state.sizes.max(initial=0)), nO), dtype=dY.dtype)
        for step in reversed(list(lstm_steps(state.sizes, at[1] == 1))):
            count = step.kept + step.new
            H[step.rows] = self._before(output, h0, step)
            forget, into, out, candidate, _, tanh_c = (units[step.rows, k] for k in range(6))
            dh = dY[step.rows] + d_next[0, :count]
            dc = d_next[1, :count] + dh * out * (1 - tanh_c * tanh_c)
            c = self._before(units[:, 4], c0, step)
            gates = [dc * c * forget * (1 - forget), dc * candidate * into * (1 - into)]
            gates += [dh * tanh_c * out * (1 - out), dc * into * (1 - candidate * candidate)]
            dA[step.rows] = self.xp.concatenate(gates, axis=1)
            d_next[0, :count], d_next[1, :count] = dA[step.rows] @ weights.Wh, dc * forget
            dH0 += d_next[0, step.kept : count].sum(axis=0)
            dC0 += d_next[1, step.kept : count].sum(axis=0)
        return dA, H
