"""add: the sum of the outputs of several layers."""

from typing import Any, Callable, List, Optional, Tuple, TypeVar

from ..config import registry
from ..model import Model
from ._batches import add_up
from ._gradients import backprop_each, identity
from ._widths import sample_width, width_of_any

InT = TypeVar("InT")
OutT = TypeVar("OutT")


@registry.layers("add.v1")
def add(layer1: Model[InT, OutT], layer2: Model[InT, OutT], *layers: Model) -> Model[InT, OutT]:
    """Y = layer1(X) + layer2(X) + ...; for outputs that are arrays, lists of arrays, Ragged or Padded.

    An `add` as the first layer gives its children to the new node, so that a + b + c is one node with three.
    """
    children = flat([layer1, layer2, *layers], forward)
    return Model("add", forward, init=init, dims=branch_dims(children), layers=children)


@width_of_any
def forward(model: Model[InT, OutT], X: InT, is_train: bool) -> Tuple[OutT, Callable]:
    layers: Any = model._layers
    if not layers:
        return X, identity  # type: ignore[return-value]
    Ys, callbacks = zip(*[layer(X, is_train) for layer in layers])

    def backprop(dY: OutT) -> InT:
        return add_up(backprop_each(model, callbacks, [dY] * len(callbacks)))

    return add_up(Ys), backprop


def init(model: Model[InT, OutT], X: Optional[InT] = None, Y: Optional[OutT] = None) -> None:
    set_widths(model, "nI", sample_width(X))
    known = next((layer.get_dim("nO") for layer in model.layers if layer.has_dim("nO")), None)
    if known not in (None, sample_width(Y)):
        Y = None  # that of the whole model, which a chain hands to its hidden layers
    set_widths(model, "nO", known or sample_width(Y))
    for layer in model.layers:
        layer.initialize(X=X, Y=Y)
    if model.layers and model.has_dim("nO") is None:
        model.set_dim("nO", model.layers[0].maybe_get_dim("nO"))


def flat(layers: List[Model], combinator_forward: Callable) -> List[Model]:
    """The layers, with the first one replaced by its children if it is the same kind of combinator."""
    first = layers[0]
    return [*first.layers, *layers[1:]] if first._func is combinator_forward else layers


def branch_dims(layers: List[Model]) -> dict:
    """nO, and nI if every branch has one; both unset."""
    dims = {"nO": None}
    return {**dims, "nI": None} if all(layer.has_dim("nI") is not False for layer in layers) else dims


def set_widths(model: Model, dim: str, width: Optional[int]) -> None:
    """Set a dim of the node and of all branches that have it."""
    if width is None:
        return
    for node in [model, *model.layers]:
        if node.has_dim(dim) is not False:
            node.set_dim(dim, width)
