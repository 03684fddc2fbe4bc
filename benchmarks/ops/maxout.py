"""The largest of P pieces, and which it was."""

from typing import Any, Tuple

import numpy as np

from ..result import Target
from ..rows import JUDGED, At, Op

COPY = (Target("copy", 1.5),)


def maxout_(X: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """The plain expression."""
    which = X.argmax(axis=2)
    return np.take_along_axis(X, which[:, :, None], axis=2)[:, :, 0], which


def backward_args(at: At, P: int) -> Tuple[Any, ...]:
    """A gradient, winners, how many pieces."""
    return at.normal(seed=1), at.normal(P).argmax(axis=2).astype("int32"), P


def torch_backward(t: Any, dy: Any, which: Any, P: int) -> Any:
    """Scatter into zeros."""
    index = which.long()[:, :, None]
    return lambda: t.zeros(*dy.shape, P, dtype=dy.dtype).scatter_(2, index, dy[:, :, None])


def pieces(P: int, **sizes: Any) -> Tuple[Op, Op]:
    """Both directions for so many pieces."""
    largest = Op(
        f"maxout P={P}",
        lambda at: (at.normal(P),),
        lambda t, x: lambda: t.max(x, dim=2),
        maxout_,
        COPY,
        lambda ops, X: ops.maxout(X),
        **sizes,
    )
    back = Op(
        f"backprop_maxout P={P}",
        lambda at: backward_args(at, P),
        torch_backward,
        None,
        COPY,
        lambda ops, *args: ops.backprop_maxout(*args),
        **sizes,
    )
    return largest, back


OPS = (*pieces(3), *pieces(2, sizes=(JUDGED,)), *pieces(4, sizes=(JUDGED,)))
