"""Dropout masks from a counter-based generator: element i depends on the seed and on i alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional, Tuple, Union

import numpy

from ._base import Base

if TYPE_CHECKING:
    from ...types import FloatsXd

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)  # of Philox4x32
WEYL = (0x9E3779B9, 0xBB67AE85)  # added to the two key words after each round
LOW_32 = 0xFFFFFFFF


class Dropout(Base):
    def get_dropout_mask(self, shape: Union[int, Tuple[int, ...]], drop: Optional[float]) -> FloatsXd:
        """Mask to multiply with: 0 with probability drop, else 1 / (1 - drop).

        shape: of the mask.  drop: probability in [0, 1]; None or <= 0 gives ones, >= 1 gives zeros.
        RETURNS: shape, float32.
        NUMERICS: the generator is seeded by one 64-bit draw from NumPy's global generator, so numpy.random.seed and
            fix_random_seed govern it. Element i is kept when word i % 4 of Philox4x32-10 at counter i // 4 is at least
            drop * 2^32: the same bits on every backend, instruction set and number of threads.
        SOURCE: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
        """
        if drop is None or drop <= 0:
            return self.xp.ones(shape, dtype="float32")
        if drop >= 1:
            return self.xp.zeros(shape, dtype="float32")
        mask = self.xp.empty(shape, dtype="float32")
        words = self._philox(self._dropout_seed(), mask.size)
        mask[...] = self.xp.where(words >= int(drop * 2**32), 1 / (1 - drop), 0).reshape(mask.shape)
        return mask

    def _dropout_seed(self) -> int:
        """One 64-bit draw from NumPy's global generator."""
        return int(numpy.random.randint(0, 2**64, dtype="uint64"))

    def _philox(self, seed: int, n: int) -> Any:
        """(n,) 32-bit words as uint64: Philox4x32-10 with key = seed and counter = 0, 1, 2, ..."""
        xp, low = self.xp, numpy.uint64(LOW_32)
        counter = xp.arange((n + 3) // 4, dtype="uint64")
        c0, c1 = counter & low, counter >> numpy.uint64(32)
        c2, c3 = xp.zeros_like(counter), xp.zeros_like(counter)
        k0, k1 = seed & LOW_32, seed >> 32
        for _ in range(10):
            p0, p1 = c0 * numpy.uint64(MULTIPLIERS[0]), c2 * numpy.uint64(MULTIPLIERS[1])
            c0, c2 = (p1 >> numpy.uint64(32)) ^ c1 ^ numpy.uint64(k0), (p0 >> numpy.uint64(32)) ^ c3 ^ numpy.uint64(k1)
            c1, c3 = p1 & low, p0 & low
            k0, k1 = (k0 + WEYL[0]) & LOW_32, (k1 + WEYL[1]) & LOW_32
        return xp.stack([c0, c1, c2, c3], axis=1).reshape(-1)[:n]
