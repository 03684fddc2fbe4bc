"""Each row beside its neighbours, and the gradient."""

from typing import Any, Dict

import numpy as np

from ..result import Target
from ..rows import JUDGED, ROWS, WIDTHS, Op

COPY = (Target("copy", 1.3),)
SIZES: Dict[str, Any] = {"sizes": (*ROWS, (6000, JUDGED[1]), *WIDTHS), "judged": (JUDGED, (6000, JUDGED[1]))}


def windows(nW: int) -> Any:
    """The plain expression: shifted copies in an array of zeros."""

    def seq2col_(X: np.ndarray) -> np.ndarray:
        T, width = X.shape
        padded = np.zeros((T + 2 * nW, width), X.dtype)
        padded[nW : nW + T] = X
        return np.concatenate([padded[k : k + T] for k in range(2 * nW + 1)], axis=1)

    return seq2col_


def torch_windows(t: Any, x: Any, *lengths: Any) -> Any:
    """The same (without ends of sequences, which would cost it more)."""
    pad, T = t.nn.functional.pad, x.shape[0]

    def call() -> Any:
        padded = pad(x, (0, 0, 1, 1))
        return t.cat([padded[:T], padded[1 : T + 1], padded[2:]], 1)

    return call


OPS = (
    Op("seq2col nW=1", lambda at: (at.normal(),), torch_windows, windows(1), COPY, lambda o, X: o.seq2col(X, 1)),
    Op(
        "seq2col nW=1 lengths",
        lambda at: (at.normal(), at.lengths()),
        torch_windows,
        None,
        COPY,
        lambda o, X, lengths: o.seq2col(X, 1, lengths=lengths),
        **SIZES,
    ),
    Op(
        "seq2col nW=2",
        lambda at: (at.normal(),),
        None,
        windows(2),
        COPY,
        lambda o, X: o.seq2col(X, 2),
        sizes=(JUDGED,),
    ),
    Op(
        "backprop_seq2col nW=1",
        lambda at: (at.array(at.rows, 3 * at.width),),
        None,
        None,
        COPY,
        lambda o, dY: o.backprop_seq2col(dY, 1),
    ),
    Op(
        "backprop_seq2col nW=1 lengths",
        lambda at: (at.array(at.rows, 3 * at.width), at.lengths()),
        None,
        None,
        COPY,
        lambda o, dY, lengths: o.backprop_seq2col(dY, 1, lengths=lengths),
        **SIZES,
    ),
)
