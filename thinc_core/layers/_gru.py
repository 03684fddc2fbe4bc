"""The layers of the GRU layer, one direction of one at a time, and their steps.

With r, z = sigmoid(Wx x + bx + Wh h + bh) for the first two gates: n = tanh(Wx x + bx + r * (Wh h + bh)) with the rows
of the third, and h becomes (1 - z) * n + z * h. Rows are packed by step, the longest sequence first, as in Ops.lstm_*.
"""

from typing import Any, Iterable, Iterator, List, NamedTuple, Tuple

from ..backends.reference.lstm import Step, lstm_steps


class Weights(NamedTuple):
    """Views of the parameters of one direction of one layer."""

    Wx: Any  # (3 nH, n_in)
    bx: Any  # (3 nH,)
    Wh: Any  # (3 nH, nH)
    bh: Any  # (3 nH,)


def gru_weights(params: Any, nI: int, shape: Tuple[int, int, int]) -> Iterator[Weights]:
    """For each layer, for each direction, its part of the parameters. shape: (depth, dirs, nH)."""
    (depth, dirs, nH), at = shape, 0
    for layer in range(depth):
        n_in = nH * dirs if layer else nI
        for _ in range(dirs):
            views = []
            for each in ((3 * nH, n_in), (3 * nH,), (3 * nH, nH), (3 * nH,)):
                size = each[0] * (each[1] if len(each) == 2 else 1)
                views.append(params[at : at + size].reshape(each))
                at += size
            yield Weights(*views)


def run_layers(ops: Any, X: Any, weights: List[Weights], H0: Any, sizes: Any) -> Tuple[List[Any], List[Any]]:
    """RETURNS: X and the output of each layer; what the gradient needs, for each layer, for each direction."""
    inputs, states, dirs = [X], [], H0.shape[1]
    for layer in range(len(H0)):
        Ys = []
        for d in range(dirs):
            given = (inputs[layer], weights[layer * dirs + d], H0[layer, d], lstm_steps(sizes, d == 1))
            Y, state = run_direction(ops, *given)
            Ys.append(Y)
            states.append(state)
        inputs.append(ops.xp.concatenate(Ys, axis=1))
    return inputs, states


def backprop_layers(
    ops: Any, dY: Any, inputs: Any, states: Any, weights: Any, H0: Any, sizes: Any, grads: Any, dH0: Any, needs_dX: bool
) -> Any:
    """dX, or None if it is not needed; the other gradients are written to grads and dH0."""
    dirs = H0.shape[1]
    for layer in reversed(range(len(H0))):
        d_inputs = []
        for d, half in enumerate(ops.xp.split(dY, dirs, axis=1)):
            at, steps = layer * dirs + d, reversed(list(lstm_steps(sizes, d == 1)))
            given = (half, inputs[layer], weights[at], H0[layer, d], states[at], steps)
            dA = backprop_direction(ops, *given, grads[at], dH0[layer, d])
            if layer or needs_dX:
                d_inputs.append(ops.gemm(dA, weights[at].Wx))
        dY = sum(d_inputs[1:], d_inputs[0]) if d_inputs else None
    return dY


def run_direction(ops: Any, X: Any, weights: Weights, h0: Any, steps: Iterable[Step]) -> Tuple[Any, Any]:
    """RETURNS: the output (N, nH), and what its gradient needs: r, z, n, Wh h + bh of n, and h side by side."""
    nH = h0.shape[0]
    A = ops.affine(X, weights.Wx, weights.bx)
    Y, state = ops.xp.empty((len(X), nH), dtype=X.dtype), ops.xp.empty((len(X), 5 * nH), dtype=X.dtype)
    for step in steps:
        h = ops.xp.concatenate([Y[step.before], ops.xp.broadcast_to(h0, (step.new, nH))])
        B, a = ops.affine(h, weights.Wh, weights.bh), A[step.rows]
        gates = ops.sigmoid(a[:, : 2 * nH] + B[:, : 2 * nH])
        r, z = gates[:, :nH], gates[:, nH:]
        n = ops.xp.tanh(a[:, 2 * nH :] + r * B[:, 2 * nH :])
        Y[step.rows] = n + z * (h - n)
        state[step.rows] = ops.xp.concatenate([gates, n, B[:, 2 * nH :], h], axis=1)
    return Y, state


def backprop_direction(
    ops: Any, dY: Any, X: Any, weights: Weights, h0: Any, state: Any, steps: Iterable[Step], grads: Weights, dh0: Any
) -> Any:
    """The gradient of X @ Wx.T; those of the weights are written to grads, that of h0 added to dh0.

    steps: from the last one on.
    """
    nH = h0.shape[0]
    dA, dB = (ops.xp.empty((len(X), 3 * nH), dtype=X.dtype) for _ in range(2))
    d_next = ops.xp.zeros((len(X), nH), dtype=X.dtype)  # of the output before, for each sequence
    for step in steps:
        count = step.kept + step.new
        r, z, n, b, h = ops.xp.split(state[step.rows], 5, axis=1)
        dh = dY[step.rows] + d_next[:count]
        dn = dh * (1 - z) * (1 - n * n)
        dz, dr = dh * (h - n) * z * (1 - z), dn * b * r * (1 - r)
        dA[step.rows] = ops.xp.concatenate([dr, dz, dn], axis=1)
        dB[step.rows] = ops.xp.concatenate([dr, dz, dn * r], axis=1)
        d_next[:count] = dh * z + ops.gemm(dB[step.rows], weights.Wh)
        dh0 += d_next[step.kept : count].sum(axis=0)
    grads.Wx[...], grads.bx[...] = ops.gemm(dA, X, trans1=True), dA.sum(axis=0)
    grads.Wh[...], grads.bh[...] = ops.gemm(dB, ops.as_contig(state[:, 4 * nH :]), trans1=True), dB.sum(axis=0)
    return dA
