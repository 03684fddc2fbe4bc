"""padded2list: the sequences of a Padded as a list of arrays."""

from typing import Any, Callable, Tuple, TypeVar

from ..config import registry
from ..model import Model
from ..types import List2d, Padded
from ._checks import check_lengths, check_shape
from ._padded import pad_like
from ._ragged import lengths_of
from ._widths import keeps_width

OutT = TypeVar("OutT", bound=List2d)


@registry.layers("padded2list.v1")
def padded2list() -> Model[Padded, OutT]:
    """X: Padded.  Y: list of (length, O) arrays, in the order they had before padding."""
    return Model("padded2list", forward)


@keeps_width
def forward(model: Model[Padded, OutT], Xp: Padded, is_train: bool) -> Tuple[OutT, Callable]:
    Ys: Any = model.ops.padded2list(Xp)
    lengths, shape = lengths_of(Ys), Xp.data.shape

    def backprop(dYs: OutT) -> Padded:
        check_lengths(model, dYs, lengths)
        dXp = pad_like(model.ops, Xp, dYs)
        check_shape(model, dXp.data, shape)
        return dXp

    return Ys, backprop
