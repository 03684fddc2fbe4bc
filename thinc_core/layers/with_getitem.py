"""with_getitem: run a layer on one member of a tuple."""

from typing import Any, Callable, Optional, Tuple

from ..config import registry
from ..model import Model
from ._checks import check_items
from ._gradients import backprop_child


@registry.layers("with_getitem.v1")
def with_getitem(idx: int, layer: Model) -> Model[Tuple[Any, ...], Tuple[Any, ...]]:
    """Y = X with layer(X[idx]) in the place of X[idx]; the other members and their gradients pass through.

    idx: counts from the end when it is negative.
    """
    return Model(f"with_getitem({layer.name})", forward, init=init, layers=[layer], attrs={"idx": idx})


def forward(
    model: Model[Tuple[Any, ...], Tuple[Any, ...]], items: Tuple[Any, ...], is_train: bool
) -> Tuple[Tuple[Any, ...], Callable]:
    check_items(model, items, "a tuple")
    index = model.attrs["idx"]
    Y, callback = model._layers[0](items[index], is_train)

    def backprop(d_items: Tuple[Any, ...]) -> Tuple[Any, ...]:
        if len(d_items) != len(items):
            raise ValueError(f"{model.name}: dY must have {len(items)} items, as the output has; got {len(d_items)}")
        return _replace(d_items, index, backprop_child(model, callback, d_items[index]))

    return _replace(items, index, Y), backprop


def init(
    model: Model[Tuple[Any, ...], Tuple[Any, ...]],
    X: Optional[Tuple[Any, ...]] = None,
    Y: Optional[Tuple[Any, ...]] = None,
) -> None:
    index = model.attrs["idx"]
    model.layers[0].initialize(X=None if X is None else X[index], Y=None if Y is None else Y[index])


def _replace(items: Tuple[Any, ...], index: int, value: Any) -> Tuple[Any, ...]:
    members = list(items)
    members[index] = value
    return tuple(members)
