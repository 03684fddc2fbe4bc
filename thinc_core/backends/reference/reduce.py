"""Reductions of ragged sequences: T rows laid end to end, with the length of each of the B sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional, Tuple

import numpy

from .. import checks
from ._base import Base
from ._out import takes_out

if TYPE_CHECKING:
    from ...types import Floats2d, Ints1d, Ints2d


class Reduce(Base):
    def _ragged(self, op: str, X: Any, lengths: Any, minimum: int = 0, name: str = "X") -> Any:
        """Check X (T, O) with its lengths; the lengths as int64 on the host."""
        self._arrays(op, **{name: X})
        checks.ndim(op, name, X, 2)
        host = self._host(op, "lengths", lengths)
        checks.lengths(op, host, X.shape[0], minimum)
        return host

    def _spread(self, op: str, name: str, d: Any, lengths: Any, minimum: int = 0) -> Any:
        """Check a gradient d (B, O) with its lengths; the lengths as int64 on the host."""
        self._arrays(op, **{name: d})
        checks.ndim(op, name, d, 2)
        host = self._host(op, "lengths", lengths)
        checks.lengths(op, host, None, minimum)
        if len(host) != d.shape[0]:
            raise checks.ShapeError(
                f"{op}: {name} must have one row per length; got {d.shape[0]} rows and {len(host)} lengths"
            )
        return host

    def _sums(self, X: Any, host: Any) -> Any:
        sums = self.xp.zeros((len(host), X.shape[1]), dtype=X.dtype)
        self.xp.add.at(sums, self._owners(host), X)
        return sums

    @takes_out()
    def reduce_sum(self, X: Floats2d, lengths: Ints1d, *, out: Optional[Floats2d] = None) -> Floats2d:
        """Sum of the rows of each sequence; a zero row for an empty one.

        X: (T, O).  lengths: (B,) rows per sequence, any integers, sums to T.
        RETURNS: (B, O) in X's dtype.
        RAISES: ValueError for a negative length; IndexError when the lengths do not sum to T.
        NUMERICS: rows are added in order, in X's dtype.
        """
        host = self._ragged("reduce_sum", X, lengths)
        return self._sums(self._wide(X), host).astype(X.dtype, copy=False)

    @takes_out()
    def backprop_reduce_sum(self, d_sums: Floats2d, lengths: Ints1d, *, out: Optional[Floats2d] = None) -> Floats2d:
        """dX repeats row b of d_sums lengths[b] times.

        d_sums: (B, O).  lengths: (B,) rows per sequence.
        RETURNS: (sum of lengths, O) in d_sums' dtype.
        RAISES: ValueError for a negative length or another number of rows than lengths.
        NUMERICS: exact.
        """
        host = self._spread("backprop_reduce_sum", "d_sums", d_sums, lengths)
        return d_sums[self._owners(host)]

    @takes_out()
    def reduce_mean(self, X: Floats2d, lengths: Ints1d, *, out: Optional[Floats2d] = None) -> Floats2d:
        """Mean of the rows of each sequence; a zero row for an empty one.

        X: (T, O).  lengths: (B,) rows per sequence, any integers, sums to T.
        RETURNS: (B, O) in X's dtype.
        RAISES: ValueError for a negative length; IndexError when the lengths do not sum to T.
        """
        host = self._ragged("reduce_mean", X, lengths)
        x = self._wide(X)
        return (self._sums(x, host) / self._divisors(host, x.dtype)).astype(X.dtype, copy=False)

    @takes_out()
    def backprop_reduce_mean(self, d_means: Floats2d, lengths: Ints1d, *, out: Optional[Floats2d] = None) -> Floats2d:
        """dX repeats row b of d_means / lengths[b] lengths[b] times.

        d_means: (B, O).  lengths: (B,) rows per sequence.
        RETURNS: (sum of lengths, O) in d_means' dtype.
        RAISES: ValueError for a negative length or another number of rows than lengths.
        """
        host = self._spread("backprop_reduce_mean", "d_means", d_means, lengths)
        d = self._wide(d_means)
        return (d / self._divisors(host, d.dtype))[self._owners(host)].astype(d_means.dtype, copy=False)

    def _divisors(self, host: Any, dtype: Any) -> Any:
        """(B, 1) lengths as floats, 1 in place of 0."""
        return self.xp.asarray(numpy.maximum(host, 1)[:, None].astype(dtype if dtype.kind == "f" else "float64"))

    @takes_out()
    def reduce_max(
        self, X: Floats2d, lengths: Ints1d, *, out: Optional[Tuple[Optional[Floats2d], Optional[Ints2d]]] = None
    ) -> Tuple[Floats2d, Ints2d]:
        """Largest value of each column in each sequence, and the row of the sequence it is in.

        X: (T, O).  lengths: (B,) rows per sequence, each >= 1, sums to T.
        RETURNS: maxes (B, O) in X's dtype; which (B, O) int32, counted from the start of the sequence.
        RAISES: ValueError for a length below 1; IndexError when the lengths do not sum to T.
        NUMERICS: exact; the first row wins a tie; the first NaN wins over everything, as in argmax.
        """
        host = self._ragged("reduce_max", X, lengths, minimum=1)
        starts = numpy.cumsum(host) - host
        which = self.xp.zeros((len(host), X.shape[1]), dtype="int32")
        for b, (start, n) in enumerate(zip(starts, host)):
            which[b] = X[start : start + n].argmax(axis=0)
        rows = self.xp.asarray(starts)[:, None] + which
        return X[rows, self.xp.arange(X.shape[1])], which

    @takes_out()
    def backprop_reduce_max(
        self, d_maxes: Floats2d, which: Ints2d, lengths: Ints1d, *, out: Optional[Floats2d] = None
    ) -> Floats2d:
        """dX is d_maxes at the winning rows and 0 elsewhere.

        d_maxes, which: (B, O), which as reduce_max returned it.  lengths: (B,) rows per sequence, each >= 1.
        RETURNS: (sum of lengths, O) in d_maxes' dtype.
        RAISES: ValueError for a length below 1 or shapes that differ; IndexError when which is outside its sequence.
        NUMERICS: exact.
        """
        op = "backprop_reduce_max"
        host = self._spread(op, "d_maxes", d_maxes, lengths, minimum=1)
        self._arrays(op, which=which)
        checks.same_shape(op, "d_maxes and which", d_maxes, which)
        checks.integers(op, "which", which)
        checks.which_in_lengths(op, which, self.xp.asarray(host))
        dX = self.xp.zeros((int(host.sum()), d_maxes.shape[1]), dtype=d_maxes.dtype)
        starts = self.xp.asarray(numpy.cumsum(host) - host)
        dX[starts[:, None] + which.astype("int64"), self.xp.arange(d_maxes.shape[1])] = d_maxes
        return dX

    @takes_out()
    def reduce_first(
        self, X: Floats2d, lengths: Ints1d, *, out: Optional[Tuple[Optional[Floats2d], Optional[Ints1d]]] = None
    ) -> Tuple[Floats2d, Ints1d]:
        """First row of each sequence.

        X: (T, O).  lengths: (B,) rows per sequence, each >= 1, sums to T.
        RETURNS: firsts (B, O) in X's dtype; starts_ends (B + 1,) int32, or lengths itself when B is 0.
        RAISES: ValueError for a length below 1; IndexError when the lengths do not sum to T.
        NUMERICS: exact.
        """
        host = self._ragged("reduce_first", X, lengths, minimum=1)
        if len(host) == 0:
            return self.xp.zeros((0, X.shape[1]), dtype=X.dtype), lengths
        starts_ends = self.xp.asarray(numpy.append(0, numpy.cumsum(host)).astype("int32"))
        return X[starts_ends[:-1]], starts_ends

    @takes_out()
    def backprop_reduce_first(
        self, d_firsts: Floats2d, starts_ends: Ints1d, *, out: Optional[Floats2d] = None
    ) -> Floats2d:
        """dX is d_firsts at the first row of each sequence and 0 elsewhere.

        d_firsts: (B, O).  starts_ends: (B + 1,), what reduce_first returned; size 0 when B is 0.
        RETURNS: (starts_ends[-1], O) in d_firsts' dtype.
        RAISES: ValueError when starts_ends has size 1, does not increase or does not fit d_firsts.
        NUMERICS: exact.
        """
        op = "backprop_reduce_first"
        bounds = self._bounds(op, "d_firsts", d_firsts, "starts_ends", starts_ends)
        if bounds.size == 1:
            raise checks.ShapeError(f"{op}: starts_ends must have size 0 or at least 2; got size 1")
        rows = None if bounds.size == 0 else bounds[:-1]
        return self._at_rows(op, "d_firsts", d_firsts, rows, int(bounds[-1]) if bounds.size else 0)

    @takes_out()
    def reduce_last(
        self, X: Floats2d, lengths: Ints1d, *, out: Optional[Tuple[Optional[Floats2d], Optional[Ints1d]]] = None
    ) -> Tuple[Floats2d, Ints1d]:
        """Last row of each sequence.

        X: (T, O).  lengths: (B,) rows per sequence, each >= 1, sums to T.
        RETURNS: lasts (B, O) in X's dtype; their rows (B,) int64, or lengths itself when B is 0.
        RAISES: ValueError for a length below 1; IndexError when the lengths do not sum to T.
        NUMERICS: exact.
        """
        host = self._ragged("reduce_last", X, lengths, minimum=1)
        if len(host) == 0:
            return self.xp.zeros((0, X.shape[1]), dtype=X.dtype), lengths
        lasts = self.xp.asarray(numpy.cumsum(host) - 1)
        return X[lasts], lasts

    @takes_out()
    def backprop_reduce_last(self, d_lasts: Floats2d, lasts: Ints1d, *, out: Optional[Floats2d] = None) -> Floats2d:
        """dX is d_lasts at the last row of each sequence and 0 elsewhere.

        d_lasts: (B, O).  lasts: (B,), what reduce_last returned; size 0 when B is 0.
        RETURNS: (lasts[-1] + 1, O) in d_lasts' dtype.
        RAISES: ValueError when lasts does not increase or does not fit d_lasts.
        NUMERICS: exact.
        """
        op = "backprop_reduce_last"
        rows = self._bounds(op, "d_lasts", d_lasts, "lasts", lasts)
        return self._at_rows(op, "d_lasts", d_lasts, rows if rows.size else None, int(rows[-1]) + 1 if rows.size else 0)

    def _bounds(self, op: str, name: str, d: Any, bounds_name: str, bounds: Any) -> Any:
        """Check d (B, O) and the rows it belongs to; the rows as int64 on the host."""
        self._arrays(op, **{name: d})
        checks.ndim(op, name, d, 2)
        host = self._host(op, bounds_name, bounds)
        if host.size and (host[0] < 0 or (numpy.diff(host) <= 0).any()):
            raise checks.LengthsError(f"{op}: {bounds_name} must be >= 0 and increase; got {host[:8].tolist()}")
        return host

    def _at_rows(self, op: str, name: str, d: Any, rows: Optional[Any], n_rows: int) -> Any:
        """Zeros (n_rows, O) with d (B, O) at the given rows; no rows at all when rows is None."""
        dX = self.xp.zeros((n_rows, d.shape[1]), dtype=d.dtype)
        if rows is not None:
            checks.shape(op, name, d, (len(rows), d.shape[1]))
            dX[self.xp.asarray(rows)] = d
        return dX
