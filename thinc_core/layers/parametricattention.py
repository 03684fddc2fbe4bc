"""ParametricAttention: every row scaled by how much a learned query attends to it, among the rows of its sequence."""

from typing import Any, Callable, Optional, Tuple

from ..config import registry
from ..initializers import uniform_init
from ..model import Model
from ..types import Ragged
from ._checks import check_gradient, float_rows
from ._gradients import accumulate
from ._ragged import lengths_and_shape
from ._widths import sample_width


@registry.layers("ParametricAttention.v1")
def ParametricAttention(nO: Optional[int] = None) -> Model[Ragged, Ragged]:
    """Y[t] = a[t] * X[t], a = softmax of X @ Q over the rows of each sequence. No rows are summed: see reduce_sum.

    X, Y: Ragged with (T, nO) rows.  Params: Q (nO,).
    """
    return Model("para-attn", forward, init=init, dims={"nO": nO}, params={"Q": None})


def forward(model: Model[Ragged, Ragged], Xr: Ragged, is_train: bool) -> Tuple[Ragged, Callable]:
    lengths, _ = lengths_and_shape(model, Xr)
    X = float_rows(model, Xr.dataXd, model.get_param("Q"))
    attention, get_dK = attend(model, X, lengths)

    def backprop(dYr: Ragged) -> Ragged:
        dY: Any = dYr.dataXd
        check_gradient(model.name, dY, X)
        return Ragged(dY * attention + get_dK((X * dY).sum(axis=1, keepdims=True)), lengths)

    return Ragged(X * attention, lengths), backprop


def attend(model: Model[Ragged, Ragged], K: Any, lengths: Any) -> Tuple[Any, Callable]:
    """How much the query attends to each key.

    K: (T, nO).  RETURNS: (T, 1), and a callback that gives dK for its gradient and adds to that of Q.
    """
    ops: Any = model.ops
    Q = model.get_param("Q").reshape((-1, 1))
    attention = ops.softmax_sequences(ops.gemm(K, Q), lengths)

    def backprop(dattention: Any) -> Any:
        dscores = ops.backprop_softmax_sequences(dattention, attention, lengths)
        accumulate(model, add_to_query, (K, dscores), "Q")
        return dscores * Q.reshape(-1)

    def add_to_query(K: Any, dscores: Any, dQ: Any) -> None:
        ops.gemm(K, dscores, out=dQ.reshape((-1, 1)), trans1=True, accumulate=True)

    return attention, backprop


def init(model: Model[Ragged, Ragged], X: Optional[Ragged] = None, Y: Optional[Ragged] = None) -> None:
    width = sample_width(X)
    if width is not None:
        model.set_dim("nO", width)
    model.set_param("Q", uniform_init(model.ops, (model.get_dim("nO"),)))


init.param_shapes = {"Q": ("nO",)}  # type: ignore[attr-defined]
