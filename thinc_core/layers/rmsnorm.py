"""RMSNorm: every row scaled to a mean square of 1, then scaled by parameters."""

from typing import Callable, Optional, Tuple

from ..config import registry
from ..model import Model
from ..types import Floats2d
from ._checks import as_wide
from ._gradients import accumulate
from ._widths import set_one_width


@registry.layers("RMSNorm.v1")
def RMSNorm(nI: Optional[int] = None, *, eps: float = 1e-6) -> Model[Floats2d, Floats2d]:
    """Y = X / sqrt(mean(X^2) + eps) * G, with the mean of each row.

    X: (B, nI).  Y: (B, nI).  Params: G (nI,), ones at first.
    SOURCE: Zhang and Sennrich 2019, arXiv:1910.07467.
    """
    return Model("rmsnorm", forward, init=init, dims={"nI": nI, "nO": nI}, params={"G": None}, attrs={"eps": eps})


def forward(model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool) -> Tuple[Floats2d, Callable]:
    ops, G = model.ops, model.get_param("G")
    X = as_wide(X, G)
    Y, rstd = ops.rmsnorm(X, G, model.attrs["eps"])

    def backprop(dY: Floats2d) -> Floats2d:
        return accumulate(model, ops.backprop_rmsnorm, (dY, X, G, rstd), "G")

    return Y, backprop


def init(
    model: Model[Floats2d, Floats2d], X: Optional[Floats2d] = None, Y: Optional[Floats2d] = None
) -> Model[Floats2d, Floats2d]:
    model.set_param("G", model.ops.alloc1f(set_one_width(model, X, Y)) + 1)
    return model


init.param_shapes = {"G": ("nI",)}  # type: ignore[attr-defined]
