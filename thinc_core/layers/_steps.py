"""How a chain runs: which of its layers are one step, what is kept for the way back, where the steps add something."""

from typing import Any, Callable, Optional, Sequence, Tuple

from ..errors import add_node_to_error
from ..model import Model
from ._fusion import backprop_plus, is_part, run_plus
from ._mixed_tables import fused
from ._normalized_maxout import normalized
from ._sequence import add_up
from .concatenate import forward as concatenate_forward


def run_in_turn(model: Model, X: Any, is_train: bool, added: Optional[Any]) -> Tuple[Any, Callable]:
    """added + chain(X); None adds nothing."""
    if is_train:
        return _forward_keeping(model, X, True, added)
    Y: Any = X
    layer = model
    try:
        steps = _steps(model, X)
        for layer in steps if added is None else steps[:-1]:
            Y = layer._func(layer, Y, False)[0]
        if added is not None and not steps:
            Y = add_up([added, Y])
        elif added is not None:
            layer = steps[-1]
            Y = run_plus(layer, Y, False, added)[0]
    except Exception as error:
        _blame(error, layer)
        raise

    def backprop(dY: Any, plus: Any = None) -> Any:
        return _forward_keeping(model, X, False, None)[1](dY, plus)

    return Y, backprop


def _forward_keeping(model: Model, X: Any, is_train: bool, added: Any) -> Tuple[Any, Callable]:
    callbacks = []
    layer = model
    try:
        steps = _steps(model, X)
        for layer in steps if added is None else steps[:-1]:
            X, callback = layer._func(layer, X, is_train)
            callbacks.append(callback)
        if added is not None and not steps:
            X = add_up([added, X])
        elif added is not None:
            layer = steps[-1]
            X, callback = run_plus(layer, X, is_train, added)
            callbacks.append(callback)
    except Exception as error:
        _blame(error, layer)
        raise

    def backprop(dY: Any, plus: Any = None) -> Any:
        for callback in callbacks[:0:-1]:
            dY = callback(dY)
        if plus is None:
            return callbacks[0](dY) if callbacks else dY
        return backprop_plus(steps[0], callbacks[0], dY, plus) if callbacks else add_up([plus, dY])

    return X, backprop


def _blame(error: Exception, layer: Any) -> None:
    for node in getattr(layer, "nodes", (layer,)):
        add_node_to_error(error, node)


def _steps(model: Model, X: Any) -> Sequence[Any]:
    if model._layers and model._layers[0]._func is concatenate_forward:
        return fused(model, X)
    layers = model._layers
    return normalized(layers) if layers and is_part(layers[0], "maxout", "chain") else layers
