"""Scores of bags of hashed keys: a linear layer whose input is too wide to be stored, and nearly all zeros."""

# The array types describe what callers do with arrays, not everything that array code can do.
# mypy: disable-error-code="index,arg-type,call-overload"

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

from .. import checks
from ._lines import check_marks, mark_places
from ._out import takes_out
from .gather import Gather
from .hash import LOW_32, _u64
from .reduce import Reduce

if TYPE_CHECKING:
    from ...types import Floats1d, Floats2d, Ints1d


class Sparse(Reduce, Gather):
    @takes_out()
    def sparse_affine(
        self,
        keys: Ints1d,
        values: Floats1d,
        lengths: Ints1d,
        W: Floats1d,
        b: Floats1d,
        v1_indexing: bool = False,
        *,
        out: Optional[Floats2d] = None,
    ) -> Floats2d:
        """Y[s, o] = b[o] + sum over the keys k of bag s of values[k] * (W[o * L + h(k, 0)] + W[o * L + h(k, 1)]).

        keys: (K,) integers, hashed as uint64.  values: (K,).  lengths: (B,) keys per bag, sums to K.
        W: (O * L,) with 1 <= L < 2^31.  b: (O,).  h(k, seed): MurmurHash3_x86_32 of the key's 8 bytes, modulo L.
        v1_indexing: how older models look weights up: W[h + o] with h taken & (L - 1), so that outputs share weights.
        RETURNS: (B, O) in W's dtype.
        RAISES: ValueError when shapes or dtypes differ, a length is negative or W has no L; IndexError when the lengths
            do not sum to K.
        NUMERICS: summed in the order of the keys, b first or last.
        SOURCE: Weinberger et al. 2009, arXiv:0902.2206, without signs; Appleby, MurmurHash3 (public domain).
        """
        host = self._bags("sparse_affine", keys, values, lengths, W, b)
        w, x = self._wide(W), self._wide(values)
        terms = x[:, None] * w[self._slots("sparse_affine", keys, W, b, v1_indexing)].sum(axis=1)
        return (self.reduce_sum(terms, host) + self._wide(b)).astype(W.dtype, copy=False)

    @takes_out(like="values", changes=("dW", "db"))
    def backprop_sparse_affine(
        self,
        dY: Floats2d,
        keys: Ints1d,
        values: Floats1d,
        lengths: Ints1d,
        W: Floats1d,
        dW: Floats1d,
        db: Floats1d,
        v1_indexing: bool = False,
        *,
        touched: Optional[Ints1d] = None,
        out: Optional[Floats1d] = None,
    ) -> Floats1d:
        """The gradient of values; those of W and b are added to their buffers, of dW only what the keys chose.

        dY: (B, O).  keys, values, lengths, W, v1_indexing: what sparse_affine was given.
        dW: (O * L,), db: (O,) gradient buffers, added to in place.
        touched: marks of dW as apply_gradients takes them; those of weights that keys chose are set.
        RETURNS: (K,) in dY's dtype.
        RAISES: as sparse_affine, and ValueError when a buffer is read-only.
        """
        op = "backprop_sparse_affine"
        self._arrays(op, dY=dY, dW=dW)
        host = self._bags(op, keys, values, lengths, W, db, "db")
        checks.same_shape(op, "W and dW", W, dW)
        checks.same_dtype(op, "W and dW", W, dW)
        checks.writable(op, "dW", dW)
        checks.writable(op, "db", db)
        checks.apart(op, "dW", dW, db=db, dY=dY, keys=keys, values=values, W=W)
        checks.apart(op, "db", db, dY=dY, keys=keys, values=values, W=W)
        checks.shape(op, "dY", dY, (len(host), len(db)))
        checks.same_dtype(op, "dY and values", dY, values)
        check_marks(op, "touched", touched, dW, self.xp)
        slots = self._slots(op, keys, W, db, v1_indexing)
        if touched is not None:
            mark_places(self.xp, touched, slots)
        dy = self._wide(dY)[self._owners(host)]
        self.scatter_add(dW, slots, (self._wide(values)[:, None] * dy)[:, None, :])
        db += dY.sum(axis=0)
        return (dy * self._wide(W)[slots].sum(axis=1)).sum(axis=1).astype(dY.dtype, copy=False)

    def _bags(self, op: str, keys: Any, values: Any, lengths: Any, W: Any, b: Any, name: str = "b") -> Any:
        """Check what both ops are given; the lengths as int64 on the host. name: of the last array."""
        self._keys(op, "keys", keys)
        self._arrays(op, values=values, W=W, **{name: b})
        for each, array in (("values", values), ("W", W), (name, b)):
            checks.ndim(op, each, array, 1)
            checks.floats(op, each, array)
        checks.same_dtype(op, f"values, W and {name}", values, W, b)
        checks.shape(op, "values", values, keys.shape)
        checks.at_least(op, f"the number of values of {name}", b.shape[0], 1)
        L, rest = divmod(W.shape[0], b.shape[0])
        if rest or not 1 <= L < 2**31:
            raise checks.ShapeError(
                f"{op}: W must have as many weights for each of the {b.shape[0]} outputs, from 1 to 2^31 - 1; "
                f"got {W.shape[0]}"
            )
        host = self._host(op, "lengths", lengths)
        checks.lengths(op, host, keys.shape[0])
        return host

    def _slots(self, op: str, keys: Any, W: Any, b: Any, v1_indexing: bool) -> Any:
        """(K, 2, O) places in W."""
        O, L = b.shape[0], W.shape[0] // b.shape[0]  # noqa: E741
        hashes = self.xp.stack([self._hash_word(keys.astype("uint64"), seed) for seed in (0, 1)], axis=1)
        if checks.flag(op, "v1_indexing", v1_indexing):
            first, step = hashes & _u64(L - 1), 1
        else:
            first, step = hashes % _u64(L), L
        return first.astype("int64")[:, :, None] + self.xp.arange(O) * step

    def _hash_word(self, keys: Any, seed: int) -> Any:
        """MurmurHash3_x86_32 of 8 little-endian bytes, in 64-bit words of which the low halves count."""
        h = self.xp.full_like(keys, _u64(seed))
        for half in (keys & _u64(LOW_32), keys >> _u64(32)):
            k = self._rotated(half * _u64(0xCC9E2D51), 15) * _u64(0x1B873593)
            h = self._rotated((h ^ k) & _u64(LOW_32), 13) * _u64(5) + _u64(0xE6546B64)
        h = (h ^ _u64(8)) & _u64(LOW_32)
        for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
            h = ((h ^ (h >> _u64(shift))) * _u64(factor)) & _u64(LOW_32)
        return h ^ (h >> _u64(16))

    def _rotated(self, words: Any, bits: int) -> Any:
        low = words & _u64(LOW_32)
        return (low << _u64(bits)) | (low >> _u64(32 - bits))
