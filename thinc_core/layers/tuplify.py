"""tuplify: the outputs of several layers as a tuple."""

from typing import Any, Callable, Optional, Tuple, TypeVar

from ..config import registry
from ..model import Model
from ._batches import add_up
from ._checks import check_items
from ._gradients import backprop_each
from ._widths import hand_down, sample_width
from .add import set_widths

InT = TypeVar("InT")


@registry.layers("tuplify.v1")
def tuplify(layer1: Model[InT, Any], layer2: Model[InT, Any], *layers: Model[InT, Any]) -> Model[InT, Tuple]:
    """Y = (layer1(X), layer2(X), ...). The gradient is a tuple too; those with respect to X are added up.

    A tuplify among the layers stays a layer of its own.
    """
    children = [layer1, layer2, *layers]
    name = f"tuple({', '.join(layer.name for layer in children)})"
    return Model(name, forward, init=init, dims={"nI": None}, layers=children)


def forward(model: Model[InT, Tuple], X: InT, is_train: bool) -> Tuple[Tuple, Callable]:
    results = [layer(X, is_train) for layer in model._layers]

    def backprop(dYs: Tuple) -> InT:
        check_items(model, dYs, "a tuple, as the output is", "dY")
        return add_up(backprop_each(model, [callback for _, callback in results], dYs))

    return tuple(Y for Y, _ in results), backprop


def init(model: Model[InT, Tuple], X: Optional[InT] = None, Y: Optional[Tuple] = None) -> None:
    set_widths(model, "nI", model.maybe_get_dim("nI") if X is None else sample_width(X))
    for i, layer in enumerate(model.layers):
        layer.initialize(X=X, Y=Y[i] if Y is not None and layer.has_dim("nO") is None else None)
    if model.layers:
        hand_down(model.layers[0], "nI", model, "nI")
