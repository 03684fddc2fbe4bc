"""Attention of each sequence to itself, with any number of heads, and rotary positions."""

# The array types describe what callers do with arrays, not everything that array code can do.
# mypy: disable-error-code="index,call-overload,operator"

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Iterator, Optional, Tuple

import numpy

from .. import checks
from ._base import Base
from ._out import takes_out

if TYPE_CHECKING:
    from ...types import Floats1d, Floats2d, Ints1d


def weights_size(n_heads: int, lengths: Any) -> int:
    """How many attention weights there are: one for each pair of rows of a sequence, for each head."""
    return n_heads * int((lengths.astype("int64") ** 2).sum())


@functools.lru_cache(maxsize=32)
def rotary_turns(steps: int, D: int, base: float, dtype: str) -> Any:
    """(steps, D) on the host: the cosines of the angles of each step, then the sines. Read-only, as it is shared."""
    angles = numpy.arange(steps)[:, None] * base ** (-numpy.arange(D // 2) * 2.0 / max(D, 1))
    turns = numpy.concatenate([numpy.cos(angles), numpy.sin(angles)], axis=1).astype(dtype)
    turns.flags.writeable = False
    return turns


class Attention(Base):
    @takes_out()
    def attention(
        self,
        QKV: Floats2d,
        lengths: Ints1d,
        n_heads: int,
        *,
        causal: bool = False,
        mask: Optional[Floats1d] = None,
        keep: bool = True,
        out: Optional[Tuple[Optional[Floats2d], Optional[Floats1d]]] = None,
    ) -> Tuple[Floats2d, Optional[Floats1d]]:
        """Y = softmax(Q K^T / sqrt(D)) V for each head of each sequence, D = O / n_heads.

        QKV: (T, 3 O): queries, keys, values side by side, each with the D columns of the first head first.
        lengths: (B,) rows per sequence, sums to T, zeros allowed.  n_heads: divides O.
        causal: a row attends to itself and to the rows before it only.
        mask: (n_heads * sum(lengths ** 2),) what the weights are multiplied with, in their order; None: ones.
        keep: return the weights too, which the gradient needs.
        RETURNS: Y (T, O) in QKV's dtype; the weights before the mask, for each sequence, for each head, a row for each
            query: (n_heads * sum(lengths ** 2),), or None without keep.
        RAISES: ValueError when a rank, a width, the mask or a length does not fit; IndexError when the lengths do not
            sum to T.
        NUMERICS: shifted by the maximum of each row of scores; sums in the backend's own order.
        SOURCE: Vaswani et al. 2017, arXiv:1706.03762, section 3.2.
        """
        host = self._attention_args("attention", QKV, lengths, n_heads, mask=mask)
        causal, keep = checks.flag("attention", "causal", causal), checks.flag("attention", "keep", keep)
        wide = self._wide(QKV)
        Y = self.xp.zeros((wide.shape[0], wide.shape[1] // 3), dtype=wide.dtype)
        weights = self.xp.zeros((weights_size(n_heads, host),), dtype=wide.dtype)
        for (Q, K, V), y, at, square in self._heads(wide, Y, host, n_heads):
            scores = Q @ K.T / numpy.sqrt(Q.shape[1])
            if causal:
                scores = self.xp.where(self.xp.tri(len(Q), dtype=bool), scores, -numpy.inf)
            E = self.xp.exp(scores - scores.max(axis=1, keepdims=True))
            P = E / E.sum(axis=1, keepdims=True)
            weights[at] = P.reshape(-1)
            y[...] = (P if mask is None else P * self._wide(mask[at]).reshape(square)) @ V
        kept = weights.astype(QKV.dtype, copy=False) if keep else None
        return Y.astype(QKV.dtype, copy=False), kept

    @takes_out()
    def backprop_attention(
        self,
        dY: Floats2d,
        QKV: Floats2d,
        weights: Floats1d,
        lengths: Ints1d,
        n_heads: int,
        *,
        causal: bool = False,
        mask: Optional[Floats1d] = None,
        out: Optional[Floats2d] = None,
    ) -> Floats2d:
        """The gradient of QKV from that of Y.

        dY: (T, O).  weights: what attention returned.  QKV, lengths, n_heads, causal, mask: what it was given.
        RETURNS: (T, 3 O) in dY's dtype.
        RAISES: ValueError and IndexError as in attention, or when dY or the weights do not fit.
        """
        op = "backprop_attention"
        host = self._attention_args(op, QKV, lengths, n_heads, mask=mask, weights=weights)
        causal = checks.flag(op, "causal", causal)
        self._arrays(op, dY=dY)
        checks.shape(op, "dY", dY, (QKV.shape[0], QKV.shape[1] // 3))
        checks.floats(op, "dY", dY)
        wide, dy = self._wide(QKV), self._wide(dY)
        dQKV = self.xp.zeros(wide.shape, dtype=dy.dtype)
        gradients = (triple for triple, *_ in self._heads(dQKV, dy, host, n_heads))
        for ((Q, K, V), d, at, square), (dQ, dK, dV) in zip(self._heads(wide, dy, host, n_heads), gradients):
            P = self._wide(weights[at]).reshape(square)
            P = self.xp.where(self.xp.tri(len(P), dtype=bool), P, P.dtype.type(0)) if causal else P
            dP, dropped = d @ V.T, P
            if mask is not None:
                factor = self._wide(mask[at]).reshape(square)
                dP, dropped = dP * factor, P * factor
            dS = P * (dP - (P * dP).sum(axis=1, keepdims=True)) / numpy.sqrt(Q.shape[1])
            dQ[...], dK[...], dV[...] = dS @ K, dS.T @ Q, dropped.T @ d
        return dQKV.astype(dY.dtype, copy=False)

    def _attention_args(self, op: str, QKV: Any, lengths: Any, n_heads: Any, **squares: Any) -> Any:
        """Check what both directions take; the lengths as int64 on the host."""
        self._arrays(op, QKV=QKV)
        checks.ndim(op, "QKV", QKV, 2)
        checks.floats(op, "QKV", QKV)
        checks.at_least(op, "n_heads", n_heads, 1)
        if QKV.shape[1] % (3 * n_heads):
            got = f"got {QKV.shape[1]} and {n_heads}"
            raise checks.ShapeError(f"{op}: the width of QKV must be a multiple of 3 * n_heads; {got}")
        host = self._host(op, "lengths", lengths)
        checks.lengths(op, host, QKV.shape[0])
        for name, value in squares.items():
            if value is not None:
                self._arrays(op, **{name: value})
                checks.shape(op, name, value, (weights_size(n_heads, host),))
                checks.floats(op, name, value)
        return host

    def _heads(self, QKV: Any, Y: Any, host: Any, n_heads: int) -> Iterator[Tuple[Tuple[Any, Any, Any], Any, Any, Any]]:
        """For each head of each sequence: views of its Q, K, V and Y, where its weights are, and their shape."""
        O, row, at = Y.shape[1], 0, 0  # noqa: E741
        D = O // n_heads
        for L in host.tolist():
            for left in range(0, O, D) if L and D else ():
                q, k, v = (QKV[row : row + L, part + left : part + left + D] for part in (0, O, 2 * O))
                yield (q, k, v), Y[row : row + L, left : left + D], slice(at, at + L * L), (L, L)
                at += L * L
            row += L

    @takes_out()
    def rotary(
        self,
        X: Floats2d,
        lengths: Ints1d,
        n_heads: int,
        D: int,
        *,
        base: float = 10000.0,
        inplace: bool = False,
        out: Optional[Floats2d] = None,
    ) -> Floats2d:
        """Turn column j < D / 2 of a head and column j + D / 2 by the angle t * base ** (-2 j / D), t the step.

        X: (T, I).  lengths: (B,) rows per sequence, sums to T; steps count from 0 in each.
        n_heads, D: the first n_heads * D columns are turned, D at a time; the others stay what they are.  D is even.
        base: how much slower each pair turns than the one before.
        RETURNS: (T, I) in X's dtype; the same object as X if inplace.
        RAISES: ValueError when D is odd or X too narrow; ValueError and IndexError as in reduce_sum.
        SOURCE: Su et al. 2021, arXiv:2104.09864, with the pairs half a head apart.
        """
        return self._turned("rotary", "X", X, lengths, n_heads, D, base, inplace, 1)

    @takes_out()
    def backprop_rotary(
        self,
        dY: Floats2d,
        lengths: Ints1d,
        n_heads: int,
        D: int,
        *,
        base: float = 10000.0,
        inplace: bool = False,
        out: Optional[Floats2d] = None,
    ) -> Floats2d:
        """Turn back by the same angles.

        dY: (T, I).  lengths, n_heads, D, base: as given to rotary.
        RETURNS: (T, I) in dY's dtype; the same object as dY if inplace.
        RAISES: as rotary.
        """
        return self._turned("backprop_rotary", "dY", dY, lengths, n_heads, D, base, inplace, -1)

    def _turned(
        self, op: str, name: str, X: Any, lengths: Any, n: Any, D: Any, base: Any, inplace: Any, to: int
    ) -> Any:
        self._arrays(op, **{name: X})
        checks.ndim(op, name, X, 2)
        checks.floats(op, name, X)
        checks.at_least(op, "n_heads", n, 0)
        checks.at_least(op, "D", D, 0)
        if D % 2 or max(n, D, n * D) > X.shape[1]:
            got = f"got {n} heads of {D}"
            raise checks.ShapeError(f"{op}: D must be even and {name} (width {X.shape[1]}) hold all heads; {got}")
        host = self._host(op, "lengths", lengths)
        checks.lengths(op, host, X.shape[0])
        base = checks.number(op, "base", base)
        x = self._wide(X)
        turns = self.xp.asarray(rotary_turns(int(host.max(initial=0)), D, base, x.dtype.str))
        steps = numpy.concatenate([numpy.arange(L) for L in host.tolist()] or [numpy.zeros(0, dtype="int64")])
        turns = turns[self.xp.asarray(steps)][:, None]
        cos, sin = turns[..., : D // 2], turns[..., D // 2 :]
        Y = x.copy()
        heads, turned = (each[:, : n * D].reshape(len(x), n, D) for each in (x, Y))
        a, b = heads[..., : D // 2], heads[..., D // 2 :]
        turned[..., : D // 2], turned[..., D // 2 :] = a * cos - to * b * sin, b * cos + to * a * sin
        Y[:, : n * D] = turned.reshape(len(x), n * D)
        return self._result(op, Y, X, inplace)
