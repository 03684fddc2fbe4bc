"""with_flatten: run a layer for sequences of items on a nested sequence."""

from typing import Any, Callable, List, Optional, Sequence, Tuple, TypeVar

from ..config import registry
from ..model import Model
from ..types import ArrayXd, ListXd
from ._checks import check_items, check_lengths
from ._gradients import backprop_child
from ._ragged import flat_items, nested
from ._widths import width_of_child

ItemT = TypeVar("ItemT")
NestedT = Sequence[Sequence[ItemT]]


@registry.layers("with_flatten.v1")
def with_flatten(layer: Model[Sequence[ItemT], ArrayXd]) -> Model[Sequence[Sequence[ItemT]], ListXd]:
    """X: sequence of sequences of items, which the layer sees as one; it returns an array with a row for each item.

    Y: list of arrays, with the rows of each sequence.
    """
    return Model(f"with_flatten({layer.name})", forward, init=init, layers=[layer])


@width_of_child
def forward(model: Model[NestedT, ListXd], X: NestedT, is_train: bool) -> Tuple[ListXd, Callable]:
    check_items(model, X, "a list of lists")
    ops: Any = model._layers[0].ops
    Y, callback = model._layers[0](flat_items(X), is_train)
    lengths, dtype, shape = [len(items) for items in X], Y.dtype, Y.shape

    def backprop(dY: ListXd) -> List[List[Any]]:
        check_lengths(model, dY, lengths)
        return nested(backprop_child(model, callback, _rows(ops, dY, dtype, shape)), lengths)

    return ops.unflatten(Y, lengths), backprop


def init(model: Model[NestedT, ListXd], X: Optional[NestedT] = None, Y: Optional[ListXd] = None) -> None:
    layer = model.layers[0]
    layer.initialize(X=None if X is None else flat_items(X), Y=layer.ops.flatten(Y) if Y else None)


def _rows(ops: Any, dYs: Any, dtype: Any, shape: Tuple[int, ...]) -> Any:
    dY = ops.flatten(dYs, dtype=dtype)
    return dY if dY.size or 0 not in shape else dY.reshape(shape)
