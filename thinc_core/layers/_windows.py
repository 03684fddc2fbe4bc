"""Windows of rows in front of a dense layer. They are never written out: its product reads each of them from the rows
themselves, where a window begins one row behind the one before. What is kept for the way back is those rows, too.
"""

from functools import partial
from typing import Any, Callable, Optional, Sequence, Tuple

import numpy

from ..model import Model
from ..types import Floats2d, Ints1d, Ragged
from ._batches import add_up, array_of
from ._checks import check_shape
from ._fusion import adds_to_gradient, is_part
from ._steps import steps_of


class Windows:
    """A step of a chain that stands for the expand_window layer in it."""

    def __init__(self, layer: Model) -> None:
        self.layer, self.nodes, self.name, self._layers = layer, (layer,), layer.name, [layer]

    @staticmethod
    @adds_to_gradient
    def _func(step: "Windows", X: Floats2d, is_train: bool) -> Tuple[Floats2d, Callable]:
        Y = windows(X, step.layer.attrs["window_size"])
        return Y, partial(backprop_windows, step.layer, None, X.shape, Y.shape)


def windows(X: Any, nW: int) -> Any:
    """(T, (2 * nW + 1) * I) the rows from nW before to nW behind each row of X, zeros beyond the ends.

    They overlap in memory, so nobody may write to them.
    """
    T, I = X.shape  # noqa: E741
    rows = numpy.empty((T + 2 * nW, I), dtype=X.dtype)
    rows[:nW], rows[nW : nW + T], rows[nW + T :] = 0, X, 0
    Y: Any = numpy.ndarray((T, (2 * nW + 1) * I), X.dtype, rows, 0, rows.strides)
    Y.flags.writeable = False
    return Y


def backprop_windows(
    model: Model, lengths: Optional[Ints1d], shape: Tuple[int, ...], wide: Tuple[int, ...], dY: Any, plus: Any = None
) -> Any:
    """plus + the gradient of the rows. lengths: of the sequences of a Ragged.  shape, wide: of rows, of windows."""
    check_shape(model, rows_of(dY), wide)
    fits = plus is None or array_of(plus).shape == shape
    added = rows_of(plus) if fits else None
    dX: Any = model.ops.backprop_seq2col(rows_of(dY), model.attrs["window_size"], lengths=lengths, plus=added)
    dX = dX if lengths is None else Ragged(dX.reshape(shape), lengths)
    return dX if fits else add_up([plus, dX])


def rows_of(X: Any) -> Any:
    """The rows of an array or a Ragged, in two dimensions."""
    return X.data if isinstance(X, Ragged) else X


def in_front_of_dense(layers: Sequence[Any], X: Any) -> Sequence[Any]:
    """The layers of a chain that begins with an expand_window; its windows are not written out for a dense layer."""
    nW, ops = layers[0].attrs["window_size"], layers[0].ops
    if type(X) is not numpy.ndarray or X.ndim != 2 or not X.size or X.dtype.char not in "fd" or ops.xp is not numpy:
        return layers
    if type(nW) is not int or nW < 0 or len(layers) < 2 or not _is_dense(layers[1]):
        return layers
    return [Windows(layers[0]), *steps_of(layers[1:], X)]


def _is_dense(layer: Model) -> bool:
    while is_part(layer, "chain") and layer._layers:
        layer = layer._layers[0]
    return is_part(layer, "maxout", "dense")
