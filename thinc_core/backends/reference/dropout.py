"""Dropout masks from a counter-based generator: element i depends on the seed and on i alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Optional, Tuple, Union

import numpy

from .. import checks
from ._base import Base
from ._out import takes_out

if TYPE_CHECKING:
    from ...types import FloatsXd, FloatsXdT

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)  # of Philox4x32
WEYL = (0x9E3779B9, 0xBB67AE85)  # added to the two key words after each round
LOW_32 = 0xFFFFFFFF
STEPS = 2**16  # of the probability


class Dropout(Base):
    @takes_out()
    def get_dropout_mask(
        self,
        shape: Union[int, Tuple[int, ...]],
        drop: Optional[float],
        *,
        rng: Optional[numpy.random.Generator] = None,
        out: Optional[FloatsXd] = None,
    ) -> FloatsXd:
        """Mask to multiply with: 0 with probability drop, else 1 / (1 - drop).

        shape: of the mask.  drop: probability in [0, 1]; None or <= 0 gives ones, >= 1 gives zeros.
        rng: where the seed of the mask is drawn from; None is NumPy's global generator.
        RETURNS: shape, float32.
        NUMERICS: the probability is the multiple of 2^-16 nearest to drop, so the mean differs from 1 by at most
            2^-17 / (1 - drop). The generator, Philox4x32-10, is seeded by one draw from rng; numpy.random.seed and
            fix_random_seed govern the global one. Which 16 of its bits decide about element i depends on i
            alone: the same mask on every backend, instruction set and number of threads.
        SOURCE: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
        """
        source = checks.generator("get_dropout_mask", rng)
        drop = checks.drop_rate("get_dropout_mask", drop)
        if drop <= 0:
            return self.xp.ones(shape, dtype="float32")
        if not self._drops_some(drop):
            return self.xp.zeros(shape, dtype="float32")
        seed = self._dropout_seed(source)
        mask = self.xp.empty(shape, dtype="float32")
        mask[...] = self._dropout_mask(seed, mask.shape, drop)
        return mask

    def dropout_seed(self, drop: Optional[float], *, rng: Optional[numpy.random.Generator] = None) -> int:
        """The seed of the next mask: what get_dropout_mask draws, for an op that makes its own mask with it.

        drop: probability; where nothing or everything is dropped no random number is drawn.
        rng: as in get_dropout_mask.
        RETURNS: in [0, 2^53).
        """
        source = checks.generator("dropout_seed", rng)
        drop = checks.drop_rate("dropout_seed", drop)
        return self._dropout_seed(source) if self._drops_some(drop) else 0

    @takes_out()
    def dropout(
        self, X: FloatsXdT, drop: float, seed: int, *, inplace: bool = False, out: Optional[FloatsXdT] = None
    ) -> FloatsXdT:
        """X times the mask of a seed, which is not stored: the gradient is dropout(dY, drop, seed).

        X: any shape.  drop: probability in [0, 1], as in get_dropout_mask.  seed: of dropout_seed.
        RETURNS: X's shape and dtype; the same object as X if inplace.
        RAISES: OverflowError when the seed is not in [0, 2^53).
        NUMERICS: the bits of X times what get_dropout_mask returns for this seed. Dropped infinities and NaN give NaN.
        """
        self._arrays("dropout", X=X)
        checks.floats("dropout", "X", X)
        drop, seed = checks.drop_rate("dropout", drop), checks.seed("dropout", seed, 53)
        with numpy.errstate(invalid="ignore"):
            return self._result("dropout", self._dropped(self._wide(X), drop, seed), X, inplace)

    def _dropped(self, X: Any, drop: float, seed: int) -> Any:
        """A new array: X after dropout."""
        if drop <= 0:
            return X.copy()
        return X * (self._dropout_mask(seed, X.shape, drop) if self._drops_some(drop) else self.xp.float32(0))

    def _drops_some(self, drop: float) -> bool:
        return drop > 0 and round(drop * STEPS) < STEPS

    def _dropout_mask(self, seed: int, shape: Tuple[int, ...], drop: float) -> Any:
        """The mask of a seed, float32. 0 < drop < 1."""
        threshold, kept = self._dropout_values(drop)
        bits = self._dropout_bits(seed, math.prod(shape)).reshape(shape)
        return self.xp.where(bits >= threshold, kept, 0).astype("float32")

    def _dropout_values(self, drop: float) -> Tuple[int, float]:
        """The number below which 16 random bits drop an element, and what the others become. 0 < drop < 1."""
        return round(drop * STEPS), 1 / (1 - drop)

    def _dropout_seed(self, source: Any) -> int:
        """53 random bits in one draw from a generator."""
        return int(source.random() * 2**53)

    def _dropout_bits(self, seed: int, n: int) -> Any:
        """(n,) 16-bit numbers. Of 64 elements, which 8 counters serve, the first 32 take words 0 and 1: their low
        halves, counter by counter, then their high halves; the others take words 2 and 3."""
        xp = self.xp
        words = self._philox(seed, (n + 63) // 64 * 8).reshape(-1, 8, 2, 2).transpose(0, 2, 1, 3)
        halves = xp.stack([words & numpy.uint64(STEPS - 1), words >> numpy.uint64(16)], axis=2)
        return halves.reshape(-1)[:n]

    def _philox(self, seed: int, counters: int) -> Any:
        """(counters, 4) 32-bit words as uint64: Philox4x32-10 with key = seed and counter = 0, 1, 2, ..."""
        xp, low = self.xp, numpy.uint64(LOW_32)
        counter = xp.arange(counters, dtype="uint64")
        c0, c1 = counter & low, counter >> numpy.uint64(32)
        c2, c3 = xp.zeros_like(counter), xp.zeros_like(counter)
        k0, k1 = seed & LOW_32, seed >> 32
        for _ in range(10):
            p0, p1 = c0 * numpy.uint64(MULTIPLIERS[0]), c2 * numpy.uint64(MULTIPLIERS[1])
            c0, c2 = (p1 >> numpy.uint64(32)) ^ c1 ^ numpy.uint64(k0), (p0 >> numpy.uint64(32)) ^ c3 ^ numpy.uint64(k1)
            c1, c3 = p1 & low, p0 & low
            k0, k1 = (k0 + WEYL[0]) & LOW_32, (k1 + WEYL[1]) & LOW_32
        return xp.stack([c0, c1, c2, c3], axis=1)
