"""MultiSoftmax: one dense layer with several groups of outputs, each of which chooses between its own classes."""

from itertools import accumulate as running_sum
from typing import Any, Callable, Optional, Tuple

from .._marks import skips_dX
from ..config import registry
from ..initializers import zero_init
from ..model import Model
from ..types import Floats2d
from ._checks import check_gradient
from ._dense import init as init_dense
from ._gradients import backprop_dense
from ._widths import as_wide


@registry.layers("MultiSoftmax.v1")
def MultiSoftmax(nOs: Tuple[int, ...], nI: Optional[int] = None) -> Model[Floats2d, Floats2d]:
    """Y = X @ W.T + b, without a softmax: what models saved under this name predict. MultiSoftmax_v2 has the softmax.

    X: (B, nI).  Y: (B, sum of nOs).  Params: W (sum of nOs, nI), b (sum of nOs,), zeros at first.
    nOs: widths of the groups.
    """
    return _layer(forward, nOs, nI)


@registry.layers("MultiSoftmax.v2")
def MultiSoftmax_v2(nOs: Tuple[int, ...], nI: Optional[int] = None) -> Model[Floats2d, Floats2d]:
    """Y = X @ W.T + b, then softmax over the columns of each group; the incoming gradient is that of the logits.

    X: (B, nI).  Y: (B, sum of nOs).  Params: W (sum of nOs, nI), b (sum of nOs,), zeros at first.
    nOs: widths of the groups.
    """
    return _layer(forward_v2, nOs, nI)


@skips_dX
def forward(model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool) -> Tuple[Floats2d, Callable]:
    ops, W = model.ops, model.get_param("W")
    X = as_wide(X, W)
    Y = ops.affine(X, W, model.get_param("b"))

    def backprop(dY: Floats2d, needs_dX: bool = True) -> Any:
        check_gradient("multisoftmax", dY, Y)
        return backprop_dense(model, dY, X, W, needs_dX)

    return Y, backprop


@skips_dX
def forward_v2(model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool) -> Tuple[Floats2d, Callable]:
    Y: Any
    Y, backprop = forward(model, X, is_train)
    ends = list(running_sum(model.attrs["nOs"]))
    for start, end in zip([0, *ends], ends):
        Y[:, start:end] = model.ops.softmax(Y[:, start:end])
    return Y, backprop


def init(model: Model[Floats2d, Floats2d], X: Any = None, Y: Any = None) -> None:
    init_dense(zero_init, zero_init, False, model, X)  # the outputs are known already


init.param_shapes = {"W": ("nO", "nI"), "b": ("nO",)}  # type: ignore[attr-defined]


def _layer(forward: Callable, nOs: Tuple[int, ...], nI: Optional[int]) -> Model[Floats2d, Floats2d]:
    if not nOs or min(nOs) < 1:
        raise ValueError(f"multisoftmax: nOs must be at least one positive width; got {nOs!r}")
    dims = {"nO": sum(nOs), "nI": nI}
    return Model("multisoftmax", forward, init=init, dims=dims, params={"W": None, "b": None}, attrs={"nOs": nOs})
