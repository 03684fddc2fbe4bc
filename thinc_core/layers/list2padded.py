"""list2padded: a list of arrays as a Padded."""

from typing import Any, Callable, Tuple, TypeVar, cast

from ..config import registry
from ..model import Model
from ..types import List2d, Padded
from ._checks import check_items, check_shape
from ._widths import keeps_width

InT = TypeVar("InT", bound=List2d)


@registry.layers("list2padded.v1")
def list2padded() -> Model[InT, Padded]:
    """X: list of (length, I) arrays.  Y: Padded, longest sequence first, zeros behind the ends."""
    return Model("list2padded", forward)


@keeps_width
def forward(model: Model[InT, Padded], Xs: Any, is_train: bool) -> Tuple[Padded, Callable]:
    check_items(model, Xs, "a list of arrays")
    Y: Any = model.ops.list2padded(Xs)
    shape = Y.data.shape

    def backprop(dYp: Padded) -> InT:
        check_shape(model, dYp.data, shape)
        return cast(InT, model.ops.padded2list(dYp))

    return Y, backprop
