"""What an optimiser does to one parameter. Everything here works in place."""

# The array types describe what callers do with arrays, not everything that array code can do.
# mypy: disable-error-code="index"

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Optional, Sequence, Tuple

import numpy

from .. import checks
from .._dtypes import is_half
from ._base import Base
from ._lines import check_marks, mark_lines
from ._out import takes_out

if TYPE_CHECKING:
    from ...types import Floats1d, FloatsXd, FloatsXdT, Ints1d


class StepRates(NamedTuple):
    """What a step of the optimizer does to one parameter; see Ops.apply_gradients."""

    t: int  # number of the step, from 1 on
    learn_rate: float  # with Adam's bias correction in it
    beta1: float = 0.0
    beta2: float = 0.0
    eps: float = 0.0
    momentum_rate: float = 0.0  # of a step along mom1 itself
    grad_clip: float = 0.0  # largest norm of the gradient; 0 for any
    penalty: float = 0.0  # share of the weights that is added to the gradient
    decay: float = 1.0  # factor of the weights after the step
    share: float = 0.0  # with mom1 alone: of the gradient, that is added to it
    by_sign: float = 0.0  # with mom1 alone: other than 0 for Lion's step
    ema_decay: float = 0.0  # of the average, which then starts at the weights; 0 for that of update_averages

    @property
    def average_rate(self) -> float:
        """How far the average goes toward the weights."""
        if not self.ema_decay:
            return average_rate(self.t)
        return average_rate(self.t, self.ema_decay) if self.t > 1 else 1.0


