"""LSTM: long short-term memory over a Padded, any number of layers, in one direction or both."""

from typing import Any, Callable, Optional, Tuple

from .._marks import skips_dX
from ..config import registry
from ..initializers import glorot_uniform_init, zero_init
from ..model import Model
from ..types import Padded
from ..util import partial
from ._padded import check_padded, live_rows, rows_of, rows_of_gradient, with_rows
from ._recurrent import draw_gates


@registry.layers("LSTM.v1")
def LSTM(
    nO: Optional[int] = None,
    nI: Optional[int] = None,
    *,
    bi: bool = False,
    depth: int = 1,
    dropout: float = 0.0,
    init_W: Optional[Callable] = None,
    init_b: Optional[Callable] = None,
) -> Model[Padded, Padded]:
    """Y = output of the last layer at each step; with `bi`, left to right beside right to left, nO / 2 columns each.

    X: Padded, nI wide.  Y: Padded, nO wide, zeros behind the ends. with_padded makes it a layer for other batches.
    Params: LSTM, laid out as in Ops.lstm_forward_training; HC0 (2, depth, dirs, nO / dirs): the cells, then the outputs
        to start from, zeros at first and learnt like any other parameter.
    dropout: probability of zeroing a weight while training. SOURCE: Gers et al. 2000; Wan et al. 2013 (DropConnect).
    """
    if depth < 1:
        raise ValueError(f"lstm: depth must be >= 1; got {depth}")
    dirs = 1 + bool(bi)
    return Model(
        "lstm",
        forward,
        init=partial(init, init_W or glorot_uniform_init, init_b or zero_init),
        dims={"nO": nO, "nI": nI, "depth": depth, "dirs": dirs},
        params={"LSTM": None, "HC0": None},
        attrs={"registry_name": "LSTM.v1", "dropout_rate": dropout},
    )


@skips_dX
def forward(model: Model[Padded, Padded], Xp: Padded, is_train: bool) -> Tuple[Padded, Callable]:
    check_padded(model, Xp)
    ops: Any = model.ops
    params, (C0, H0), live = model.get_param("LSTM"), model.get_param("HC0"), live_rows(ops, Xp)
    rate = model.attrs["dropout_rate"] if is_train else 0
    mask = ops.get_dropout_mask(params.shape, rate) if rate else None
    weights = params if mask is None else params * mask
    args = (weights, H0, C0, rows_of(model, Xp, live, model.get_dim("nI")), Xp.size_at_t)
    Y, state = ops.lstm_forward_training(*args) if is_train else (ops.lstm_forward_inference(*args), None)

    def backprop(dYp: Padded, needs_dX: bool = True) -> Any:
        kept = ops.lstm_forward_training(*args)[1] if state is None else state
        dY = rows_of_gradient(model, dYp, Xp, live, Y.shape[1])
        dX, dparams, dH0, dC0 = ops.backprop_lstm_states(dY, Xp.size_at_t, weights, kept, needs_dX=needs_dX)
        model.inc_grad("LSTM", dparams if mask is None else dparams * mask)
        model.inc_grad("HC0", ops.xp.stack([dC0, dH0]))
        return with_rows(ops, Xp, live, dX)

    return with_rows(ops, Xp, live, Y), backprop


def init(init_W: Callable, init_b: Callable, model: Model[Padded, Padded], X: Any = None, Y: Any = None) -> None:
    params, shape = draw_gates(4, init_W, init_b, model, X, Y)
    model.set_param("LSTM", params)
    model.set_param("HC0", zero_init(model.ops, (2, *shape)))
