"""reduce_first: the first row of each sequence."""

from typing import Callable, Tuple, cast

from ..config import registry
from ..model import Model
from ..types import Floats2d, Ragged
from ._checks import check_gradient
from ._ragged import lengths_and_shape, rows_like
from ._widths import keeps_width


@registry.layers("reduce_first.v1")
def reduce_first() -> Model[Ragged, Floats2d]:
    """Y[b] = first row of sequence b.

    X: Ragged with (T, O) rows.  Y: (B, O).  RAISES: ValueError for an empty sequence.
    """
    return Model("reduce_first", forward)


@keeps_width
def forward(model: Model[Ragged, Floats2d], Xr: Ragged, is_train: bool) -> Tuple[Floats2d, Callable]:
    lengths, shape = lengths_and_shape(model, Xr)
    Y, starts_ends = model.ops.reduce_first(cast(Floats2d, Xr.data), lengths)

    def backprop(dY: Floats2d) -> Ragged:
        check_gradient("reduce_first", dY, Y)
        dX = model.ops.backprop_reduce_first(dY, starts_ends, out=rows_like(model, dY, shape))
        return Ragged(dX.reshape(shape), lengths)

    return Y, backprop
