"""What an optimiser does to one parameter. Everything here works in place."""

# The array types describe what callers do with arrays, not everything that array code can do.
# mypy: disable-error-code="index"

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional, Tuple

from .. import checks
from .._dtypes import is_half
from ._base import Base
from ._out import takes_out

if TYPE_CHECKING:
    from ...types import FloatsXdT


class Optim(Base):
    def _in_place(self, op: str, **arrays: Any) -> None:
        self._arrays(op, **arrays)
        checks.same_shape(op, ", ".join(arrays), *arrays.values())
        for name, value in arrays.items():
            checks.floats(op, name, value)
            checks.writable(op, name, value)

    def adam(
        self,
        weights: FloatsXdT,
        gradient: FloatsXdT,
        mom1: FloatsXdT,
        mom2: FloatsXdT,
        beta1: float,
        beta2: float,
        eps: float,
        learn_rate: float,
        mod_rate: float = 1.0,
    ) -> Tuple[FloatsXdT, FloatsXdT, FloatsXdT, FloatsXdT]:
        """One step of Adam; then the gradient is set to zero.

        m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2;  w = w - learn_rate m / (mod_rate sqrt(v) + eps).
        weights, gradient, mom1, mom2: one shape, any layout; all four are changed in place.
        beta1, beta2: decay of the two moments.  learn_rate: with the caller's bias correction in it.
        mod_rate: factor of the root.
        RETURNS: the same four arrays.
        RAISES: ValueError when the shapes differ or an array is read-only.
        SOURCE: Kingma and Ba 2014, arXiv:1412.6980, algorithm 1.
        """
        self._in_place("adam", weights=weights, gradient=gradient, mom1=mom1, mom2=mom2)
        checks.apart("adam", "weights", weights, gradient=gradient, mom1=mom1, mom2=mom2)
        checks.apart("adam", "gradient", gradient, mom1=mom1, mom2=mom2)
        checks.apart("adam", "mom1", mom1, mom2=mom2)
        beta1, beta2 = checks.number("adam", "beta1", beta1), checks.number("adam", "beta2", beta2)
        eps, learn_rate = checks.number("adam", "eps", eps), checks.number("adam", "learn_rate", learn_rate)
        mod_rate = checks.number("adam", "mod_rate", mod_rate)
        g = self._wide(gradient)
        m = beta1 * self._wide(mom1) + (1 - beta1) * g
        v = beta2 * self._wide(mom2) + (1 - beta2) * g * g
        mom1[...], mom2[...] = m, v
        weights[...] = weights - learn_rate * m / (mod_rate * self.xp.sqrt(v) + eps)
        gradient[...] = 0
        return weights, gradient, mom1, mom2

    def clip_gradient(self, gradient: FloatsXdT, threshold: float) -> FloatsXdT:
        """Scale the gradient in place so that its norm is at most the threshold.

        gradient: any shape.  threshold: largest allowed root of the sum of squares.
        RETURNS: the same object.
        RAISES: ValueError when the gradient is read-only.
        NUMERICS: the norm is exact to 2^-21 of itself for float32, and does not overflow; a zero gradient stays zero.
        """
        self._in_place("clip_gradient", gradient=gradient)
        threshold = checks.number("clip_gradient", "threshold", threshold)
        wide = gradient.astype(self.xp.result_type(gradient.dtype, self.xp.float64), copy=False)
        norm = self.xp.sqrt((wide * wide).sum())
        over = (norm >= threshold) & (norm > 0)
        scale = self.xp.where(over, threshold / self.xp.where(norm > 0, norm, 1), 1)
        x = self._wide(gradient)
        gradient[...] = x * scale.astype(x.dtype)
        return gradient

    def update_averages(self, ema: FloatsXdT, weights: FloatsXdT, t: int, max_decay: float = 0.9999) -> None:
        """ema = ema - (1 - d) (ema - weights), in place, with d = min((1 + t) / (10 + t), max_decay).

        ema, weights: one shape; ema is changed in place.  t: number of the step.  max_decay: largest d.
        RAISES: ValueError when the shapes differ or ema is read-only.
        """
        self._arrays("update_averages", ema=ema, weights=weights)
        checks.same_shape("update_averages", "ema, weights", ema, weights)
        checks.floats("update_averages", "ema", ema)
        checks.writable("update_averages", "ema", ema)
        step, max_decay = (
            checks.number("update_averages", "t", t),
            checks.number("update_averages", "max_decay", max_decay),
        )
        decay = min((1.0 + step) / (10.0 + step), max_decay)
        wide = self._wide(ema)
        ema[...] = wide - (1 - decay) * (wide - self._wide(weights))

    @takes_out()
    def logloss(self, y_true: FloatsXdT, y_pred: FloatsXdT, *, out: Optional[FloatsXdT] = None) -> FloatsXdT:
        """-(y log(p + 1e-8) + (1 - y) log(1 - p + 1e-8)), elementwise.

        y_true, y_pred: one shape; p = y_pred in [0, 1].
        RETURNS: the same shape.
        """
        self._arrays("logloss", y_true=y_true, y_pred=y_pred)
        checks.same_shape("logloss", "y_true and y_pred", y_true, y_pred)
        y, p, log = self._wide(y_true), self._wide(y_pred), self.xp.log
        loss = -(y * log(p + 1e-8) + (1 - y) * log(1 - p + 1e-8))
        return loss.astype(y_pred.dtype) if is_half(y_pred.dtype) else loss
