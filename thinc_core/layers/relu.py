"""Relu: dense layer followed by the rectified linear unit."""

from typing import Any, Callable, Optional, Tuple

from .._marks import skips_dX
from ..config import registry
from ..initializers import glorot_uniform_init
from ..model import Model
from ..types import Floats2d
from ._checks import as_wide
from ._dense import dense
from ._fusion import part
from ._gradients import backprop_dense


@registry.layers("Relu.v1")
def Relu(
    nO: Optional[int] = None,
    nI: Optional[int] = None,
    *,
    init_W: Optional[Callable] = None,
    init_b: Optional[Callable] = None,
    dropout: Optional[float] = None,
    normalize: bool = False,
) -> Model[Floats2d, Floats2d]:
    """Y = max(X @ W.T + b, 0), then optional LayerNorm and Dropout.

    X: (B, nI).  Y: (B, nO).  Params: W (nO, nI), b (nO,).
    dropout: probability in [0, 1) of zeroing an output while training.
    """
    return dense("relu", forward, nO, nI, init_W or glorot_uniform_init, init_b, dropout, normalize)


@part("dense")
@skips_dX
def forward(model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool) -> Tuple[Floats2d, Callable]:
    ops, W = model.ops, model.get_param("W")
    X = as_wide(X, W)
    Y = ops.affine_relu(X, W, model.get_param("b"))

    def backprop(dY: Floats2d, needs_dX: bool = True) -> Any:
        return backprop_dense(model, ops.backprop_relu(dY, Y), X, W, needs_dX)

    return Y, backprop
