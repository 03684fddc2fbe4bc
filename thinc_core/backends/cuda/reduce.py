"""Reductions of ragged sequences, and their gradients."""

from __future__ import annotations

from functools import partial

from .. import checks
from ..ops import Ops
from ._arrays import LANES, contig, fits, fits_both, suffix, target, wide_empty
from ._arrays import indices as as_indices
from ._base import CudaOps
from ._hosts import known, remember
from ._ragged import LONG, has_rows_like, longest, starts_and_rows, starts_of

STEM = "reduce"
INT32_MAX = 2**31 - 1


def _blocks(kind, B, width):
    """A block per sequence and tile of 32 pieces of the columns."""
    pieces = -(-width // LANES[kind])
    return B * -(-pieces // 32)


def _reduce(ops, op, X, lengths, out):
    """One row for each sequence of rows."""
    kind = suffix(ops, X)
    if kind is None or X.ndim != 2:
        return getattr(Ops, op)(ops, X, lengths, out=out)
    x, shape = contig(ops, X), (_count(lengths), X.shape[1])
    starts = starts_of(ops, op, lengths, len(X)) if fits(ops, out, shape, X.dtype, x) else None
    if starts is None:
        return getattr(Ops, op)(ops, X, lengths, out=out)
    Y = target(ops, out, shape, X.dtype)
    if Y.size:
        _launch(ops, op, kind, (Y,), x, starts, longest(lengths, len(x)))
    return Y


def _launch(ops, op, kind, results, x, starts, most):
    """The kernel, and one more for sequences of very many rows, if there may be some: most is how many there may be."""
    device, (B, O) = ops._device(), results[0].shape  # noqa: E741
    chunks = -(-len(x) // device.chunk) if most > LONG * device.chunk else 0
    parts = wide_empty(ops, (chunks, 2, O, len(results)), x.dtype) if chunks else None
    blocks = _blocks(kind, max(B, 2 * chunks), O)
    device.launch_blocks(STEM, f"{op}_{kind}", blocks, *results, parts, x, starts, B, O, len(x), device.chunk)
    if chunks:
        name = op.replace("reduce", "merge")
        device.launch_blocks(STEM, f"{name}_{kind}", _blocks(kind, B, O), *results, parts, starts, B, O, device.chunk)


def _count(lengths):
    """How many there are; 0 for what is no list or array."""
    try:
        return len(lengths)
    except TypeError:
        return 0


def _pick(ops, op, X, lengths, out, n_places, dtype):
    """One of the rows of each sequence, and the places that are returned beside it."""
    kind = suffix(ops, X)
    if kind is None or X.ndim != 2 or X.shape[1] == 0 or len(X) > INT32_MAX:
        return getattr(Ops, op)(ops, X, lengths, out=out)
    x, shape = contig(ops, X), (_count(lengths), X.shape[1])
    outs = fits_both(ops, out, shape, X.dtype, (n_places,), dtype, x)
    starts = None if outs is None else starts_of(ops, op, lengths, len(X), 1)
    if outs is None or starts is None:
        return getattr(Ops, op)(ops, X, lengths, out=out)
    Y, places = target(ops, outs[0], shape, X.dtype), target(ops, outs[1], (n_places,), dtype)
    work = shape[0] * -(-shape[1] // LANES[kind])
    ops._device().launch(STEM, f"{op}_{kind}", work, Y, places, x, starts, shape[0], len(X), shape[1])
    found = known(lengths)
    if found is not None and outs[1] is None:
        ends = found.values.cumsum()
        remember(places, ends - 1 if n_places == len(ends) else [0, *ends])
    return Y, places


def _spread(ops, op, d, lengths, out):
    """The rows of each sequence from one row: backward of _reduce."""
    kind = suffix(ops, d)
    if kind is None or d.ndim != 2:
        return getattr(Ops, op)(ops, d, lengths, out=out)
    source = contig(ops, d)
    starts, rows = starts_and_rows(ops, op, lengths, d, out)
    shape = (rows, d.shape[1])
    if starts is None or not fits(ops, out, shape, d.dtype, source):
        return getattr(Ops, op)(ops, d, lengths, out=out)
    dX = target(ops, out, shape, d.dtype)
    if dX.size:
        work = rows * -(-shape[1] // LANES[kind])
        ops._device().launch(STEM, f"{op}_{kind}", work, dX, source, starts, len(d), *shape)
    return dX


def _put(ops, op, d, places, with_end, out):
    """Zeros with the rows of d at those that places names; its last entry is their end, or the last row."""
    kind = suffix(ops, d)
    positions, index = as_indices(ops, places)
    B = -1 if positions is None or positions.ndim != 1 else len(positions) - with_end
    if kind is None or d.ndim != 2 or B < 1 or len(d) != B:
        return getattr(Ops, op)(ops, d, places, out=out)
    rows = _rows_of(positions, with_end) if known(places) or not has_rows_like(ops, out, d) else len(out)
    source, shape = contig(ops, d), (rows, d.shape[1])
    if rows < B or not fits(ops, out, shape, d.dtype, source, positions):
        return getattr(Ops, op)(ops, d, places, out=out)
    dX = target(ops, out, shape, d.dtype)
    if dX.size:
        work, args = rows * -(-shape[1] // LANES[kind]), (dX, source, positions, B, *shape, int(with_end))
        describe = partial(_describe_places, op, "starts_ends" if with_end else "lasts")
        ops._device().launch_checking(STEM, f"put_rows_{kind}_{index}", work, describe, *args)
    return dX


def _rows_of(positions, with_end):
    """How many rows there are: that is in the last one, so this waits, unless the host knows them. -1: wrong ones."""
    found = known(positions)
    host = positions.get() if found is None else found.values
    if host[0] < 0 or (host[1:] <= host[:-1]).any():
        return -1
    return int(host[-1]) + (not with_end)


def _describe_places(op, name, value, position, limit):
    return checks.LengthsError(
        f"{op}: {name} must be >= 0, increase and end with out's {limit} rows; got {value} at position {position}"
    )


class CudaReduce(CudaOps):
    """Reductions over the rows of sequences."""

    def reduce_sum(self, X, lengths, *, out=None):
        return _reduce(self, "reduce_sum", X, lengths, out)

    def backprop_reduce_sum(self, d_sums, lengths, *, out=None):
        return _spread(self, "backprop_reduce_sum", d_sums, lengths, out)

    def reduce_mean(self, X, lengths, *, out=None):
        return _reduce(self, "reduce_mean", X, lengths, out)

    def backprop_reduce_mean(self, d_means, lengths, *, out=None):
        return _spread(self, "backprop_reduce_mean", d_means, lengths, out)

    def reduce_max(self, X, lengths, *, out=None):
        kind = suffix(self, X)
        if kind is None or X.ndim != 2 or len(X) > INT32_MAX:
            return Ops.reduce_max(self, X, lengths, out=out)
        x, shape = contig(self, X), (_count(lengths), X.shape[1])
        outs = fits_both(self, out, shape, X.dtype, shape, "int32", x)
        starts = None if outs is None else starts_of(self, "reduce_max", lengths, len(X), 1)
        if outs is None or starts is None:
            return Ops.reduce_max(self, X, lengths, out=out)
        best, which = target(self, outs[0], shape, X.dtype), target(self, outs[1], shape, "int32")
        if best.size:
            _launch(self, "reduce_max", kind, (best, which), x, starts, longest(lengths, len(x)))
        return best, which

    def backprop_reduce_max(self, d_maxes, which, lengths, *, out=None):
        kind = suffix(self, d_maxes)
        chosen, index = as_indices(self, which)
        if kind is None or chosen is None or d_maxes.ndim != 2 or chosen.shape != d_maxes.shape:
            return Ops.backprop_reduce_max(self, d_maxes, which, lengths, out=out)
        d = contig(self, d_maxes)
        starts, rows = starts_and_rows(self, "backprop_reduce_max", lengths, d, out, 1)
        shape = (rows, d.shape[1])
        if starts is None or not fits(self, out, shape, d.dtype, d, chosen):
            return Ops.backprop_reduce_max(self, d_maxes, which, lengths, out=out)
        dX = target(self, out, shape, d.dtype)
        if dX.size:
            work, name = rows * -(-shape[1] // LANES[kind]), f"backprop_reduce_max_{kind}_{index}"
            args = (dX, d, chosen, starts, len(d), *shape)
            self._device().launch_checking(STEM, name, work, partial(_describe_which, shape[1]), *args)
        return dX

    def reduce_first(self, X, lengths, *, out=None):
        return _pick(self, "reduce_first", X, lengths, out, _count(lengths) + 1, "int32")

    def backprop_reduce_first(self, d_firsts, starts_ends, *, out=None):
        return _put(self, "backprop_reduce_first", d_firsts, starts_ends, True, out)

    def reduce_last(self, X, lengths, *, out=None):
        return _pick(self, "reduce_last", X, lengths, out, _count(lengths), "int64")

    def backprop_reduce_last(self, d_lasts, lasts, *, out=None):
        return _put(self, "backprop_reduce_last", d_lasts, lasts, False, out)


def _describe_which(width, value, position, limit):
    return checks.bad_which("backprop_reduce_max", value, list(divmod(position, width)), limit)
