"""Normalisation of rows: to zero mean and unit variance, or to a mean square of one."""

# The array types describe what callers do with arrays, not everything that array code can do.
# mypy: disable-error-code="call-overload"

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional, Tuple

from .. import checks
from ._base import Base
from ._out import takes_out

if TYPE_CHECKING:
    from ...types import Floats1d, Floats2d


class LayerNorm(Base):
    def _norm_args(self, op: str, X: Any, G: Any, b: Any) -> None:
        shift = "b" if op == "layernorm" else "db"
        self._arrays(op, X=X, G=G, **{shift: b})
        checks.ndim(op, "X", X, 2)
        checks.floats(op, "X", X)
        checks.shape(op, "G", G, X.shape[1:])
        checks.shape(op, shift, b, X.shape[1:])

    @takes_out()
    def layernorm(
        self,
        X: Floats2d,
        G: Floats1d,
        b: Floats1d,
        eps: float = 1e-8,
        *,
        out: Optional[Tuple[Optional[Floats2d], Optional[Floats1d], Optional[Floats1d]]] = None,
    ) -> Tuple[Floats2d, Floats1d, Floats1d]:
        """Y = (X - mu) * rstd * G + b, mu the mean of the row and rstd = 1 / sqrt(variance + eps).

        X: (B, O).  G, b: (O,) scale and shift.  eps: added to the variance of the row.
        RETURNS: Y (B, O), mu (B,), rstd (B,), all in X's dtype.
        RAISES: ValueError when a rank or width differs.
        NUMERICS: population variance, from the squares of X - mu in a second pass.
        SOURCE: Ba et al. 2016, arXiv:1607.06450, equations 3 and 4.
        """
        self._norm_args("layernorm", X, G, b)
        eps = checks.number("layernorm", "eps", eps)
        x, width = self._wide(X), max(X.shape[1], 1)
        mu = x.sum(axis=1) / width
        centred = x - mu[:, None]
        rstd = 1 / self.xp.sqrt((centred * centred).sum(axis=1) / width + eps)
        Y = centred * rstd[:, None] * G + b
        return tuple(each.astype(X.dtype, copy=False) for each in (Y, mu, rstd))

    @takes_out(like="dY", changes=("dG", "db"))
    def backprop_layernorm(
        self,
        dY: Floats2d,
        X: Floats2d,
        G: Floats1d,
        mu: Floats1d,
        rstd: Floats1d,
        dG: Floats1d,
        db: Floats1d,
        *,
        out: Optional[Floats2d] = None,
    ) -> Floats2d:
        """dX = rstd * (g - mean(g) - h * mean(g * h)), with h = (X - mu) * rstd and g = dY * G.

        dY, X: (B, O), X what layernorm was given.  G: (O,).  mu, rstd: (B,), what layernorm returned.
        dG, db: (O,) gradient buffers; sum(dY * h) and sum(dY) are added to them in place.
        RETURNS: (B, O) in dY's dtype.
        RAISES: ValueError when a rank or width differs or a buffer is read-only.
        """
        op = "backprop_layernorm"
        self._norm_args(op, X, G, db)
        self._arrays(op, dY=dY, mu=mu, rstd=rstd, dG=dG)
        checks.same_shape(op, "dY and X", dY, X)
        checks.shape(op, "dG", dG, G.shape)
        for name, statistic in (("mu", mu), ("rstd", rstd)):
            checks.shape(op, name, statistic, X.shape[:1])
        for name, value in (("dY", dY), ("mu", mu), ("rstd", rstd), ("dG", dG), ("db", db)):
            checks.floats(op, name, value)
        for name, value in (("dG", dG), ("db", db)):
            checks.writable(op, name, value)
        checks.apart(op, "dG", dG, db=db, dY=dY, X=X, G=G, mu=mu, rstd=rstd)
        checks.apart(op, "db", db, dY=dY, X=X, G=G, mu=mu, rstd=rstd)
        dy, width = self._wide(dY), max(X.shape[1], 1)
        h = (self._wide(X) - mu[:, None]) * rstd[:, None]
        dG += (dy * h).sum(axis=0)
        db += dy.sum(axis=0)
        g = dy * G
        means = g.sum(axis=1, keepdims=True) / width, (g * h).sum(axis=1, keepdims=True) / width
        return (rstd[:, None] * (g - means[0] - h * means[1])).astype(dY.dtype, copy=False)

    @takes_out()
    def rmsnorm(
        self,
        X: Floats2d,
        G: Floats1d,
        eps: float = 1e-6,
        *,
        out: Optional[Tuple[Optional[Floats2d], Optional[Floats1d]]] = None,
    ) -> Tuple[Floats2d, Floats1d]:
        """Y = X * rstd * G, with rstd = 1 / sqrt(mean(X^2) + eps) of the row.

        X: (B, O).  G: (O,) scale.  eps: added to the mean square of the row.
        RETURNS: Y (B, O), rstd (B,), both in X's dtype.
        RAISES: ValueError when a rank or width differs.
        SOURCE: Zhang and Sennrich 2019, arXiv:1910.07467, equation 4.
        """
        self._rms_args("rmsnorm", X, G=G)
        eps = checks.number("rmsnorm", "eps", eps)
        x, width = self._wide(X), max(X.shape[1], 1)
        rstd = 1 / self.xp.sqrt((x * x).sum(axis=1) / width + eps)
        return tuple(each.astype(X.dtype, copy=False) for each in (x * rstd[:, None] * G, rstd))

    @takes_out(like="dY", changes=("dG",))
    def backprop_rmsnorm(
        self,
        dY: Floats2d,
        X: Floats2d,
        G: Floats1d,
        rstd: Floats1d,
        dG: Floats1d,
        *,
        out: Optional[Floats2d] = None,
    ) -> Floats2d:
        """dX = rstd * (g - h * mean(g * h)), with h = X * rstd and g = dY * G.

        dY, X: (B, O), X what rmsnorm was given.  G: (O,).  rstd: (B,), what rmsnorm returned.
        dG: (O,) gradient buffer; sum(dY * h) is added to it in place.
        RETURNS: (B, O) in dY's dtype.
        RAISES: ValueError when a rank or width differs or the buffer is read-only.
        """
        op = "backprop_rmsnorm"
        self._rms_args(op, X, G=G, dG=dG)
        self._arrays(op, dY=dY, rstd=rstd)
        checks.same_shape(op, "dY and X", dY, X)
        checks.shape(op, "rstd", rstd, X.shape[:1])
        for name, value in (("dY", dY), ("rstd", rstd), ("dG", dG)):
            checks.floats(op, name, value)
        checks.writable(op, "dG", dG)
        checks.apart(op, "dG", dG, dY=dY, X=X, G=G, rstd=rstd)
        dy, width = self._wide(dY), max(X.shape[1], 1)
        h = self._wide(X) * rstd[:, None]
        dG += (dy * h).sum(axis=0)
        g = dy * G
        mean = (g * h).sum(axis=1, keepdims=True) / width
        return (rstd[:, None] * (g - h * mean)).astype(dY.dtype, copy=False)

    def _rms_args(self, op: str, X: Any, **params: Any) -> None:
        self._arrays(op, X=X, **params)
        checks.ndim(op, "X", X, 2)
        checks.floats(op, "X", X)
        for name, param in params.items():
            checks.shape(op, name, param, X.shape[1:])
