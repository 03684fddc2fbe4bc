"""list2array: the rows of a list of arrays end to end."""

from typing import Callable, List, Tuple, TypeVar, cast

from ..config import registry
from ..model import Model
from ..types import Array2d
from ._checks import check_items, check_shape
from ._ragged import lengths_of
from ._widths import keeps_width

OutT = TypeVar("OutT", bound=Array2d)


@registry.layers("list2array.v1")
def list2array() -> Model[List[OutT], OutT]:
    """X: list of arrays with equal shapes after the first axis.  Y: one array with all their rows."""
    return Model("list2array", forward)


@keeps_width
def forward(model: Model[List[OutT], OutT], Xs: List[OutT], is_train: bool) -> Tuple[OutT, Callable]:
    check_items(model, Xs, "a list of arrays")
    lengths, Y = lengths_of(Xs), cast(OutT, model.ops.flatten(Xs))
    shape = Y.shape

    def backprop(dY: OutT) -> List[OutT]:
        check_shape(model, dY, shape)
        return cast(List[OutT], model.ops.unflatten(dY, lengths))

    return Y, backprop
