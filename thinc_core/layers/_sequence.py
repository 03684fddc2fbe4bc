"""What layers share about batches of sequences: lists, Ragged and Padded beside plain arrays."""

from functools import partial
from itertools import accumulate
from typing import Any, Callable, List, Sequence, Tuple

import numpy

from ..backends import Ops, checks
from ..errors import KindError
from ..model import Model
from ..types import ArrayXd, Padded, Ragged
from ._checks import check_shape
from ._gradients import backprop_each
from ._widths import on_device


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


def add_up(values: Sequence[Any]) -> Any:
    """The sum of values of one kind. A single one is returned as it is; none of them is ever written to."""
    return values[0] if len(values) == 1 else combine(_sum, values)


def _sum(arrays: Sequence[Any]) -> Any:
    if not arrays[0].size:
        # Without rows some branches may not know how wide rows would be.
        return max(arrays, key=lambda array: array.shape[-1])
    total = arrays[0] + arrays[1]
    for array in arrays[2:]:
        total += array
    return total


def lengths_and_shape(model: Model, X: Any) -> Tuple[Any, Tuple[int, ...]]:
    """The lengths of a Ragged and the shape of its data. RAISES: TypeError for anything else."""
    if not isinstance(X, Ragged):
        hint = "list2ragged() makes one of a list of arrays"
        raise KindError(f"{model.name}: X must be a Ragged; got {type(X).__name__} ({hint})")
    return X.lengths, X.dataXd.shape


def rows_like(model: Model, dY: Any, shape: Tuple[int, ...]) -> Any:
    """A place for the gradient of data of this shape: with it no backend has to ask the device how many rows it has."""
    return model.ops.alloc((shape[0], dY.shape[1]), dtype=dY.dtype, zeros=False)


def check_padded(model: Model, X: Any) -> None:
    """RAISES: KindError unless X is a Padded."""
    if not isinstance(X, Padded):
        hint = "with_padded() wraps the layer for other batches"
        raise KindError(f"{model.name}: X must be a Padded; got {type(X).__name__} ({hint})")


def columns(ops: Ops, X: Any, start: int, stop: int) -> Any:
    """Columns start up to stop of the arrays in X, as arrays of their own."""
    return combine(lambda arrays: ops.as_contig(arrays[0][..., start:stop]), [X])


def lengths_of(Xs: Sequence[ArrayXd]) -> Any:
    return [X.shape[0] for X in Xs]


def to_ragged(ops: Ops, Xs: Sequence[ArrayXd]) -> Ragged:
    return Ragged(ops._joined(Xs), ops._batch_lengths(lengths_of(Xs)))


def from_ragged(ops: Ops, X: Ragged) -> List[ArrayXd]:
    return ops.unflatten(X.dataXd, X.lengths)


def pad_like(ops: Ops, X: Any, seqs: Any) -> Padded:
    """Sequences as a Padded with the steps and the order of columns that X has."""
    Y: Any = ops.list2padded(seqs)
    given, wanted = (ops._host("list2padded", "indices", each.indices) for each in (Y, X))
    if Y.data.shape[0] == X.data.shape[0] and (given == wanted).all():
        return Y
    data = ops.alloc((*X.data.shape[:2], *Y.data.shape[2:]), dtype=Y.data.dtype)
    data[: Y.data.shape[0]] = Y.data[:, Y.indices.argsort()[X.indices]]
    return replace_data(X, data)


def live_rows(ops: Any, Xp: Padded) -> Any:
    """An index of the (steps * columns) rows of the data that belong to a sequence, step by step."""
    sizes, (steps, columns) = ops._host("padded2list", "size_at_t", Xp.size_at_t), Xp.data.shape[:2]
    if len(sizes) == steps and (sizes == columns).all():
        return slice(None)
    return ops.asarray(numpy.flatnonzero(numpy.arange(columns) < sizes[:, None]))


