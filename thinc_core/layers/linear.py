"""Linear: dense layer without an activation."""

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


@registry.layers("Linear.v1")
def Linear(
    nO: Optional[int] = None,
    nI: Optional[int] = None,
    *,
    init_W: Optional[Callable] = None,
    init_b: Optional[Callable] = None,
) -> Model[Floats2d, Floats2d]:
    """Y = X @ W.T + b.

    X: (B, nI).  Y: (B, nO).  Params: W (nO, nI), b (nO,).
    """
    return dense("linear", forward, nO, nI, init_W or glorot_uniform_init, init_b)


@part("dense")
@skips_dX
def forward(model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool) -> Tuple[Floats2d, Callable]:
    ops, W = model.ops, model.get_param("W")
    X = as_wide(X, W)

    def backprop(dY: Floats2d, needs_dX: bool = True) -> Any:
        return backprop_dense(model, dY, X, W, needs_dX)

    return ops.affine(X, W, model.get_param("b")), backprop