def average_rate(t: float, max_decay: float = 0.9999) -> float:
    """How far a moving average goes toward its value at step t."""
    return 1.0 - min((1.0 + t) / (10.0 + t), max_decay)


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
        NUMERICS: on the CPU, values below the smallest normal number count as zeros, unless eps is too small for that
            to be without effect on the weights (2e-12 mod_rate for float32).
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

    def apply_gradients(
        self,
        weights: Sequence[FloatsXd],
        gradients: Sequence[FloatsXd],
        mom1: Sequence[Optional[Floats1d]],
        mom2: Sequence[Optional[Floats1d]],
        averages: Sequence[Optional[FloatsXd]],
        rates: Sequence[StepRates],
        unscale: float = 1.0,
        found_inf: Optional[Ints1d] = None,
        *,
        reached: Optional[Sequence[Optional[Ints1d]]] = None,
        touched: Optional[Sequence[Optional[Ints1d]]] = None,
    ) -> None:
        """One step of an optimizer for all parameters of a model, in place; then the gradients are zero.

        For each parameter: g = unscale g + penalty w; clip_gradient(g, grad_clip); then one of
            adam(w, g, m, v, ...); w -= momentum_rate m                                   with both moments,
            m = beta1 m + share g; w -= learn_rate g; w -= momentum_rate m                with mom1 alone,
            w -= learn_rate sign(beta1 m + (1 - beta1) g); m = beta2 m + (1 - beta2) g    that and by_sign,
            w -= learn_rate g                                                             with none;
        then w *= decay; average -= average_rate (average - w).
        weights, gradients, averages: a list each of arrays of one shape; None for a parameter without an average.
        mom1, mom2: the moments of each, (size of the weights,) in the order of their elements; mom2, or both, may be
            None.
        rates: a StepRates for each.
        unscale: factor of the gradients, 1 / scale of the loss.
        found_inf: (1,) int32, made 1 when the norm of a g is not finite. While it is 1, gradients are set to zero and
            nothing else is done, to no parameter.
        reached, touched: marks of each parameter, uint8 arrays with a bit for each line of 64 values in C order, the
            lowest bit first, or None. Moments and average are zero in lines without a bit of reached, and the gradient
            in those without one of touched: they are not looked at. Bits of reached are set where the step ends that,
            those of touched are cleared. Marks change no value.
        RAISES: ValueError when the lists or the shapes do not fit, arrays of one parameter share memory or one is
            read-only.
        NUMERICS: that of the ops named above, one after the other. g is float32 where gradients are float16.
        """
        op = "apply_gradients"
        lists = {"weights": weights, "gradients": gradients, "mom1": mom1, "mom2": mom2, "averages": averages}
        checks.lists(op, **lists, rates=rates)
        for i, arrays in enumerate(zip(*lists.values())):
            self._parameter(op, i, *arrays)
        steps = [_checked_rates(op, i, each) for i, each in enumerate(rates)]
        marks = [self._marks(op, name, each, weights) for name, each in (("reached", reached), ("touched", touched))]
        factor = checks.number(op, "unscale", unscale)
        ready = [(w, g, step, factor) for w, g, step in zip(weights, gradients, steps)]
        if found_inf is None or not self._overflow(op, ready, found_inf):
            for i, each in enumerate(ready):
                self._apply_gradient(*each, mom1[i], mom2[i], averages[i])
        for gradient in gradients:
            gradient[...] = 0
        for *state, lines, cleared in zip(mom1, mom2, averages, *marks):
            for X in state if lines is not None else ():
                mark_lines(self.xp, lines, X) if X is not None else None
            if cleared is not None:
                cleared[...] = 0

    def _marks(self, op: str, name: str, marks: Any, weights: Sequence[Any]) -> Sequence[Any]:
        """The marks of each parameter, checked."""
        if marks is None:
            return [None] * len(weights)
        checks.lists(op, weights=weights, **{name: marks})
        for i, each in enumerate(marks):
            check_marks(op, f"{name}[{i}]", each, weights[i], self.xp)
        return marks

    def _parameter(self, op: str, i: int, *arrays: Any) -> None:
        """Check the arrays of one parameter."""
        names = (f"weights[{i}]", f"gradients[{i}]", f"mom1[{i}]", f"mom2[{i}]", f"averages[{i}]")
        given = {name: X for name, X in zip(names, arrays) if X is not None or name in names[:2]}
        self._arrays(op, **given)
        if arrays[2] is None and arrays[3] is not None:
            raise checks.KindError(f"{op}: mom1[{i}] must be an array where mom2[{i}] is one; got None")
        for name, X in given.items():
            checks.shape(op, name, X, (arrays[0].size,) if name in names[2:4] else arrays[0].shape)
            checks.floats(op, name, X)
            checks.writable(op, name, X)
        for name in list(given):
            checks.apart(op, name, given.pop(name), **given)

    def _overflow(self, op: str, ready: Sequence[Any], found_inf: Any) -> bool:
        """Whether found_inf says so, after a look at the gradients."""
        checks.out(op, "found_inf", found_inf, self.xp, (1,), numpy.dtype("int32"))
        for each in ready:
            found_inf |= ~self.xp.isfinite(self._norm(self._ready(*each)))
        return bool(found_inf[0])

    def _ready(self, w: Any, gradient: Any, step: StepRates, factor: float) -> Any:
        """The gradient as it goes into the step, but for clipping; the array itself where nothing is done to it."""
        g = self._wide(gradient)
        g = g if factor == 1 else g * factor
        return g if step.penalty == 0 else g + step.penalty * self._wide(w)

    def _apply_gradient(self, w: Any, gradient: Any, step: StepRates, factor: float, *state: Any) -> None:
        """In C order, so that the layout of an array changes no bit."""
        given = (w, gradient, *state)
        packed = tuple(X if X is None or X.flags.c_contiguous else X.copy("C") for X in given)
        self._apply_packed(step, factor, *packed)
        for X, result in zip(given, packed):
            if X is not result:
                X[...] = result

    def _apply_packed(self, step: StepRates, factor: float, w: Any, gradient: Any, m: Any, v: Any, mean: Any) -> None:
        g = self._ready(w, gradient, step, factor)
        if step.grad_clip:
            self.clip_gradient(g, step.grad_clip)
        if m is None:
            w -= step.learn_rate * g
        elif v is None:
            self._one_moment(step, w, g, m.reshape(w.shape))
        else:
            m, v = m.reshape(w.shape), v.reshape(w.shape)
            self.adam(w, g, m, v, step.beta1, step.beta2, step.eps, step.learn_rate)
            if step.momentum_rate:
                w -= step.momentum_rate * m
        if step.decay != 1:
            w *= step.decay
        if mean is not None:
            wide = self._wide(mean)
            mean[...] = wide - step.average_rate * (wide - self._wide(w))

    def _one_moment(self, step: StepRates, w: Any, g: Any, m: Any) -> None:
        if step.by_sign:
            # SOURCE: Chen et al. 2023, arXiv:2302.06675, algorithm 2.
            w -= step.learn_rate * self.xp.sign(step.beta1 * m + (1 - step.beta1) * g)
            m[...] = step.beta2 * m + (1 - step.beta2) * g
        else:
            m[...] = step.beta1 * m + step.share * g
            w -= step.learn_rate * g
            w -= step.momentum_rate * m

    def clip_gradient(self, gradient: FloatsXdT, threshold: float) -> FloatsXdT:
        """Scale the gradient in place so that its norm is at most the threshold.

        gradient: any shape.  threshold: largest allowed root of the sum of squares.
        RETURNS: the same object.
        RAISES: ValueError when the gradient is read-only.
        NUMERICS: the norm is exact to 2^-21 of itself for float32, and does not overflow; a zero gradient stays zero.
        """
        self._in_place("clip_gradient", gradient=gradient)
        threshold = checks.number("clip_gradient", "threshold", threshold)
        norm = self._norm(gradient)
        over = (norm >= threshold) & (norm > 0)
        scale = self.xp.where(over, threshold / self.xp.where(norm > 0, norm, 1), 1)
        x = self._wide(gradient)
        gradient[...] = x * scale.astype(x.dtype)
        return gradient

    def _norm(self, gradient: Any) -> Any:
        wide = gradient.astype(self.xp.result_type(gradient.dtype, self.xp.float64), copy=False)
        return self.xp.sqrt((wide * wide).sum())

    def update_averages(self, ema: FloatsXdT, weights: FloatsXdT, t: int, max_decay: float = 0.9999) -> None:
        """ema = ema - (1 - d) (ema - weights), in place, with d = min((1 + t) / (10 + t), max_decay).

        ema, weights: one shape; ema is changed in place.  t: number of the step.  max_decay: largest d.
        RAISES: ValueError when the shapes differ or ema is read-only.
        """
        self._arrays("update_averages", ema=ema, weights=weights)
        checks.same_shape("update_averages", "ema, weights", ema, weights)
        checks.floats("update_averages", "ema", ema)
        checks.writable("update_averages", "ema", ema)
        step = checks.number("update_averages", "t", t)
        rate, wide = average_rate(step, checks.number("update_averages", "max_decay", max_decay)), self._wide(ema)
        ema[...] = wide - rate * (wide - self._wide(weights))

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


def _checked_rates(op: str, i: int, rates: Any) -> StepRates:
    """The rates, which must be numbers."""
    if not isinstance(rates, StepRates):
        raise checks.KindError(f"{op}: rates[{i}] must be a StepRates; got {checks.kind_of(rates)}")
    given = [checks.number(op, f"rates[{i}].{name}", value) for name, value in rates._asdict().items()]
    return StepRates(*given)  # type: ignore[arg-type]
