"""padded2list: the sequences of a Padded as a list of arrays."""

from typing import Callable, Tuple, TypeVar, cast

from ..config import registry
from ..model import Model
from ..types import List2d, Padded
from ._sequence import pad_like
from ._widths import keeps_width

OutT = TypeVar("OutT", bound=List2d)


@registry.layers("padded2list.v1")
def padded2list() -> Model[Padded, OutT]:
    """X: Padded.  Y: list of (length, O) arrays, in the order they had before padding."""
    return Model("padded2list", forward)


@keeps_width
def forward(model: Model[Padded, OutT], Xp: Padded, is_train: bool) -> Tuple[OutT, Callable]:
    def backprop(dYs: OutT) -> Padded:
        return pad_like(model.ops, Xp, dYs)

    return cast(OutT, model.ops.padded2list(Xp)), backprop
