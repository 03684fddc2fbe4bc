"""Maxout: the largest of P pieces, and where its gradient goes."""

# The array types describe what callers do with arrays, not everything that array code can do.
# mypy: disable-error-code="index"

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Tuple

from .. import checks
from ._base import Base
from ._out import takes_out

if TYPE_CHECKING:
    from ...types import Floats2d, Floats3d, Ints2d


class Maxout(Base):
    @takes_out()
    def maxout(
        self, X: Floats3d, *, out: Optional[Tuple[Optional[Floats2d], Optional[Ints2d]]] = None
    ) -> Tuple[Floats2d, Ints2d]:
        """Best piece of each output and its index: best = max_p X[:, :, p].

        X: (B, O, P).
        RETURNS: best (B, O) in X's dtype; which (B, O) int32.
        RAISES: ValueError when X has another rank or P is 0.
        NUMERICS: exact; the lowest index wins a tie; the first NaN wins over everything, as in argmax.
        SOURCE: Goodfellow et al. 2013, arXiv:1302.4389.
        """
        self._arrays("maxout", X=X)
        checks.ndim("maxout", "X", X, 3)
        checks.numbers("maxout", "X", X)
        checks.at_least("maxout", "P", X.shape[2], 1)
        which = X.argmax(axis=2)
        best = self.xp.take_along_axis(X, which[:, :, None], axis=2)[:, :, 0]
        return self.xp.array(best, order="C"), which.astype("int32")

    @takes_out()
    def backprop_maxout(self, dY: Floats2d, which: Ints2d, P: int, *, out: Optional[Floats3d] = None) -> Floats3d:
        """dX is dY at the winning piece and 0 at the others.

        dY: (B, O).  which: (B, O) integers in [0, P), what maxout returned.  P: pieces, >= 1.
        RETURNS: (B, O, P) in dY's dtype.
        RAISES: ValueError when the shapes differ or P < 1; IndexError when a value of which is outside [0, P).
        NUMERICS: exact.
        """
        self._arrays("backprop_maxout", dY=dY, which=which)
        checks.ndim("backprop_maxout", "dY", dY, 2)
        checks.same_shape("backprop_maxout", "dY and which", dY, which)
        checks.integers("backprop_maxout", "which", which)
        checks.at_least("backprop_maxout", "P", P, 1)
        checks.indices("backprop_maxout", "which", which, P)
        chosen = self.xp.arange(P) == which[:, :, None]
        return self.xp.where(chosen, dY[:, :, None], dY.dtype.type(0))
