"""Linear: dense layer without an activation."""

from typing import Callable, Optional, Tuple

from ..config import registry
from ..initializers import glorot_uniform_init
from ..model import Model
from ..types import Floats2d
from ._dense import dense
from ._gradients import accumulate
from ._widths import as_wide


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


def forward(model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool) -> Tuple[Floats2d, Callable]:
    ops, W = model.ops, model.get_param("W")
    X = as_wide(X, W)

    def backprop(dY: Floats2d) -> Floats2d:
        return accumulate(model, ops.backprop_affine, (dY, X, W), "W", "b")

    return ops.affine(X, W, model.get_param("b")), backprop
