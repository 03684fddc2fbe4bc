"""CauchySimilarity: how close two rows are, between 0 and 1, with a weight for each column."""

from typing import Any, Callable, Optional, Tuple

from ..config import registry
from ..model import Model
from ..types import Floats1d, Floats2d
from ._checks import check_gradient, check_items, float_rows
from ._gradients import accumulate
from ._widths import sample_width

InT = Tuple[Floats2d, Floats2d]


@registry.layers("CauchySimilarity.v1")
def CauchySimilarity(nI: Optional[int] = None) -> Model[InT, Floats1d]:
    """Y[b] = 1 / (1 + sum over i of W[i] * (X1[b, i] - X2[b, i])^2).

    X: a pair of (B, nI).  Y: (B,).  Params: W (nI,), ones at first; they may become negative.
    """
    return Model("cauchy_similarity", forward, init=init, dims={"nI": nI, "nO": 1}, params={"W": None})


def forward(model: Model[InT, Floats1d], pair: InT, is_train: bool) -> Tuple[Floats1d, Callable]:
    W = model.get_param("W")
    check_items(model, pair, "a pair of arrays", count=2)
    X1, X2 = (float_rows(model, X, W) for X in pair)
    if X1.shape != X2.shape:
        raise ValueError(f"{model.name}: X must be two arrays of one shape; got {X1.shape} and {X2.shape}")
    apart: Any = X1 - X2
    Y: Any = 1 / (1 + (apart * apart * W).sum(axis=1))

    def backprop(dY: Floats1d) -> InT:
        check_gradient(model.name, dY, Y)
        dt: Any = -dY * Y * Y
        accumulate(model, _add_columns, (dt[:, None] * apart * apart,), "W")
        dX = (2 * dt)[:, None] * apart * W
        return dX, -dX

    return Y, backprop


def init(model: Model[InT, Floats1d], X: Optional[InT] = None, Y: Optional[Floats1d] = None) -> None:
    width = None if X is None else sample_width(X[0])
    if width is not None:
        model.set_dim("nI", width)
    model.set_param("W", model.ops.alloc1f(model.get_dim("nI")) + 1)


init.param_shapes = {"W": ("nI",)}  # type: ignore[attr-defined]


def _add_columns(values: Any, total: Any) -> None:
    total += values.sum(axis=0)
