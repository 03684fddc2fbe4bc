"""map_list: a layer on each item of a list by itself."""

from typing import Callable, List, Optional, Tuple, TypeVar

from ..config import registry
from ..model import Model
from ._checks import check_items
from ._gradients import backprop_each
from ._widths import width_of_child

InT = TypeVar("InT")
OutT = TypeVar("OutT")


@registry.layers("map_list.v1")
def map_list(layer: Model[InT, OutT]) -> Model[List[InT], List[OutT]]:
    """Y = [layer(X[0]), layer(X[1]), ...]: one call per item. with_array runs all rows of all items at once."""
    return Model("map_list", forward, init=init, layers=[layer])


@width_of_child
def forward(model: Model[List[InT], List[OutT]], Xs: List[InT], is_train: bool) -> Tuple[List[OutT], Callable]:
    check_items(model, Xs, "a list")
    layer = model._layers[0]
    results = [layer(X, is_train) for X in Xs]

    def backprop(dYs: List[OutT]) -> List[InT]:
        return backprop_each(model, [callback for _, callback in results], dYs, [layer] * len(results))

    return [Y for Y, _ in results], backprop


def init(model: Model[List[InT], List[OutT]], X: Optional[List[InT]] = None, Y: Optional[List[OutT]] = None) -> None:
    model.layers[0].initialize(X=X[0] if X else None, Y=Y[0] if Y else None)
