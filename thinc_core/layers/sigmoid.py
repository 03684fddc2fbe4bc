"""Sigmoid: dense layer followed by the logistic function."""

from typing import Any, Callable, Optional, Tuple

from .._marks import skips_dX
from ..config import registry
from ..initializers import zero_init
from ..model import Model
from ..types import Floats2d
from ._checks import as_wide
from ._dense import dense
from ._fusion import part
from ._gradients import backprop_dense


@registry.layers("Sigmoid.v1")
def Sigmoid(
    nO: Optional[int] = None,
    nI: Optional[int] = None,
    *,
    init_W: Optional[Callable] = None,
    init_b: Optional[Callable] = None,
) -> Model[Floats2d, Floats2d]:
    """Y = 1 / (1 + exp(-(X @ W.T + b))).

    X: (B, nI).  Y: (B, nO).  Params: W (nO, nI), b (nO,), zeros at first.
    """
    return dense("sigmoid", forward, nO, nI, init_W or zero_init, init_b, lenient=True)


@part("dense")
@skips_dX
def forward(model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool) -> Tuple[Floats2d, Callable]:
    ops, W = model.ops, model.get_param("W")
    X = as_wide(X, W)
    Y, _ = ops.affine_activation(X, W, model.get_param("b"), "sigmoid", keep=False)

    def backprop(dY: Floats2d, needs_dX: bool = True) -> Any:
        return backprop_dense(model, ops.backprop_sigmoid(dY, Y), X, W, needs_dX)

    return Y, backprop
