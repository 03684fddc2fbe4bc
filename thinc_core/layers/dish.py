"""Dish: dense layer followed by the dish curve, which behaves like Swish and needs no exponential."""

from typing import Callable, Optional, Tuple

from .._marks import skips_dX
from ..config import registry
from ..initializers import he_normal_init
from ..model import Model
from ..types import Floats2d
from ._dense import activate, dense
from ._fusion import part


@registry.layers("Dish.v1")
def Dish(
    nO: Optional[int] = None,
    nI: Optional[int] = None,
    *,
    init_W: Optional[Callable] = None,
    init_b: Optional[Callable] = None,
    dropout: Optional[float] = None,
    normalize: bool = False,
) -> Model[Floats2d, Floats2d]:
    """Y = z / 2 * (1 + z / sqrt(1 + z^2)) of z = X @ W.T + b, then optional LayerNorm and Dropout.

    X: (B, nI).  Y: (B, nO).  Params: W (nO, nI), b (nO,).
    dropout: probability in [0, 1) of zeroing an output while training.
    """
    return dense("dish", forward, nO, nI, init_W or he_normal_init, init_b, dropout, normalize)


@part("dense")
@skips_dX
def forward(model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool) -> Tuple[Floats2d, Callable]:
    return activate(model, X, is_train, "dish")
