"""Window features: each row beside its neighbours, without crossing the borders of its sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterator, Optional, Tuple

import numpy

from .. import checks
from ._base import Base
from ._out import takes_out

if TYPE_CHECKING:
    from ...types import Floats2d, Ints1d


class Seq2col(Base):
    def _windows(self, op: str, n_rows: int, nW: int, lengths: Any) -> Iterator[Tuple[int, slice, slice, Any]]:
        """For each of the 2 nW + 1 offsets: its number, the rows, their neighbours, and which pairs share a sequence.

        Rows b of sequences AAABB with nW = 1:   offset 0: neighbours b-1   offset 1: b   offset 2: b+1
        """
        host = numpy.array([n_rows]) if lengths is None else self._host(op, "lengths", lengths)
        checks.lengths(op, host, n_rows)
        owners = self._owners(host)
        for w in range(max(0, nW - n_rows + 1), min(2 * nW + 1, n_rows + nW)):  # the others reach no row
            low, high = max(0, nW - w), min(n_rows, n_rows + nW - w)
            rows, neighbours = slice(low, high), slice(low + w - nW, high + w - nW)
            yield w, rows, neighbours, (owners[rows] == owners[neighbours])[:, None]

    @takes_out()
    def seq2col(
        self, seq: Floats2d, nW: int, *, lengths: Optional[Ints1d] = None, out: Optional[Floats2d] = None
    ) -> Floats2d:
        """Row b becomes the rows b - nW ... b + nW side by side, zeros where they belong to another sequence.

        seq: (T, I).  nW: rows on each side, >= 0.
        lengths: (B,) rows per sequence, sums to T, zeros allowed; None: a single sequence.
        RETURNS: (T, (2 nW + 1) * I) in seq's dtype.
        RAISES: ValueError when nW or a length is negative; IndexError when the lengths do not sum to T.
        NUMERICS: exact.
        """
        self._arrays("seq2col", seq=seq)
        checks.ndim("seq2col", "seq", seq, 2)
        checks.at_least("seq2col", "nW", nW, 0)
        T, I = seq.shape  # noqa: E741
        cols = self.xp.zeros((T, 2 * nW + 1, I), dtype=seq.dtype)
        for w, rows, neighbours, same in self._windows("seq2col", T, nW, lengths):
            cols[rows, w] = self.xp.where(same, seq[neighbours], seq.dtype.type(0))
        return cols.reshape(T, (2 * nW + 1) * I)

    @takes_out()
    def backprop_seq2col(
        self,
        dY: Floats2d,
        nW: int,
        *,
        lengths: Optional[Ints1d] = None,
        plus: Optional[Floats2d] = None,
        out: Optional[Floats2d] = None,
    ) -> Floats2d:
        """dX[j] sums the blocks of dY in which seq2col copied row j.

        dY: (T, (2 nW + 1) * I).  nW, lengths: as given to seq2col.  plus: (T, I), what is added to dX; None: nothing.
        RETURNS: (T, I) in dY's dtype.
        RAISES: ValueError when nW or a length is negative, or dY's width is no multiple of 2 nW + 1;
            IndexError when the lengths do not sum to T.
        NUMERICS: summed in dY's dtype, from the block with the lowest number.
        """
        self._arrays("backprop_seq2col", dY=dY)
        checks.ndim("backprop_seq2col", "dY", dY, 2)
        checks.at_least("backprop_seq2col", "nW", nW, 0)
        checks.divisible("backprop_seq2col", dY.shape[1], 2 * nW + 1)
        T, I = dY.shape[0], dY.shape[1] // (2 * nW + 1)  # noqa: E741
        d_cols = self._wide(dY).reshape(T, 2 * nW + 1, I)
        dX = self.xp.zeros((T, I), dtype=d_cols.dtype)
        for w, rows, neighbours, same in self._windows("backprop_seq2col", T, nW, lengths):
            dX[neighbours] += self.xp.where(same, d_cols[rows, w], d_cols.dtype.type(0))
        if plus is not None:
            self._arrays("backprop_seq2col", plus=plus)
            checks.shape("backprop_seq2col", "plus", plus, (T, I))
            checks.same_dtype("backprop_seq2col", "plus and dY", plus, dY)
            dX += plus
        return dX.astype(dY.dtype, copy=False)
