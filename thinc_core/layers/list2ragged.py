"""list2ragged: a list of arrays as a Ragged."""

from typing import Callable, List, Tuple, TypeVar

from ..config import registry
from ..model import Model
from ..types import ArrayXd, ListXd, Ragged
from ._checks import check_items, check_shape
from ._ragged import lengths_of, to_ragged
from ._widths import keeps_width

InT = TypeVar("InT", bound=ListXd)


@registry.layers("list2ragged.v1")
def list2ragged() -> Model[InT, Ragged]:
    """X: list of arrays with equal shapes after the first axis.  Y: Ragged, one sequence per array."""
    return Model("list2ragged", forward)


@keeps_width
def forward(model: Model[InT, Ragged], Xs: List[ArrayXd], is_train: bool) -> Tuple[Ragged, Callable]:
    check_items(model, Xs, "a list of arrays")
    lengths, Y = lengths_of(Xs), to_ragged(model.ops, Xs)
    shape = Y.dataXd.shape

    def backprop(dYr: Ragged) -> List[ArrayXd]:
        dX = dYr.data if len(shape) < 3 else dYr.data.reshape((-1, *shape[1:]))
        check_shape(model, dX, shape)
        return model.ops.unflatten(dX.reshape(shape), lengths)

    return Y, backprop
