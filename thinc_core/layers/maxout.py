"""Maxout: dense layer whose outputs are each the largest of several linear pieces."""

from functools import partial
from typing import Any, Callable, Optional, Tuple

from .._marks import skips_dX
from ..config import registry
from ..initializers import glorot_uniform_init
from ..model import Model
from ..types import Floats2d
from ._checks import as_wide
from ._dense import dense
from ._fusion import part
from ._gradients import accumulate, add_products
from ._normalized_maxout import normalized
from ._steps import begins_steps


@registry.layers("Maxout.v1")
def Maxout(
    nO: Optional[int] = None,
    nI: Optional[int] = None,
    nP: Optional[int] = 3,
    *,
    init_W: Optional[Callable] = None,
    init_b: Optional[Callable] = None,
    dropout: Optional[float] = None,
    normalize: bool = False,
) -> Model[Floats2d, Floats2d]:
    """Y[b, o] = max over p of X[b] @ W[o, p] + b[o, p], then optional LayerNorm and Dropout.

    X: (B, nI).  Y: (B, nO).  Params: W (nO, nP, nI), b (nO, nP).  The first of equal pieces wins.
    dropout: probability in [0, 1) of zeroing an output while training.
    SOURCE: Goodfellow et al. 2013, arXiv:1302.4389.
    """
    init_W = init_W or glorot_uniform_init
    return dense("maxout", forward, nO, nI, init_W, init_b, dropout, normalize, pieces={"nP": nP})


@part("maxout")
@skips_dX
def forward(model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool) -> Tuple[Floats2d, Callable]:
    ops, W = model.ops, model.get_param("W")
    X = as_wide(X, W)
    Y, which = ops.affine_maxout(X, W, model.get_param("b"))

    def backprop(dY: Floats2d, needs_dX: bool = True) -> Any:
        if needs_dX:
            return accumulate(model, ops.backprop_affine_maxout, (dY, which, X, W), "W", "b")
        dZ = ops.backprop_maxout(dY, which, W.shape[1])
        return accumulate(model, partial(add_products, ops), (dZ.reshape(len(X), -1), X), "W", "b")

    return Y, backprop


begins_steps(forward, normalized)
