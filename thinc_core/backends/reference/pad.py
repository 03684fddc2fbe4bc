"""Lists of sequences to one array and back: end to end (flatten), side by side (pad), step by step (Padded)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, List, Optional, Sequence

import numpy

from .. import checks
from ._out import takes_out
from .arrays import Arrays

if TYPE_CHECKING:
    from ...types import Array2d, Array3d, ArrayXd, DTypes, Ints1d, Padded


class Pad(Arrays):
    @takes_out()
    def flatten(
        self,
        X: Sequence[ArrayXd],
        dtype: Optional[DTypes] = None,
        pad: int = 0,
        ndim_if_empty: int = 2,
        *,
        out: Optional[ArrayXd] = None,
    ) -> ArrayXd:
        """Concatenate the members along their first axis.

        X: sequence of arrays with the same trailing shape; members without elements are left out.
        dtype: of the result; None: that of the members.  pad: zero rows before each member and after the last.
        ndim_if_empty: rank of the empty result when X has no members.
        RETURNS: (rows of all members + padding, ...).
        RAISES: ValueError when a member is no array of this backend or the trailing shapes differ.
        NUMERICS: exact.
        """
        if X is None or len(X) == 0:
            return self.xp.zeros((0,) * checks.integer("flatten", "ndim_if_empty", ndim_if_empty), dtype=dtype or "f")
        checks.arrays("flatten", "X", X, self.xp)
        kept = [x for x in X if x.size != 0]
        if not kept:
            return self.xp.zeros(X[0].shape, dtype=dtype or X[0].dtype)
        pad = checks.integer("flatten", "pad", pad)
        if pad:
            zeros = self.xp.zeros((pad,) + kept[0].shape[1:], dtype=kept[0].dtype)
            kept = [part for x in kept for part in (zeros, x)] + [zeros]
        try:
            result = self.xp.concatenate(kept)
        except ValueError:
            shapes = sorted({x.shape[1:] for x in kept})
            found = f"flatten: all members of X must have the same trailing shape; got {shapes}"
            raise checks.ShapeError(found) from None
        return result if dtype is None else self.xp.asarray(result, dtype=dtype)

    def unflatten(self, X: ArrayXd, lengths: Ints1d, pad: int = 0) -> List[ArrayXd]:
        """Cut X into pieces of the given lengths: the inverse of flatten.

        X: (T, ...).  lengths: rows per piece.  pad: zero rows that flatten put before each piece that has rows.
        RETURNS: list of views, one per length. Rows beyond the last piece are left out and pieces beyond the last row
            are short: the lengths need not sum to T.
        RAISES: ValueError for a negative length.
        """
        checks.array("unflatten", "X", X, self.xp)
        pad = checks.integer("unflatten", "pad", pad)
        host = self._lengths("unflatten", lengths)
        widths = host + pad * (host > 0)
        ends = numpy.cumsum(widths)
        return [X[end - n : end] for end, n in zip(ends.tolist(), host.tolist())]

    def _lengths(self, op: str, lengths: Any) -> Any:
        host = self._host(op, "lengths", lengths)
        checks.lengths(op, host, None)
        return host

    @takes_out()
    def pad(self, seqs: Sequence[Array2d], round_to: int = 1, *, out: Optional[Array3d] = None) -> Array3d:
        """Sequences side by side, filled up with zeros to the longest.

        seqs: at least one array, all of one rank, dtype and trailing shape.
        round_to: the longest length is rounded up to a multiple of this, >= 1.
        RETURNS: (number of sequences, padded length, ...) in their dtype.
        RAISES: ValueError when round_to < 1, seqs is empty, or ranks, dtypes or trailing shapes differ.
        NUMERICS: exact.
        """
        if checks.integer("pad", "round_to", round_to) < 1:
            raise ValueError(f"pad: Rounding for padding must at least be 1; got round_to={round_to}")
        if len(seqs) == 0:
            raise ValueError("pad: seqs must have at least one sequence; got none")
        checks.alike("pad", seqs, self.xp)
        first = seqs[0]
        longest = max(len(seq) for seq in seqs)
        longest += -longest % round_to
        padded = self.xp.zeros((len(seqs), longest) + first.shape[1:], dtype=first.dtype)
        for i, seq in enumerate(seqs):
            padded[i, : len(seq)] = seq
        return padded

    def unpad(self, padded: Array3d, lengths: List[int]) -> List[Array2d]:
        """The first lengths[i] rows of each padded[i]: the inverse of pad.

        padded: (B, L, ...).  lengths: at most B; one beyond L gives L rows.
        RETURNS: list of views, one per length.
        RAISES: IndexError when there are more lengths than sequences; ValueError for a negative length.
        """
        checks.array("unpad", "padded", padded, self.xp)
        checks.at_least("unpad", "the number of dimensions of padded", padded.ndim, 1)
        host = self._lengths("unpad", lengths)
        if len(host) > len(padded):
            raise IndexError(f"unpad: lengths must not be more than the {len(padded)} sequences; got {len(host)}")
        return [padded[i, :n] for i, n in enumerate(host.tolist())]

    def list2padded(self, seqs: List[Array2d]) -> Padded:
        """Sequences by step: data[t] holds row t of every sequence that is longer than t, the longest first.

        seqs: arrays (length, ...) of one dtype and trailing shape.
        RETURNS: Padded with data (steps, B, ...), size_at_t (steps,), lengths (B,) and indices (B,), all int32 but the
            data. Sorted by (length, position), descending: of two equal lengths the later comes first.
            indices[j] is the original position of column j. A single sequence is not copied.
        RAISES: ValueError when ranks, dtypes or trailing shapes differ.
        NUMERICS: exact.
        """
        from ...types import Padded

        if len(seqs) == 0:
            empty = self.xp.zeros((0,), dtype="int32")
            return Padded(self.alloc((0, 0, 0)), empty, empty.copy(), empty.copy())
        checks.alike("list2padded", seqs, self.xp)
        lengths = numpy.fromiter(map(len, seqs), "int32", len(seqs))
        order = numpy.lexsort((numpy.arange(len(seqs)), lengths))[::-1]
        lengths = lengths[order]
        size_at_t = numpy.searchsorted(-lengths, -numpy.arange(lengths[0]))  # how many are longer than t
        indices = map(self._known, (size_at_t, lengths, order))
        return Padded(self._by_step(seqs, order.tolist()), *indices)

    def _by_step(self, seqs: List[Any], order: List[int]) -> Any:
        """(steps, B, ...): sequence order[j] in column j, zeros below its end."""
        first = seqs[order[0]]
        if len(seqs) == 1:
            return first.reshape((len(first), 1) + first.shape[1:])
        data = self.xp.zeros((len(first), len(seqs)) + first.shape[1:], dtype=first.dtype)
        for column, i in enumerate(order):
            data[: len(seqs[i]), column] = seqs[i]
        return data

    def padded2list(self, padded: Padded) -> List[Array2d]:
        """The sequences of a Padded in their original order: the inverse of list2padded.

        padded: as list2padded returned it.
        RETURNS: list of (length, ...) arrays, views of one copy.
        """
        checks.padded("padded2list", padded, self.xp)
        host = self._lengths("padded2list", padded.lengths)
        indices = self._host("padded2list", "indices", padded.indices)
        by_sequence = self.as_contig(self.xp.moveaxis(padded.data, 1, 0))
        seqs: List[Any] = [None] * len(host)
        for column, (i, n) in enumerate(zip(indices.tolist(), host.tolist())):
            seqs[i] = by_sequence[column, :n]
        return seqs
