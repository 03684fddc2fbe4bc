"""Reductions over ragged sequences, and what spreads their gradients."""

from typing import Any, Callable, Optional, Tuple

import numpy as np

from ..result import Target
from ..rows import At, Op

COPY = (Target("copy", 1.5),)


def starts(lengths: np.ndarray) -> np.ndarray:
    """The first row of each sequence."""
    return np.cumsum(lengths) - lengths


def forward_args(at: At) -> Tuple[np.ndarray, np.ndarray]:
    """Rows and lengths."""
    return at.normal(), at.lengths()


def gradient(at: At) -> np.ndarray:
    """One row per sequence."""
    return at.array(len(at.lengths()), at.width, seed=1)


def backward_args(at: At) -> Tuple[np.ndarray, np.ndarray]:
    """One row per sequence, and lengths."""
    return gradient(at), at.lengths()


def max_args(at: At) -> Tuple[np.ndarray, ...]:
    """The same with the rows that have won."""
    dY, lengths = backward_args(at)
    which = (np.random.default_rng(2).random(dY.shape) * lengths[:, None]).astype("int32")
    return dY, which, lengths


def segments(kind: str) -> Callable[..., Callable[[], Any]]:
    """PyTorch's reduction of ragged rows."""

    def build(t: Any, x: Any, lengths: Any) -> Callable[[], Any]:
        counts = lengths.long()
        return lambda: t.segment_reduce(x, kind, lengths=counts, unsafe=True)

    return build


def torch_repeat(t: Any, dy: Any, lengths: Any) -> Callable[[], Any]:
    """Rows repeated."""
    counts, total = lengths.long(), int(lengths.sum())
    return lambda: t.repeat_interleave(dy, counts, dim=0, output_size=total)


def forward(kind: str, torch: Optional[Callable[..., Any]], numpy: Callable[..., Any]) -> Op:
    """One reduction."""
    return Op(f"reduce_{kind}", forward_args, torch, numpy, COPY)


def touched(X: np.ndarray, lengths: np.ndarray) -> float:
    """reduce_first and reduce_last read and write one row of each sequence."""
    return 2.0 * len(lengths) * X[0].nbytes + 2 * lengths.nbytes


def ends(at: At) -> Tuple[np.ndarray, np.ndarray]:
    """What reduce_last returns for its gradient, with one row per sequence."""
    return gradient(at), np.cumsum(at.lengths()) - 1


def bounds(at: At) -> Tuple[np.ndarray, np.ndarray]:
    """What reduce_first returns for its gradient, with one row per sequence."""
    return gradient(at), np.append(0, np.cumsum(at.lengths())).astype("int32")


def document(at: At) -> Tuple[np.ndarray, np.ndarray]:
    """Rows of one sequence."""
    return at.normal(), np.array([at.rows], dtype="int32")


OPS = (
    Op(
        "reduce_sum one sequence",
        document,
        lambda t, x, lengths: lambda: x.sum(0, keepdim=True),
        lambda X, lengths: X.sum(axis=0, keepdims=True),
        COPY,
        lambda ops, X, lengths: ops.reduce_sum(X, lengths),
    ),
    forward("sum", segments("sum"), lambda X, lengths: np.add.reduceat(X, starts(lengths))),
    forward(
        "mean",
        segments("mean"),
        lambda X, lengths: np.add.reduceat(X, starts(lengths)) / lengths[:, None].astype(X.dtype),
    ),
    forward("max", segments("max"), lambda X, lengths: np.maximum.reduceat(X, starts(lengths))),
    Op(
        "backprop_reduce_sum",
        backward_args,
        torch_repeat,
        lambda dY, lengths: np.repeat(dY, lengths, axis=0),
        COPY,
    ),
    Op(
        "backprop_reduce_mean",
        backward_args,
        None,
        lambda dY, lengths: np.repeat(dY / lengths[:, None].astype(dY.dtype), lengths, axis=0),
        COPY,
    ),
    Op("backprop_reduce_max", max_args, targets=COPY),
    Op(
        "reduce_first",
        forward_args,
        None,
        lambda X, lengths: X[starts(lengths)],
        COPY,
        traffic=touched,
    ),
    Op("backprop_reduce_first", bounds, targets=COPY),
    Op("reduce_last", forward_args, None, lambda X, lengths: X[np.cumsum(lengths) - 1], COPY, traffic=touched),
    Op("backprop_reduce_last", ends, targets=COPY),
)
