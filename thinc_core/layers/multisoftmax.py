"""MultiSoftmax: one dense layer with several groups of outputs, each of which chooses between its own classes."""

from itertools import accumulate as running_sum
from typing import Any, Callable, Dict, Optional, Tuple

from .._marks import skips_dX
from ..config import registry
from ..initializers import zero_init
from ..model import Model
from ..types import Floats2d
from ._checks import as_wide, check_gradient
from ._dense import init as init_dense
from ._gradients import backprop_dense
from .softmax import NORMALIZE_ATTR, no_backprop


@registry.layers("MultiSoftmax.v1")
def MultiSoftmax(nOs: Tuple[int, ...], nI: Optional[int] = None) -> Model[Floats2d, Floats2d]:
    """Y = softmax of each group of columns of X @ W.T + b; the incoming gradient must be the one of the logits.

    X: (B, nI).  Y: (B, sum of nOs).  Params: W (sum of nOs, nI), b (sum of nOs,), zeros at first.
    nOs: widths of the groups. Models that were saved as this layer load as they are; the original predicted logits.
    """
    return _layer(nOs, nI, {})


@registry.layers("MultiSoftmax.v2")
def MultiSoftmax_v2(
    nOs: Tuple[int, ...], nI: Optional[int] = None, *, normalize_outputs: bool = True
) -> Model[Floats2d, Floats2d]:
    """MultiSoftmax; with normalize_outputs=False, predict returns the logits, and there is no backprop for them."""
    return _layer(nOs, nI, {NORMALIZE_ATTR: normalize_outputs})


@skips_dX
def forward(model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool) -> Tuple[Floats2d, Callable]:
    ops, W = model.ops, model.get_param("W")
    X = as_wide(X, W)
    Y: Any = ops.affine(X, W, model.get_param("b"))
    if not (is_train or model.attrs.get(NORMALIZE_ATTR, True)):
        return Y, no_backprop
    ends = list(running_sum(model.attrs["nOs"]))
    for start, end in zip([0, *ends], ends):
        Y[:, start:end] = ops.softmax(Y[:, start:end])

    def backprop(dY: Floats2d, needs_dX: bool = True) -> Any:
        check_gradient("multisoftmax", dY, Y)
        return backprop_dense(model, dY, X, W, needs_dX)

    return Y, backprop


def init(model: Model[Floats2d, Floats2d], X: Any = None, Y: Any = None) -> None:
    init_dense(zero_init, zero_init, False, model, X)  # the outputs are known already


init.param_shapes = {"W": ("nO", "nI"), "b": ("nO",)}  # type: ignore[attr-defined]


def _layer(nOs: Tuple[int, ...], nI: Optional[int], attrs: Dict[str, Any]) -> Model[Floats2d, Floats2d]:
    if not nOs or min(nOs) < 1:
        raise ValueError(f"multisoftmax: nOs must be at least one positive width; got {nOs!r}")
    dims, params, attrs = {"nO": sum(nOs), "nI": nI}, {"W": None, "b": None}, {"nOs": nOs, **attrs}
    return Model("multisoftmax", forward, init=init, dims=dims, params=params, attrs=attrs)
