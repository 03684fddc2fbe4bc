"""expand_window: every row with its neighbours, so that the next layer can see them."""

from functools import partial
from typing import Callable, Tuple, TypeVar, Union

from ..config import registry
from ..model import Model
from ..types import Floats2d, Ragged
from ._batches import array_of
from ._checks import check_array
from ._fusion import adds_to_gradient
from ._steps import begins_steps
from ._windows import backprop_windows, in_front_of_dense, rows_of

InT = TypeVar("InT", Floats2d, Ragged)


@registry.layers("expand_window.v1")
def expand_window(window_size: int = 1) -> Model[InT, InT]:
    """Y[t] = rows X[t - nW] to X[t + nW] side by side, zeros beyond the ends.

    X: (T, I), all rows as one sequence; or Ragged, each sequence by itself.  Y: the same with (2 * nW + 1) * I columns.
    window_size: nW.
    """
    return Model("expand_window", forward, attrs={"window_size": window_size})


@adds_to_gradient
def forward(
    model: Model[InT, InT], X: Union[Floats2d, Ragged], is_train: bool
) -> Tuple[Union[Floats2d, Ragged], Callable]:
    if not isinstance(X, Ragged):
        check_array(model, X)
    lengths, shape = X.lengths if isinstance(X, Ragged) else None, array_of(X).shape
    Y = model.ops.seq2col(rows_of(X), model.attrs["window_size"], lengths=lengths)
    return Y if lengths is None else Ragged(Y, lengths), partial(backprop_windows, model, lengths, shape, Y.shape)


begins_steps(forward, in_front_of_dense)
forward.output_width = lambda model, width: width and (2 * model.attrs["window_size"] + 1) * width  # type: ignore[attr-defined]
