"""Lists of sequences to one array: one table of addresses and lengths goes to the device, one kernel copies.

The way back (unflatten, unpad, padded2list) is views of one array or one copy of it, as in the reference, which reads
the lengths: without them there are no views.
"""

from __future__ import annotations

import math

import numpy

from ..ops import Ops
from ._arrays import contig, count, fits, here, target
from ._base import CudaOps
from ._hosts import remember
from ._ragged import batch_lengths

STEM = "pad"
PIECE = 16  # bytes that a thread copies at most


def _alike(ops, seqs):
    """Whether seqs is a list of at least one array, all of one dtype, rank (at least 1) and trailing shape."""
    if type(seqs) not in (list, tuple) or not seqs or any(type(seq) is not ops.xp.ndarray for seq in seqs):
        return False
    if ops._several is not False and not here(ops, *seqs):
        return False
    first = seqs[0]
    if first.ndim < 1 or first.dtype.kind == "O" or not first.dtype.isnative:
        return False
    return all(seq.dtype == first.dtype and seq.ndim and seq.shape[1:] == first.shape[1:] for seq in seqs)


def _row_bytes(seq):
    return math.prod(seq.shape[1:]) * seq.itemsize


def _launch(ops, kernel, Y, sources, starts, rows, *more):
    """Copy to Y, which has so many rows, from sources in C order. starts: of the sources in Y, for the kernel."""
    pointers, width = [seq.data.ptr for seq in sources], _row_bytes(sources[0])
    lengths = [len(seq) for seq in sources]
    table = ops.xp.asarray(numpy.array([*pointers, *lengths, *starts], dtype="int64"))
    _run(ops, kernel, Y, pointers, width, table, rows, *more)


def _run(ops, kernel, Y, pointers, width, table, rows, *more):
    odd = PIECE | width | Y.data.ptr
    for pointer in pointers:
        odd |= pointer
    piece = odd & -odd  # the largest power of 2 that divides all of them
    if Y.size:
        args = (Y, table, len(pointers), rows, width // piece, *more)
        ops._device().launch(STEM, f"{kernel}_{piece}", rows * (width // piece), *args)


def _flatten(ops, X, pad, out):
    """The members that have rows, end to end; None when out does not fit or there are no rows."""
    kept = [contig(ops, seq) for seq in X if seq.size]
    if not kept:
        return None
    starts = numpy.cumsum([0] + [len(seq) + pad for seq in kept])
    rows = int(starts[-1]) + pad
    shape, dtype = (rows, *kept[0].shape[1:]), kept[0].dtype
    if not fits(ops, out, shape, dtype, *kept):
        return None
    Y = target(ops, out, shape, dtype)
    _launch(ops, "join", Y, kept, starts[:-1], rows, pad)
    return Y


def _pad(ops, seqs, round_to, out):
    """(len(seqs), longest, ...): each member, then zeros; None when out does not fit."""
    sources = [contig(ops, seq) for seq in seqs]
    longest = max(map(len, sources))
    longest += -longest % round_to
    shape, dtype = (len(sources), longest, *sources[0].shape[1:]), sources[0].dtype
    if not fits(ops, out, shape, dtype, *sources):
        return None
    Y = target(ops, out, shape, dtype)
    _launch(ops, "beside", Y, sources, (), len(sources) * longest, longest)
    return Y


def _list2padded(ops, seqs):
    """Padded: row t of every sequence longer than t, the longest sequence first, of two equal ones the later."""
    from ...types import Padded

    B = len(seqs)
    lengths = numpy.fromiter(map(len, seqs), "int64", B)
    order = numpy.lexsort((numpy.arange(B), lengths))[::-1]
    lengths = lengths[order]
    steps = int(lengths[0])
    size_at_t = numpy.searchsorted(-lengths, -numpy.arange(steps))  # how many are longer than t
    sources = [contig(ops, seqs[i]) for i in order.tolist()]
    pointers = [seq.data.ptr for seq in sources]
    words = numpy.concatenate((size_at_t, lengths, order)).astype("int32")
    words = numpy.append(words, numpy.zeros(len(words) % 2, dtype="int32")).view("int64")
    table = ops.xp.asarray(numpy.concatenate((numpy.array(pointers, dtype="int64"), lengths, words)))
    Y = ops.xp.empty((steps, B, *sources[0].shape[1:]), dtype=sources[0].dtype)
    _run(ops, "by_step", Y, pointers, _row_bytes(sources[0]), table, steps * B)
    indices = table[2 * B :].view("int32")  # they came with the table
    places = (indices[:steps], indices[steps : steps + B], indices[steps + B : steps + 2 * B])
    return Padded(Y, *map(remember, places, (size_at_t, lengths, order)))


def _end_to_end(ops, seqs):
    """All members as one view of the array that they are the rows of, one after the other; None when they are not."""
    if not _alike(ops, seqs):
        return None
    first, base, end = seqs[0], seqs[0].base, seqs[0].data.ptr
    if len(seqs) == 1:
        return first if first.flags.c_contiguous else None
    if base is None or base.dtype != first.dtype or not base.flags.c_contiguous:
        return None
    for seq in seqs:
        if seq.base is not base or seq.data.ptr != end or not seq.size or not seq.flags.c_contiguous:
            return None
        end += seq.nbytes
    start, stop = ((place - base.data.ptr) // base.itemsize for place in (first.data.ptr, end))
    return base.reshape(-1)[start:stop].reshape(sum(map(len, seqs)), *first.shape[1:])


class CudaPad(CudaOps):
    """Lists of sequences to one array."""

    def _joined(self, seqs, pad=0):
        found = None if pad else _end_to_end(self, seqs)
        return self.flatten(seqs, pad=pad) if found is None else found

    def _batch_lengths(self, sizes):
        return batch_lengths(self, sizes)

    def flatten(self, X, dtype=None, pad=0, ndim_if_empty=2, *, out=None):
        result = None
        if count(pad) is not None and _alike(self, X) and (dtype is None or X[0].dtype == dtype):
            result = _flatten(self, X, pad, out)
        return Ops.flatten(self, X, dtype, pad, ndim_if_empty, out=out) if result is None else result

    def pad(self, seqs, round_to=1, *, out=None):
        result = None
        if count(round_to, 1) is not None and _alike(self, seqs):
            result = _pad(self, seqs, round_to, out)
        return Ops.pad(self, seqs, round_to, out=out) if result is None else result

    def list2padded(self, seqs):
        if not _alike(self, seqs) or len(seqs) == 1:
            return Ops.list2padded(self, seqs)
        return _list2padded(self, seqs)
