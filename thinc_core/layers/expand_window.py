"""expand_window: every row with its neighbours, so that the next layer can see them."""

from typing import Callable, Tuple, TypeVar, Union, cast

from ..config import registry
from ..model import Model
from ..types import Floats2d, Ragged
from ._gradients import check_shape

InT = TypeVar("InT", Floats2d, Ragged)


@registry.layers("expand_window.v1")
def expand_window(window_size: int = 1) -> Model[InT, InT]:
    """Y[t] = rows X[t - nW] to X[t + nW] side by side, zeros beyond the ends.

    X: (T, I), all rows as one sequence; or Ragged, each sequence by itself.  Y: the same with (2 * nW + 1) * I columns.
    window_size: nW.
    """
    return Model("expand_window", forward, attrs={"window_size": window_size})


def forward(
    model: Model[InT, InT], X: Union[Floats2d, Ragged], is_train: bool
) -> Tuple[Union[Floats2d, Ragged], Callable]:
    ops, nW = model.ops, model.attrs["window_size"]
    if not isinstance(X, Ragged):
        Y = ops.seq2col(X, nW)
        wide = Y.shape

        def backprop_array(dY: Floats2d) -> Floats2d:
            check_shape(model, dY, wide)
            return ops.backprop_seq2col(dY, nW)

        return Y, backprop_array

    lengths, shape = X.lengths, X.dataXd.shape
    Y = ops.seq2col(cast(Floats2d, X.data), nW, lengths=lengths)
    wide = Y.shape

    def backprop(dY: Ragged) -> Ragged:
        check_shape(model, dY.data, wide)
        dX = ops.backprop_seq2col(cast(Floats2d, dY.data), nW, lengths=lengths)
        return Ragged(dX.reshape(shape), lengths)

    return Ragged(Y, lengths), backprop


forward.output_width = lambda model, width: width and (2 * model.attrs["window_size"] + 1) * width  # type: ignore[attr-defined]
