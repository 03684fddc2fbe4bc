"""with_flatten.v2: run a layer that maps lists to lists on a list of lists."""

from typing import Any, Callable, List, Optional, Tuple, TypeVar

from ..config import registry
from ..model import Model
from ._checks import check_items
from ._gradients import backprop_child
from ._ragged import flat_items, nested
from ._widths import width_of_child

InItemT = TypeVar("InItemT")
OutItemT = TypeVar("OutItemT")


@registry.layers("with_flatten.v2")
def with_flatten_v2(layer: Model[List[InItemT], List[OutItemT]]) -> Model[List[List[InItemT]], List[List[OutItemT]]]:
    """X: list of lists of items, which the layer sees as one list; it returns a list with an item for each.

    Y: list of lists, as long as those of X.
    """
    return Model(f"with_flatten({layer.name})", forward, init=init, layers=[layer])


@width_of_child
def forward(
    model: Model[List[List[InItemT]], List[List[OutItemT]]], X: List[List[InItemT]], is_train: bool
) -> Tuple[List[List[OutItemT]], Callable]:
    check_items(model, X, "a list of lists")
    lengths = [len(items) for items in X]
    Y, callback = model._layers[0](flat_items(X), is_train)

    def backprop(dY: List[List[Any]]) -> List[List[Any]]:
        found = [len(items) for items in dY]
        if found != lengths:
            raise ValueError(
                f"{model.name}: dY must hold lists of the lengths {lengths}, as the output does; got {found}"
            )
        return nested(backprop_child(model, callback, flat_items(dY)), lengths)

    return nested(Y, lengths), backprop


def init(
    model: Model[List[List[InItemT]], List[List[OutItemT]]],
    X: Optional[List[List[InItemT]]] = None,
    Y: Optional[List[List[OutItemT]]] = None,
) -> None:
    X_flat, Y_flat = (None if sample is None else flat_items(sample) for sample in (X, Y))
    model.layers[0].initialize(X=X_flat, Y=Y_flat)
