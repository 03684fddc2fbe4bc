"""ragged2list: the sequences of a Ragged as a list of arrays."""

from typing import Callable, List, Tuple, TypeVar

from ..config import registry
from ..model import Model
from ..types import ArrayXd, ListXd, Ragged
from ._checks import check_lengths, check_shape
from ._ragged import lengths_and_shape, lengths_of
from ._widths import keeps_width

OutT = TypeVar("OutT", bound=ListXd)


@registry.layers("ragged2list.v1")
def ragged2list() -> Model[Ragged, OutT]:
    """X: Ragged.  Y: list of arrays, with as many axes as the Ragged was made from."""
    return Model("ragged2list", forward)


@keeps_width
def forward(model: Model[Ragged, OutT], Xr: Ragged, is_train: bool) -> Tuple[List[ArrayXd], Callable]:
    ops, (lengths, shape) = model.ops, lengths_and_shape(model, Xr)
    Ys = ops.unflatten(Xr.dataXd, lengths)
    sizes = lengths_of(Ys)

    def backprop(dYs: List[ArrayXd]) -> Ragged:
        check_lengths(model, dYs, sizes)
        dX = ops._joined(dYs)
        check_shape(model, dX, shape)
        return Ragged(dX.reshape(shape), lengths)

    return Ys, backprop
