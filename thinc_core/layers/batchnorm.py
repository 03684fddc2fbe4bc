"""BatchNorm: every column shifted and scaled to mean 0 and variance 1 over the batch, then scaled and shifted."""

from typing import Any, Callable, Optional, Tuple

from ..config import registry
from ..model import Model
from ..types import Floats2d
from ._checks import check_gradient, float_rows
from ._gradients import accumulate
from ._widths import set_one_width


@registry.layers("BatchNorm.v1")
def BatchNorm(
    nI: Optional[int] = None, *, momentum: float = 0.1, eps: float = 1e-5, frozen: bool = False
) -> Model[Floats2d, Floats2d]:
    """Y = (X - mean) / sqrt(var + eps) * G + b: while training with the mean and population variance of each column of
    the batch, when predicting with the running ones.

    X: (B, nI).  Y: (B, nI).  Params: G (nI,), ones at first, b (nI,); mean and var (nI,), the running statistics, which
        have no gradient: mean += momentum * (mean of the batch - mean), var with the unbiased variance of the batch.
    frozen: the running statistics are used, and stay as they are, while training too.
    SOURCE: Ioffe and Szegedy 2015, arXiv:1502.03167.
    """
    params = {"G": None, "b": None, "mean": None, "var": None}
    attrs = {"momentum": momentum, "eps": eps, "frozen": frozen}
    return Model("batchnorm", forward, init=init, dims={"nI": nI, "nO": nI}, params=params, attrs=attrs)


def forward(model: Model[Floats2d, Floats2d], X: Any, is_train: bool) -> Tuple[Floats2d, Callable]:
    G, mean, var = (model.get_param(name) for name in ("G", "mean", "var"))
    X = float_rows(model, X, G)
    of_batch = is_train and not model.attrs["frozen"] and len(X) > 0
    if of_batch:
        mean, var = X.mean(axis=0), X.var(axis=0)
        _follow(model, mean, var * (len(X) / max(len(X) - 1, 1)))
    rstd = 1 / model.ops.xp.sqrt(var + model.attrs["eps"])
    scale: Any = (G * rstd).astype(X.dtype, copy=False)
    H: Any = ((X - mean) * rstd).astype(X.dtype, copy=False)

    def add_sums(dY: Any, dG: Any, db: Any) -> Tuple[Any, Any]:
        sums = (dY * H).sum(axis=0), dY.sum(axis=0)
        dG += sums[0]
        db += sums[1]
        return sums

    def backprop(dY: Any) -> Floats2d:
        check_gradient(model.name, dY, H)
        dG, db = accumulate(model, add_sums, (dY,), "G", "b")
        return scale * (dY - (H * dG + db) / len(X)) if of_batch else scale * dY

    return H * G + model.get_param("b"), backprop


def init(
    model: Model[Floats2d, Floats2d], X: Optional[Floats2d] = None, Y: Optional[Floats2d] = None
) -> Model[Floats2d, Floats2d]:
    width = set_one_width(model, X, Y)
    for name, value in (("G", 1), ("b", 0), ("mean", 0), ("var", 1)):
        model.set_param(name, model.ops.alloc1f(width) + value)
    return model


init.param_shapes = dict.fromkeys(("G", "b", "mean", "var"), ("nI",))  # type: ignore[attr-defined]


def _follow(model: Model, mean: Any, var: Any) -> None:
    """Let the running statistics, in place, take a step towards those of a batch."""
    for name, value in (("mean", mean), ("var", var)):
        running: Any = model.get_param(name)
        running += model.attrs["momentum"] * (value - running)