def rows_of(model: Model, Xp: Padded, live: Any, width: int) -> Any:
    """(rows, width) the live rows, which may be a view of the data. RAISES: TypeError for those of another device."""
    checks.array(model.name, "X", Xp.data, model.ops.xp)
    steps, columns, found = Xp.data.shape  # without rows it may not know how wide they would be
    return Xp.data.reshape(steps * columns, found or width)[live]


def rows_of_gradient(model: Model, dYp: Padded, Xp: Padded, live: Any, width: int) -> Any:
    """rows_of for a gradient. RAISES: ValueError unless it has the steps and columns of Xp and that width."""
    check_shape(model, dYp.data, (*Xp.data.shape[:2], width))
    return rows_of(model, dYp, live, width)


def with_rows(ops: Any, Xp: Padded, live: Any, rows: Any) -> Padded:
    """A Padded like Xp around other live rows: the inverse of rows_of."""
    steps, columns, width = *Xp.data.shape[:2], rows.shape[1]
    data = rows
    if not isinstance(live, slice):
        data = ops.alloc((steps * columns, width), dtype=rows.dtype)
        data[live] = rows
    return Padded(data.reshape(steps, columns, width), Xp.size_at_t, Xp.lengths, Xp.indices)


def flat_items(X: Sequence[Sequence[Any]]) -> List[Any]:
    """The items of all sequences in one list."""
    return [item for items in X for item in items]


def nested(items: Any, lengths: Sequence[int]) -> List[Any]:
    """A list of pieces of the given lengths: the inverse of flat_items."""
    ends = list(accumulate(lengths))
    return [items[end - length : end] for length, end in zip(lengths, ends)]


def by_sequence(model: Model, X: Any) -> Tuple[Any, Any, Callable[[Any], Any], Callable[[Any], Any]]:
    """The rows of a Ragged or Padded, one sequence after the other, and the lengths of these.

    RETURNS: rows, lengths, a function that picks the rows of another batch like X, and one that makes a batch of rows.
    RAISES: TypeError for anything else.
    """
    if isinstance(X, Ragged):
        checks.array(model.name, "X", X.data, model.ops.xp)
        return X.data, X.lengths, lambda Y: Y.data, lambda rows: Ragged(rows, X.lengths)
    if not isinstance(X, Padded):
        hint = "with_ragged(layer) takes other batches"
        raise KindError(f"{model.name}: X must be a Ragged or a Padded; got {type(X).__name__} ({hint})")
    steps, columns = on_device(model, X.data).shape[:2]
    live = numpy.arange(steps) < model.ops._host(model.name, "lengths", X.lengths)[:, None]
    index: Any = model.ops.asarray((numpy.arange(steps) * columns + numpy.arange(columns)[:, None])[live])

    def pick(Y: Padded) -> Any:
        check_shape(model, Y.data, (steps, columns, Y.data.shape[2]))
        return Y.data.reshape(steps * columns, Y.data.shape[2])[index]

    def restore(rows: Any) -> Padded:
        data = model.ops.alloc((steps * columns, rows.shape[1]), dtype=rows.dtype)
        data[index] = rows
        return replace_data(X, data.reshape(steps, columns, rows.shape[1]))

    return pick(X), X.lengths, pick, restore


def window_rows(model: Model, lengths: Any, n_rows: int, offsets: Any) -> Any:
    """(rows, offsets) int32: for each row of the sequences those at some offsets from it, -1 beyond the ends.

    Computed on the device, so that it need not be asked for the lengths; then what they sum to is not checked.
    offsets: on the host.
    """
    ops: Any = model.ops
    if isinstance(lengths, numpy.ndarray):
        checks.lengths(model.name, lengths, n_rows)
    lengths, here = ops.asarray(lengths, dtype="int64"), ops.xp.arange(n_rows)
    ends = lengths.cumsum()
    owner = ops.xp.minimum(ops.xp.searchsorted(ends, here, side="right"), len(ends) - 1)
    rows = here[:, None] + ops.asarray(offsets)
    start, end = ops.xp.maximum(ends - lengths, 0)[owner], ops.xp.minimum(ends, n_rows)[owner]
    return ops.xp.where((rows >= start[:, None]) & (rows < end[:, None]), rows, -1).astype("int32")
