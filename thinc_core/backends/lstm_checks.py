"""What must hold of the parameters, states and step sizes of an LSTM; words and types as in checks.py."""

from __future__ import annotations

from typing import Any, Tuple

from ..errors import KindError, LengthsError, LengthsSumError, ShapeError
from . import checks


def forward(op: str, params: Any, H0: Any, C0: Any, X: Any) -> None:
    """params, the initial states and X must be float arrays of one dtype that describe one network."""
    for name, array, want in (("params", params, 1), ("H0", H0, 3), ("C0", C0, 3), ("X", X, 2)):
        checks.ndim(op, name, array, want)
    checks.floats(op, "X", X)
    checks.same_dtype(op, "params, H0, C0 and X", params, H0, C0, X)
    checks.same_shape(op, "H0 and C0", H0, C0)
    depth, dirs, _ = H0.shape
    checks.at_least(op, "the first dimension of H0, the number of layers,", depth, 1)
    if dirs not in (1, 2):
        raise ShapeError(f"{op}: the second dimension of H0, the number of directions, must be 1 or 2; got {dirs}")
    _params(op, params, H0.shape, X.shape[1])


def _params(op: str, params: Any, layers: Tuple[int, int, int], nI: int) -> None:
    depth, dirs, nO = layers
    want = sum(dirs * 4 * nO * (n_in + nO + 2) for n_in in [nI] + [nO * dirs] * (depth - 1))
    if params.shape != (want,):
        found = f"got shape {tuple(params.shape)}"
        raise ShapeError(f"{op}: params must have {want} values for {depth=}, {dirs=}, {nI=}, {nO=}; {found}")


def sizes(op: str, name: str, values: Any, n_rows: int) -> None:
    """How many sequences go on at each step must not increase and must cover all rows. values: (steps,) on the host."""
    bad = values < 0
    bad[1:] |= values[1:] > values[:-1]
    if bad.any():
        at = int(bad.argmax())
        raise LengthsError(f"{op}: {name} must be >= 0 and not increase; got {int(values[at])} at position {at}")
    total = int(values.sum())
    if total != n_rows:
        raise LengthsSumError(f"{op}: {name} must sum up to the number of rows; got a sum of {total} for {n_rows} rows")


def kept_state(op: str, state: Any, kind: type) -> None:
    """fwd_state must come from lstm_forward_training."""
    if not isinstance(state, kind):
        found = "a " + type(state).__name__
        raise KindError(f"{op}: fwd_state must be what lstm_forward_training returned; got {found}")
    if not _whole_state(state):
        raise KindError(f"{op}: fwd_state must be what lstm_forward_training returned; got a changed one")


def _whole_state(state: Any) -> bool:
    """Whether the parts of a state are arrays that fit together."""
    inputs, *parts = state
    if type(inputs) is not tuple or not inputs or not all(hasattr(part, "dtype") for part in (*inputs, *parts)):
        return False
    H0, C0, sizes, units = parts
    if H0.ndim != 3 or H0.shape != C0.shape or sizes.ndim != 1 or sizes.dtype.kind not in "iu" or inputs[0].ndim != 2:
        return False
    (depth, dirs, nO), N = H0.shape, inputs[0].shape[0]
    deep = all(each.shape == (N, dirs * nO) for each in inputs[1:])
    floats = all(each.dtype == H0.dtype and each.dtype.kind == "f" for each in (*inputs, C0, units))
    covered = bool((sizes >= 0).all()) and int(sizes.sum()) == N
    return deep and floats and covered and len(inputs) == depth >= 1 and units.shape == (depth, dirs, N, 6, nO)


def backprop(op: str, dY: Any, params: Any, state: Any) -> None:
    """dY and params must fit the forward pass."""
    X, (_, dirs, nO) = state.inputs[0], state.H0.shape
    checks.ndim(op, "params", params, 1)
    _params(op, params, state.H0.shape, X.shape[1])
    checks.shape(op, "dY", dY, (X.shape[0], dirs * nO))
    checks.floats(op, "dY", dY)
    checks.same_dtype(op, "dY and params", dY, params)


def same_sizes(op: str, values: Any, expected: Any) -> None:
    """The lengths of the backward pass must be the size_at_t of the forward pass. Both: (steps,) on the host."""
    if values.shape != expected.shape or (values != expected).any():
        found = f"{values.tolist()} and {expected.tolist()}" if expected.size <= 16 else f"{values.size} other values"
        raise LengthsError(f"{op}: lengths must be the size_at_t of the forward pass; got {found}")
