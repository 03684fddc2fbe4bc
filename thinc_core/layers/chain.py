"""chain: layers one after the other."""

from typing import Any, Callable, Optional, Sequence, Tuple, TypeVar

from ..config import registry
from ..model import Model
from ._fusion import is_part, part
from ._mixed_tables import fused
from ._normalized_maxout import normalized
from ._steps import run_forgetting, run_keeping
from ._widths import init_in_turn
from .concatenate import forward as concatenate_forward

InT = TypeVar("InT")
MidT = TypeVar("MidT")
OutT = TypeVar("OutT")


@registry.layers("chain.v1")
def chain_no_types(*layer: Model) -> Model:
    """chain for configs, where the layers come as a list of any length."""
    return chain(*layer)


def chain(layer1: Model[InT, Any], layer2: Model[Any, Any], *layers: Model[Any, Any]) -> Model[InT, Any]:
    """Y = ...(layer2(layer1(X))). Predicting keeps no more activations than one layer needs."""
    children = [layer1, layer2, *layers]
    dims = {"nO": children[-1].maybe_get_dim("nO")}
    if layer1.has_dim("nI") is not False:
        dims["nI"] = layer1.maybe_get_dim("nI")
    return Model(">>".join(child.name for child in children), forward, init=init, dims=dims, layers=children)


@part("chain")
def forward(model: Model[InT, OutT], X: InT, is_train: bool) -> Tuple[OutT, Callable]:
    return _plus(model, X, is_train, None)


def init(model: Model[InT, OutT], X: Optional[InT] = None, Y: Optional[OutT] = None) -> None:
    init_in_turn(model, X, Y)


def _plus(model: Model[InT, OutT], X: InT, is_train: bool, added: Optional[OutT]) -> Tuple[OutT, Callable]:
    """added + chain(X); None adds nothing."""
    if is_train:
        return run_keeping(model, _steps(model, X), X, True, added)
    Y = run_forgetting(_steps(model, X), X, added)

    def backprop(dY: OutT, plus: Optional[InT] = None) -> InT:
        return run_keeping(model, _steps(model, X), X, False, None)[1](dY, plus)

    return Y, backprop


forward.plus = _plus  # type: ignore[attr-defined]
forward.adds_gradient = True  # type: ignore[attr-defined]


def _steps(model: Model[InT, OutT], X: Any) -> Sequence[Any]:
    if model._layers and model._layers[0]._func is concatenate_forward:
        return fused(model, X)
    return (
        normalized(model._layers) if model._layers and is_part(model._layers[0], "maxout", "chain") else model._layers
    )
