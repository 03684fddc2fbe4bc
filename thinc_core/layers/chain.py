"""chain: layers one after the other."""

from typing import Any, Callable, Optional, Tuple, TypeVar

from ..config import registry
from ..model import Model
from ._sequence import sample_width

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
    for layer in model._layers:
        Y = layer(Y, False)[0]

    def backprop(dY: OutT) -> InT:
        return _forward_keeping(model, X, False)[1](dY)

    return Y, backprop


def init(model: Model[InT, OutT], X: Optional[InT] = None, Y: Optional[OutT] = None) -> None:
    _init_and_predict(model, X, Y)


def _forward_keeping(model: Model[InT, OutT], X: Any, is_train: bool) -> Tuple[Any, Callable]:
    callbacks = []
    for layer in model._layers:
        X, callback = layer(X, is_train)
        callbacks.append(callback)

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
    _hand_down(model, "nI", layers[:1])
    _hand_down(model, "nO", layers[-1:])
    for i, layer in enumerate(layers):
        if X is None and i:
            _hand_down(layers[i - 1], "nO", [layer], "nI")
        # A width that nothing else tells is taken from the final output, which is right for the last layer only.
        layer_Y = Y if layer.has_dim("nO") is None else None
        if layer._func is forward and layer.init is init:
            X = _init_and_predict(layer, X, layer_Y)
        else:
            layer.initialize(X=X, Y=layer_Y)
            X = None if X is None else layer.predict(X)
    if layers and model.has_dim("nI") is None:
        model.set_dim("nI", layers[0].maybe_get_dim("nI"))
    if layers and model.has_dim("nO") is None:
        model.set_dim("nO", layers[-1].maybe_get_dim("nO") or _width(X))
    return X


def _hand_down(source: Model, source_dim: str, targets: Any, target_dim: Optional[str] = None) -> None:
    """Set the dim of the targets where it is still unset and the source knows it."""
    for target in targets:
        if source.has_dim(source_dim) and target.has_dim(target_dim or source_dim) is None:
            target.set_dim(target_dim or source_dim, source.get_dim(source_dim))


def _width(X: Any) -> Optional[int]:
    try:
        return sample_width(X)
    except ValueError:
        return None
