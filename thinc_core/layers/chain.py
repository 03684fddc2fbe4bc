"""chain: layers one after the other."""

from typing import Any, Callable, Optional, Tuple, TypeVar

from ..config import registry
from ..errors import add_node_to_error
from ..model import Model
from ._widths import hand_down, output_width, sample_width

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


def forward(model: Model[InT, OutT], X: InT, is_train: bool) -> Tuple[OutT, Callable]:
    if is_train:
        return _forward_keeping(model, X, True)
    Y: Any = X
    layer = model
    try:
        for layer in model._layers:
            Y = layer._func(layer, Y, False)[0]
    except Exception as error:
        add_node_to_error(error, layer)
        raise

    def backprop(dY: OutT) -> InT:
        return _forward_keeping(model, X, False)[1](dY)

    return Y, backprop


def init(model: Model[InT, OutT], X: Optional[InT] = None, Y: Optional[OutT] = None) -> None:
    _init_and_predict(model, X, Y)


def _forward_keeping(model: Model[InT, OutT], X: Any, is_train: bool) -> Tuple[Any, Callable]:
    callbacks = []
    layer = model
    try:
        for layer in model._layers:
            X, callback = layer._func(layer, X, is_train)
            callbacks.append(callback)
    except Exception as error:
        add_node_to_error(error, layer)
        raise

    def backprop(dY: Any) -> Any:
        for callback in reversed(callbacks):
            dY = callback(dY)
        return dY

    return X, backprop


def _init_and_predict(model: Model, X: Any, Y: Any) -> Any:
    """Initialise the layers in order, each on the prediction of the one before. RETURNS: the last one, if X is given.

    Chains inside take part in this, so that no layer runs more often than once for all levels together.
    """
    layers = model.layers
    if layers:
        hand_down(model, "nI", layers[0], "nI")
        hand_down(model, "nO", layers[-1], "nO")
    width = model.maybe_get_dim("nI")
    for layer in layers:
        if X is None and width is not None and layer.has_dim("nI") is None:
            layer.set_dim("nI", width)
        # A width that nothing else tells is taken from the final output, which is right for the last layer only.
        layer_Y = Y if layer.has_dim("nO") is None else None
        if layer._func is forward and layer.init is init:
            X = _init_and_predict(layer, X, layer_Y)
        else:
            layer.initialize(X=X, Y=layer_Y)
            X = None if X is None else layer.predict(X)
        width = output_width(layer, width) if X is None else _width(X)
    if layers:
        hand_down(layers[0], "nI", model, "nI")
        hand_down(layers[-1], "nO", model, "nO")
    if model.has_dim("nO") is None:
        model.set_dim("nO", width)
    return X


def _width(X: Any) -> Optional[int]:
    try:
        return sample_width(X)
    except ValueError:
        return None
