"""chain: layers one after the other."""

from functools import partial
from typing import Any, Callable, List, Optional, Sequence, Tuple, TypeVar

from ..config import registry
from ..model import Model
from ._fusion import add_step_to_error, backprop_steps, is_part, part
from ._mixed_tables import fused
from ._normalized_maxout import normalized
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
    if is_train:
        return _forward_keeping(model, X, True)
    Y: Any = X
    layer = model
    try:
        for layer in _steps(model, X):
            Y = layer._func(layer, Y, False)[0]
    except Exception as error:
        add_step_to_error(error, layer, Y)
        raise

    def backprop(dY: OutT) -> InT:
        return _forward_keeping(model, X, False)[1](dY)

    return Y, backprop


def init(model: Model[InT, OutT], X: Optional[InT] = None, Y: Optional[OutT] = None) -> None:
    init_in_turn(model, X, Y)


def _forward_keeping(model: Model[InT, OutT], X: Any, is_train: bool) -> Tuple[Any, Callable]:
    callbacks: List[Callable] = []
    layer, steps = model, _steps(model, X)
    try:
        for layer in steps:
            X, callback = layer._func(layer, X, is_train)
            callbacks.append(callback)
    except Exception as error:
        add_step_to_error(error, layer, X)
        raise
    return X, partial(backprop_steps, model, steps, callbacks)


def _steps(model: Model[InT, OutT], X: Any) -> Sequence[Any]:
    if model._layers and model._layers[0]._func is concatenate_forward:
        return fused(model, X)
    return normalized(model._layers) if model._layers and is_part(model._layers[0], "maxout") else model._layers
