"""Window features: each row beside its neighbours, and their gradients."""

from __future__ import annotations

from ..ops import Ops
from ._arrays import LANES, contig, count, fits, suffix, target
from ._base import CudaOps
from ._ragged import starts_of

STEM = "seq2col"


def _windows(ops, op, kind, X, widths, nW, lengths, out, more=()):
    """Launch the kernel, which reads X and writes rows of another width. widths: of the result and of one row.
    more: what else it reads, arrays of the result's shape or None.

    RETURNS: the result; None when out or the lengths do not fit.
    """
    x, shape = contig(ops, X), (len(X), widths[0])
    given = [None if each is None else contig(ops, each) for each in more]
    if not fits(ops, out, shape, X.dtype, x, *filter(lambda each: each is not None, given)):
        return None
    starts = None if lengths is None else starts_of(ops, op, lengths, len(X))
    if lengths is not None and starts is None:
        return None
    Y = target(ops, out, shape, X.dtype)
    if len(X) and widths[1]:
        B = 1 if starts is None else len(starts) - 1
        work = len(X) * -(-widths[1] // LANES[kind])
        ops._device().launch(STEM, f"{op}_{kind}", work, Y, x, *given, starts, B, len(X), widths[1], nW)
    return Y


class CudaSeq2col(CudaOps):
    """Windows over the rows of sequences."""

    def seq2col(self, seq, nW, *, lengths=None, out=None):
        kind, result = suffix(self, seq), None
        if kind is not None and seq.ndim == 2 and count(nW) is not None:
            widths = (2 * nW + 1) * seq.shape[1], seq.shape[1]
            result = _windows(self, "seq2col", kind, seq, widths, nW, lengths, out)
        return Ops.seq2col(self, seq, nW, lengths=lengths, out=out) if result is None else result

    def backprop_seq2col(self, dY, nW, *, lengths=None, plus=None, out=None):
        kind, result = suffix(self, *((dY,) if plus is None else (dY, plus))), None
        if kind is not None and dY.ndim == 2 and count(nW) is not None and dY.shape[1] % (2 * nW + 1) == 0:
            width = dY.shape[1] // (2 * nW + 1)
            if plus is None or plus.shape == (len(dY), width):
                more = (plus,)
                result = _windows(self, "backprop_seq2col", kind, dY, (width, width), nW, lengths, out, more)
        if result is None:
            return Ops.backprop_seq2col(self, dY, nW, lengths=lengths, plus=plus, out=out)
        return result
