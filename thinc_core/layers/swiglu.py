"""SwiGLU: a dense layer whose outputs are let through by the Swish of another."""

from typing import Any, Callable, Optional, Tuple

from .._marks import skips_dX
from ..config import registry
from ..initializers import glorot_uniform_init, zero_init
from ..model import Model
from ..types import Floats2d
from ..util import partial
from ._checks import as_wide, check_gradient
from ._dense import init_stacked
from ._gradients import backprop_dense


@registry.layers("SwiGLU.v1")
def SwiGLU(
    nO: Optional[int] = None,
    nI: Optional[int] = None,
    *,
    init_W: Optional[Callable] = None,
    init_b: Optional[Callable] = None,
) -> Model[Floats2d, Floats2d]:
    """Y = swish(gate) * value, gate and value the first and the other nO columns of X @ W.T + b.

    X: (B, nI).  Y: (B, nO).  Params: W (2 * nO, nI), b (2 * nO,).
    SOURCE: Shazeer 2020, arXiv:2002.05202, with biases.
    """
    init = partial(init_stacked, init_W or glorot_uniform_init, init_b or zero_init, 2, "W", "b")
    return Model("swiglu", forward, init=init, dims={"nO": nO, "nI": nI}, params={"W": None, "b": None})


@skips_dX
def forward(model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool) -> Tuple[Floats2d, Callable]:
    ops: Any = model.ops
    W, nO = model.get_param("W"), model.get_dim("nO")
    X = as_wide(X, W)
    Z = ops.affine(X, W, model.get_param("b"))
    gate, value = ops.as_contig(Z[:, :nO]), Z[:, nO:]
    swish = ops.swish(gate)
    Y: Any = swish * value

    def backprop(dY: Any, needs_dX: bool = True) -> Any:
        check_gradient(model.name, dY, Y)
        dZ = ops.alloc(Z.shape, dtype=Z.dtype, zeros=False)
        dZ[:, :nO] = ops.backprop_swish(dY * value, gate, swish)
        dZ[:, nO:] = dY * swish
        return backprop_dense(model, dZ, X, W, needs_dX)

    return Y, backprop
