"""LayerNorm: every row shifted and scaled to mean 0 and variance 1, then scaled and shifted by parameters."""

from typing import Callable, Optional, Tuple

from ..config import registry
from ..model import Model
from ..types import Floats2d
from ._checks import as_wide
from ._fusion import part
from ._gradients import accumulate
from ._widths import set_one_width


@registry.layers("LayerNorm.v1")
def LayerNorm(nI: Optional[int] = None) -> Model[Floats2d, Floats2d]:
    """Y = (X - mean) / sqrt(var + 1e-8) * G + b, with mean and population variance of each row.

    X: (B, nI).  Y: (B, nI).  Params: G (nI,), ones at first, b (nI,).
    SOURCE: Ba et al. 2016, arXiv:1607.06450.
    """
    return Model("layernorm", forward, init=init, dims={"nI": nI, "nO": nI}, params={"G": None, "b": None})


@part("layernorm")
def forward(model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool) -> Tuple[Floats2d, Callable]:
    ops, G = model.ops, model.get_param("G")
    X = as_wide(X, G)
    Y, mu, rstd = ops.layernorm(X, G, model.get_param("b"))

    def backprop(dY: Floats2d) -> Floats2d:
        return accumulate(model, ops.backprop_layernorm, (dY, X, G, mu, rstd), "G", "b")

    return Y, backprop


def init(
    model: Model[Floats2d, Floats2d], X: Optional[Floats2d] = None, Y: Optional[Floats2d] = None
) -> Model[Floats2d, Floats2d]:
    width = set_one_width(model, X, Y)
    model.set_param("G", model.ops.alloc1f(width) + 1)
    model.set_param("b", model.ops.alloc1f(width))
    return model


init.param_shapes = {"G": ("nI",), "b": ("nI",)}  # type: ignore[attr-defined]
