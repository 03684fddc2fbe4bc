"""ragged2list: the sequences of a Ragged as a list of arrays."""

from typing import Callable, List, Tuple, TypeVar

from ..config import registry
from ..model import Model
from ..types import ArrayXd, ListXd, Ragged
from ._sequence import from_ragged
from ._widths import keeps_width

OutT = TypeVar("OutT", bound=ListXd)


@registry.layers("ragged2list.v1")
def ragged2list() -> Model[Ragged, OutT]:
    """X: Ragged.  Y: list of arrays, with as many axes as the Ragged was made from."""
    return Model("ragged2list", forward)


@keeps_width
def forward(model: Model[Ragged, OutT], Xr: Ragged, is_train: bool) -> Tuple[List[ArrayXd], Callable]:
    ops, lengths, X = model.ops, Xr.lengths, Xr.dataXd

    def backprop(dYs: List[ArrayXd]) -> Ragged:
        return Ragged(ops._joined(dYs).reshape(X.shape), lengths)

    return from_ragged(ops, Xr), backprop
