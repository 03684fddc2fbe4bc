"""Sequences that lie end to end: lists of arrays, Ragged, and the rows around each row."""

from itertools import accumulate
from typing import Any, List, Sequence, Tuple

import numpy

from ..backends import Ops, checks
from ..errors import KindError
from ..model import Model
from ..types import ArrayXd, Ragged


def lengths_and_shape(model: Model, X: Any) -> Tuple[Any, Tuple[int, ...]]:
    """The lengths of a Ragged and the shape of its data. RAISES: TypeError for anything else."""
    if not isinstance(X, Ragged):
        hint = "list2ragged() makes one of a list of arrays"
        raise KindError(f"{model.name}: X must be a Ragged; got {type(X).__name__} ({hint})")
    return X.lengths, X.dataXd.shape


def lengths_of(Xs: Sequence[ArrayXd]) -> Any:
    try:
        return [X.shape[0] for X in Xs]
    except (AttributeError, IndexError):
        at, wrong = next((i, X) for i, X in enumerate(Xs) if not getattr(X, "shape", ()))
        raise KindError(f"list: item {at} must be an array of rows; got {type(wrong).__name__}") from None


def to_ragged(ops: Ops, Xs: Sequence[ArrayXd]) -> Ragged:
    return Ragged(ops._joined(Xs), ops._batch_lengths(lengths_of(Xs)))


def from_ragged(ops: Ops, X: Ragged) -> List[ArrayXd]:
    return ops.unflatten(X.dataXd, X.lengths)


def rows_like(model: Model, dY: Any, shape: Tuple[int, ...]) -> Any:
    """A place for the gradient of data of this shape: with it no backend has to ask the device how many rows it has."""
    return model.ops.alloc((shape[0], dY.shape[1]), dtype=dY.dtype, zeros=False)


def flat_items(X: Sequence[Sequence[Any]]) -> List[Any]:
    """The items of all sequences in one list."""
    return [item for items in X for item in items]


def nested(items: Any, lengths: Sequence[int]) -> List[Any]:
    """A list of pieces of the given lengths: the inverse of flat_items."""
    ends = list(accumulate(lengths))
    return [items[end - length : end] for length, end in zip(lengths, ends)]


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
