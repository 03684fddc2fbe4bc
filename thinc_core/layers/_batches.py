"""Batches of any kind: what layers do with the arrays of lists, Ragged and Padded as they would with one array."""

from functools import partial
from typing import Any, Callable, Sequence, Tuple

from ..backends import Ops
from ..errors import ShapeError
from ..model import Model
from ..types import Padded, Ragged
from ._checks import check_shape
from ._gradients import backprop_each


def replace_data(X: Any, data: Any) -> Any:
    """A Ragged or Padded like X around other data."""
    if isinstance(X, Ragged):
        return Ragged(data, X.lengths)
    return Padded(data, X.size_at_t, X.lengths, X.indices)


def array_of(X: Any) -> Any:
    """The array inside a Ragged or Padded; anything else as it is."""
    if isinstance(X, Ragged):
        return X.dataXd
    return X.data if isinstance(X, Padded) else X


def combine(merge: Callable[[Sequence[Any]], Any], values: Sequence[Any]) -> Any:
    """Merge values of one kind array by array: merge([Y1, Y2]) -> Y for arrays, item by item for lists."""
    first = values[0]
    if isinstance(first, (list, tuple)):
        return [combine(merge, items) for items in zip(*values)]
    if isinstance(first, (Ragged, Padded)):
        return replace_data(first, merge([array_of(value) for value in values]))
    return merge(values)


def map_arrays(model: Model, X: Any, run: Callable[[Any], Tuple[Any, Callable[[Any], Any]]]) -> Tuple[Any, Callable]:
    """Run a forward pass for each array of a batch: run(array) -> (Y, backprop), Y as long as the array.

    RETURNS: a batch like X, and its backprop, which raises ValueError unless dY has the arrays of the output.
    """
    if isinstance(X, (list, tuple)):
        pairs = [map_arrays(model, item, run) for item in X]
        return [Y for Y, _ in pairs], partial(backprop_each, model, [callback for _, callback in pairs])
    array = array_of(X)
    Y, callback = run(array)
    shape = Y.shape

    def backprop(dY: Any) -> Any:
        check_shape(model, array_of(dY), shape)
        dX = callback(array_of(dY))
        return dX if array is X else replace_data(X, dX)

    return Y if array is X else replace_data(X, Y), backprop


def columns(ops: Ops, X: Any, start: int, stop: int) -> Any:
    """Columns start up to stop of the arrays in X, as arrays of their own."""
    return combine(lambda arrays: ops.as_contig(arrays[0][..., start:stop]), [X])


def add_up(values: Sequence[Any]) -> Any:
    """The sum of values of one kind. A single one is returned as it is; none of them is ever written to."""
    return values[0] if len(values) == 1 else combine(_sum, values)


def _sum(arrays: Sequence[Any]) -> Any:
    if not arrays[0].size:
        # Without rows some branches may not know how wide rows would be.
        return max(arrays, key=lambda array: array.shape[-1])
    for array in arrays:
        if array.shape != arrays[0].shape:  # NumPy would repeat the smaller one
            raise ShapeError(f"add: outputs must have one shape; got {[array.shape for array in arrays]}")
    total = arrays[0] + arrays[1]
    for array in arrays[2:]:
        total += array
    return total
