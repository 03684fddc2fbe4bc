"""GRU: gated recurrent units over a Padded, any number of layers, in one direction or both."""

from typing import Any, Callable, Optional, Tuple

from .._marks import skips_dX
from ..config import registry
from ..initializers import glorot_uniform_init, zero_init
from ..model import Model
from ..types import Padded
from ..util import partial
from ._gru import backprop_layers, gru_weights, run_layers
from ._padded import check_padded, live_rows, rows_of, rows_of_gradient, with_rows
from ._recurrent import draw_gates


@registry.layers("GRU.v1")
def GRU(
    nO: Optional[int] = None,
    nI: Optional[int] = None,
    *,
    bi: bool = False,
    depth: int = 1,
    init_W: Optional[Callable] = None,
    init_b: Optional[Callable] = None,
) -> Model[Padded, Padded]:
    """Y = output of the last layer at each step; with `bi`, left to right beside right to left, nO / 2 columns each.

    X: Padded, nI wide.  Y: Padded, nO wide, zeros behind the ends. with_padded makes it a layer for other batches.
    Params: GRU, for each layer, for each direction: Wx (3 nH, n_in), bx (3 nH,), Wh (3 nH, nH), bh (3 nH,), the rows of
        the reset gate, the update gate and the candidate, as PyTorch has them; H0 (depth, dirs, nH), what to start
        from, zeros at first and learnt like any other parameter.
    SOURCE: Cho et al. 2014, arXiv:1406.1078, with the reset gate behind the product, as in cuDNN.
    """
    if depth < 1:
        raise ValueError(f"gru: depth must be >= 1; got {depth}")
    return Model(
        "gru",
        forward,
        init=partial(init, init_W or glorot_uniform_init, init_b or zero_init),
        dims={"nO": nO, "nI": nI, "depth": depth, "dirs": 1 + bool(bi)},
        params={"GRU": None, "H0": None},
    )


@skips_dX
def forward(model: Model[Padded, Padded], Xp: Padded, is_train: bool) -> Tuple[Padded, Callable]:
    ops: Any = model.ops
    check_padded(model, Xp)
    params, H0, live = model.get_param("GRU"), model.get_param("H0"), live_rows(ops, Xp)
    sizes = ops._host(model.name, "size_at_t", Xp.size_at_t)
    weights = list(gru_weights(params, model.get_dim("nI"), H0.shape))
    inputs, states = run_layers(ops, rows_of(model, Xp, live, model.get_dim("nI")), weights, H0, sizes)

    def backprop(dYp: Padded, needs_dX: bool = True) -> Any:
        dY = rows_of_gradient(model, dYp, Xp, live, inputs[-1].shape[1])
        d_params, dH0 = ops.xp.zeros_like(params), ops.xp.zeros_like(H0)
        gradients = list(gru_weights(d_params, model.get_dim("nI"), H0.shape))
        dX = backprop_layers(ops, dY, inputs, states, weights, H0, sizes, gradients, dH0, needs_dX)
        model.inc_grad("GRU", d_params)
        model.inc_grad("H0", dH0)
        return with_rows(ops, Xp, live, dX)

    return with_rows(ops, Xp, live, inputs[-1]), backprop


def init(init_W: Callable, init_b: Callable, model: Model[Padded, Padded], X: Any = None, Y: Any = None) -> None:
    params, shape = draw_gates(3, init_W, init_b, model, X, Y)
    model.set_param("GRU", params)
    model.set_param("H0", zero_init(model.ops, shape))
