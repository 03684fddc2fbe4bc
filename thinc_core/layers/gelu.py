"""Gelu: dense layer followed by the Gaussian error linear unit."""

from typing import Callable, Optional, Tuple

from .._marks import skips_dX
from ..config import registry
from ..initializers import he_normal_init
from ..model import Model
from ..types import Floats2d
from ._dense import activate, dense
from ._fusion import part


@registry.layers("Gelu.v1")
def Gelu(
    nO: Optional[int] = None,
    nI: Optional[int] = None,
    *,
    init_W: Optional[Callable] = None,
    init_b: Optional[Callable] = None,
    dropout: Optional[float] = None,
    normalize: bool = False,
) -> Model[Floats2d, Floats2d]:
    """Y = gelu(X @ W.T + b), then optional LayerNorm and Dropout.

    X: (B, nI).  Y: (B, nO).  Params: W (nO, nI), b (nO,).
    dropout: probability in [0, 1) of zeroing an output while training.
    SOURCE: Hendrycks & Gimpel 2016, arXiv:1606.08415 (the exact form with erf).
    """
    return dense("gelu", forward, nO, nI, init_W or he_normal_init, init_b, dropout, normalize)


@part("dense")
@skips_dX
def forward(model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool) -> Tuple[Floats2d, Callable]:
    return activate(model, X, is_train, "gelu")
