"""expand_window: every row with its neighbours, so that the next layer can see them."""

from typing import Any, Callable, Tuple, TypeVar, Union

from ..config import registry
from ..model import Model
from ..types import Floats2d, Ragged
from ._batches import add_up, array_of
from ._checks import check_array, check_shape
from ._fusion import adds_to_gradient

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
    ops, nW = model.ops, model.attrs["window_size"]
    if not isinstance(X, Ragged):
        check_array(model, X)
    lengths, shape = X.lengths if isinstance(X, Ragged) else None, array_of(X).shape
    Y = ops.seq2col(_rows(X), nW, lengths=lengths)
    wide = Y.shape

    def backprop(dY: Any, plus: Any = None) -> Any:
        check_shape(model, _rows(dY), wide)
        fits = plus is None or array_of(plus).shape == shape
        added = _rows(plus) if fits else None
        dX: Any = ops.backprop_seq2col(_rows(dY), nW, lengths=lengths, plus=added)
        dX = dX if lengths is None else Ragged(dX.reshape(shape), lengths)
        return dX if fits else add_up([plus, dX])

    return Y if lengths is None else Ragged(Y, lengths), backprop


def _rows(X: Any) -> Any:
    """The rows of an array or a Ragged, in two dimensions."""
    return X.data if isinstance(X, Ragged) else X


forward.output_width = lambda model, width: width and (2 * model.attrs["window_size"] + 1) * width  # type: ignore[attr-defined]
