"""Sequences beside each other, step by step: the rows of a Padded that belong to one, and the way back."""

from typing import Any, Callable, Optional, Tuple

import numpy

from ..backends import Ops, checks
from ..errors import KindError
from ..model import Model
from ..types import Padded, Ragged
from ._batches import replace_data
from ._checks import check_shape, on_device


def check_padded(model: Model, X: Any) -> None:
    """RAISES: KindError unless X is a Padded."""
    if not isinstance(X, Padded):
        hint = "with_padded() wraps the layer for other batches"
        raise KindError(f"{model.name}: X must be a Padded; got {type(X).__name__} ({hint})")


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


def with_rows(ops: Any, Xp: Padded, live: Any, rows: Any) -> Any:
    """A Padded like Xp around other live rows: the inverse of rows_of; of None it is None."""
    if rows is None:
        return None
    steps, columns, width = *Xp.data.shape[:2], rows.shape[1]
    data = rows
    if not isinstance(live, slice):
        data = ops.alloc((steps * columns, width), dtype=rows.dtype)
        data[live] = rows
    return Padded(data.reshape(steps, columns, width), Xp.size_at_t, Xp.lengths, Xp.indices)


def by_sequence(model: Model, X: Any) -> Tuple[Any, Any, Callable[[Any], Any], Callable[[Any], Any]]:
    """The rows of a Ragged or Padded, one sequence after the other, and the lengths of these.

    RETURNS: rows, lengths, a function that picks the rows of another batch like X, and one that makes a batch of rows,
        and None of None.
    RAISES: TypeError for anything else.
    """
    if isinstance(X, Ragged):
        checks.array(model.name, "X", X.data, model.ops.xp)
        return X.data, X.lengths, lambda Y: Y.data, lambda rows: None if rows is None else Ragged(rows, X.lengths)
    if not isinstance(X, Padded):
        hint = "with_ragged(layer) takes other batches"
        raise KindError(f"{model.name}: X must be a Ragged or a Padded; got {type(X).__name__} ({hint})")
    steps, columns = on_device(model, X.data).shape[:2]
    live = numpy.arange(steps) < model.ops._host(model.name, "lengths", X.lengths)[:, None]
    index: Any = model.ops.asarray((numpy.arange(steps) * columns + numpy.arange(columns)[:, None])[live])

    def pick(Y: Padded) -> Any:
        check_shape(model, Y.data, (steps, columns, Y.data.shape[2]))
        return Y.data.reshape(steps * columns, Y.data.shape[2])[index]

    def restore(rows: Any) -> Optional[Padded]:
        if rows is None:
            return None
        data = model.ops.alloc((steps * columns, rows.shape[1]), dtype=rows.dtype)
        data[index] = rows
        return replace_data(X, data.reshape(steps, columns, rows.shape[1]))

    return pick(X), X.lengths, pick, restore
