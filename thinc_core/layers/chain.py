"""chain: layers one after the other."""

from typing import Any, Callable, Optional, Sequence, Tuple, TypeVar

from ..config import registry
from ..errors import add_node_to_error
from ..model import Model
from ._fusion import is_part, part, run_plus
from ._mixed_tables import fused
from ._normalized_maxout import normalized
from ._sequence import add_up
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
        return _forward_keeping(model, X, True, added)
    Y: Any = X
    layer = model
    try:
        steps = _steps(model, X)
        for layer in steps if added is None else steps[:-1]:
            Y = layer._func(layer, Y, False)[0]
        if added is not None:
            layer = steps[-1]
            Y = run_plus(layer, Y, False, added)[0]
    except Exception as error:
        _blame(error, layer)
        raise

    def backprop(dY: OutT, plus: Optional[InT] = None) -> InT:
        return _forward_keeping(model, X, False, None)[1](dY, plus)

    return Y, backprop


forward.plus = _plus  # type: ignore[attr-defined]
forward.adds_gradient = True  # type: ignore[attr-defined]


def _forward_keeping(model: Model[InT, OutT], X: Any, is_train: bool, added: Any) -> Tuple[Any, Callable]:
    callbacks = []
    layer = model
    try:
        steps = _steps(model, X)
        for layer in steps if added is None else steps[:-1]:
            X, callback = layer._func(layer, X, is_train)
            callbacks.append(callback)
        if added is not None:
            layer = steps[-1]
            X, callback = run_plus(layer, X, is_train, added)
            callbacks.append(callback)
    except Exception as error:
        _blame(error, layer)
        raise
    adds_gradient = getattr(steps[0]._func, "adds_gradient", False) if steps else False

    def backprop(dY: Any, plus: Any = None) -> Any:
        if plus is None:
            for callback in reversed(callbacks):
                dY = callback(dY)
            return dY
        for callback in callbacks[:0:-1]:
            dY = callback(dY)
        return callbacks[0](dY, plus) if adds_gradient else add_up([plus, *(each(dY) for each in callbacks[:1])])

    return X, backprop


def _blame(error: Exception, layer: Any) -> None:
    for node in getattr(layer, "nodes", (layer,)):
        add_node_to_error(error, node)


def _steps(model: Model[InT, OutT], X: Any) -> Sequence[Any]:
    if model._layers and model._layers[0]._func is concatenate_forward:
        return fused(model, X)
    return normalized(model._layers) if model._layers and is_part(model._layers[0], "maxout", "chain") else model._layers
