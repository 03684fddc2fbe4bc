"""Hashes of ids and n-grams, bit for bit the same on every backend, and position codes."""

# The array types describe what callers do with arrays, not everything that array code can do.
# mypy: disable-error-code="index"

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

import numpy

from .. import checks
from ._base import Base
from ._out import takes_out

if TYPE_CHECKING:
    from ...types import Floats2d, Ints1d, Ints2d

LOW_32 = 0xFFFFFFFF


def _u64(value: int) -> Any:
    return numpy.uint64(int(value) & 0xFFFFFFFFFFFFFFFF)


def _fmix(x: Any) -> Any:
    """Final mix of MurmurHash3: every input bit reaches every output bit."""
    x = (x ^ (x >> _u64(33))) * _u64(0xFF51AFD7ED558CCD)
    x = (x ^ (x >> _u64(33))) * _u64(0xC4CEB9FE1A85EC53)
    return x ^ (x >> _u64(33))


class Hash(Base):
    def _keys(self, op: str, name: str, values: Any) -> Any:
        """Integer ids as uint64; a negative id becomes its two's complement."""
        self._arrays(op, **{name: values})
        checks.ndim(op, name, values, 1)
        checks.integers(op, name, values)
        return values.astype("uint64")

    @takes_out()
    def hash(self, ids: Ints1d, seed: int, *, out: Optional[Ints2d] = None) -> Ints2d:
        """Four 32-bit hashes of each id: MurmurHash3_x64_128 of its 8 little-endian bytes.

        ids: (N,) integers, hashed as uint64.  seed: in [0, 2^32).
        RETURNS: (N, 4) uint32: low and high half of the first word, then of the second.
        RAISES: OverflowError when seed is out of range; ValueError when ids has another rank or kind.
        NUMERICS: exact.
        SOURCE: Appleby, MurmurHash3 (public domain).
        """
        keys = self._keys("hash", "ids", ids)
        checks.seed("hash", seed)
        k = keys * _u64(0x87C37B91114253D5)
        k = (k << _u64(31)) | (k >> _u64(33))
        h1 = (k * _u64(0x4CF5AD432745937F)) ^ _u64(seed ^ 8)
        h2 = self.xp.full_like(h1, _u64(seed ^ 8))
        h1 = h1 + h2
        h2 = h2 + h1
        h1, h2 = _fmix(h1), _fmix(h2)
        h1 = h1 + h2
        h2 = h2 + h1
        words = [h1 & _u64(LOW_32), h1 >> _u64(32), h2 & _u64(LOW_32), h2 >> _u64(32)]
        return self.xp.stack(words, axis=1).astype("uint32")

    @takes_out()
    def ngrams(self, n: int, keys: Ints1d, *, out: Optional[Ints1d] = None) -> Ints1d:
        """One 64-bit hash for each run of n keys: MurmurHash64A of their 8 n bytes, seed 0.

        n: keys per n-gram; below 1 there are none.  keys: (N,) integers, hashed as uint64.
        RETURNS: (max(0, N - n + 1),) uint64.
        RAISES: ValueError when keys has another rank or kind.
        NUMERICS: exact.
        SOURCE: Appleby, MurmurHash2 (public domain).
        """
        keys = self._keys("ngrams", "keys", keys)
        n = checks.integer("ngrams", "n", n)
        length = max(0, len(keys) - n + 1) if n >= 1 else 0
        m, r = _u64(0xC6A4A7935BD1E995), _u64(47)
        h = self.xp.full((length,), _u64(8 * max(n, 0) * int(m)), dtype="uint64")
        for i in range(n if length else 0):
            k = keys[i : i + length] * m
            h = (h ^ ((k ^ (k >> r)) * m)) * m
        h = (h ^ (h >> r)) * m
        return h ^ (h >> r)

    def position_encode(self, N: int, D: int, period: int = 10000, out: Optional[Floats2d] = None) -> Floats2d:
        """Sine and cosine codes of positions: columns j, j + 1 (j even) are sin and cos of i / period^(2 j / D).

        N: positions.  D: width; when odd, the last column is the sine at the frequency of the pair before it.
        period: base of the frequencies.  out: (N, D) float array to write into; None: a new float32 array.
        RETURNS: (N, D); the same object as out if given.
        RAISES: ValueError when out has another shape or no float dtype.
        NUMERICS: computed in float64, rounded once. The exponent 2 j / D is the one of existing models, not the j / D
            of the paper.
        SOURCE: Vaswani et al. 2017, arXiv:1706.03762, section 3.5.
        """
        N, D = checks.integer("position_encode", "N", N), checks.integer("position_encode", "D", D)
        if out is not None:
            self._arrays("position_encode", out=out)
            checks.out("position_encode", "out", out, self.xp, (N, D), None)
        columns = self.xp.arange(D)
        angles = (
            self.xp.arange(N)[:, None]
            / self.xp.repeat(self._periods(D, checks.number("position_encode", "period", period)), 2)[:D]
        )
        codes = self.xp.where(columns % 2 == 0, self.xp.sin(angles), self.xp.cos(angles))
        if out is None:
            return codes.astype("float32")
        out[...] = codes
        return out

    def _periods(self, D: int, period: float) -> Any:
        """What positions are divided by in each pair of columns, as float64."""
        pairs = 2 * self.xp.arange((D + 1) // 2)
        if D % 2 and D > 1:
            pairs[-1] -= 2
        return float(period) ** (2.0 * pairs / max(D, 1))
