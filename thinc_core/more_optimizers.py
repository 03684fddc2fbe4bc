"""AdamW, Lion, Adafactor, SGD with momentum, and RAdam as in its paper. None clips or averages unless asked to."""

from typing import Any, Dict, List, Optional, Tuple

from .backends.reference.optim import StepRates
from .config import registry
from .optimizers import FloatOrSeq, KeyT, Optimizer, _radam
from .types import FloatsXd

__all__ = ["Adafactor", "AdamW", "Lion", "RAdam_v2", "SGD_v2"]


@registry.optimizers("AdamW.v1")
def AdamW(
    learn_rate: FloatOrSeq = 0.001,
    *,
    beta1: FloatOrSeq = 0.9,
    beta2: FloatOrSeq = 0.999,
    eps: FloatOrSeq = 1e-08,
    weight_decay: FloatOrSeq = 0.01,
    decay_vectors: bool = True,
    grad_clip: FloatOrSeq = 0.0,
    ema_decay: float = 0.0,
) -> Optimizer:
    """w -= learn_rate weight_decay w, then Adam with eps beside the root of the corrected second moment.

    weight_decay, decay_vectors: L2 and decay_vectors of Optimizer; without decay_vectors biases and gains do not decay.
    grad_clip: largest norm of the gradient of one parameter; 0 for any.
    ema_decay: decay of the moving average of every parameter that optimizer.averages then holds; 0 for none.
    SOURCE: Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2; numbers and defaults are PyTorch's.
    """
    return AdamWOptimizer(
        learn_rate,
        beta1=beta1,
        beta2=beta2,
        eps=eps,
        L2=weight_decay,
        decay_vectors=decay_vectors,
        grad_clip=grad_clip,
        use_averages=ema_decay > 0,
        ema_decay=ema_decay,
    )


@registry.optimizers("SGD.v2")
def SGD_v2(
    learn_rate: FloatOrSeq,
    *,
    momentum: FloatOrSeq = 0.0,
    dampening: float = 0.0,
    nesterov: bool = False,
    L2: FloatOrSeq = 0.0,
    L2_is_weight_decay: bool = False,
    decay_vectors: bool = True,
    grad_clip: FloatOrSeq = 0.0,
    ema_decay: float = 0.0,
) -> Optimizer:
    """m = momentum m + (1 - dampening) g, at first g; w -= learn_rate m, or with nesterov learn_rate (g + momentum m).

    momentum: in [0, 1); 0 is plain SGD.  dampening: in [0, 1]; 0 with nesterov.
    L2: a penalty added to the gradient, or with L2_is_weight_decay the decay of the weights.
    decay_vectors, grad_clip, ema_decay: as for AdamW.
    RAISES: ValueError when nesterov comes without momentum or with dampening.
    SOURCE: Sutskever et al. 2013, "On the importance of initialization and momentum", in the form of PyTorch's SGD.
    """
    optimizer = MomentumOptimizer(
        learn_rate,
        beta1=momentum,
        beta2=0.0,
        L2=L2,
        L2_is_weight_decay=L2_is_weight_decay,
        decay_vectors=decay_vectors,
        grad_clip=grad_clip,
        use_averages=ema_decay > 0,
        ema_decay=ema_decay,
    )
    if not 0 <= dampening <= 1:
        raise ValueError(f"optimizer: dampening must be in [0, 1]; got {dampening}")
    if nesterov and (dampening or not optimizer.b1):
        got = f"got momentum {float(optimizer.b1)} and dampening {dampening}"
        raise ValueError(f"optimizer: nesterov must come with momentum and without dampening; {got}")
    optimizer.dampening, optimizer.nesterov = dampening, nesterov
    return optimizer


@registry.optimizers("Lion.v1")
def Lion(
    learn_rate: FloatOrSeq = 1e-4,
    *,
    beta1: FloatOrSeq = 0.9,
    beta2: FloatOrSeq = 0.99,
    weight_decay: FloatOrSeq = 0.0,
    decay_vectors: bool = True,
    grad_clip: FloatOrSeq = 0.0,
    ema_decay: float = 0.0,
) -> Optimizer:
    """w -= learn_rate (sign(beta1 m + (1 - beta1) g) + weight_decay w); m = beta2 m + (1 - beta2) g.

    Every weight moves by learn_rate, which is 3 to 10 times smaller than Adam's, and weight_decay that much larger. It
    keeps one moment. weight_decay, decay_vectors, grad_clip, ema_decay: as for AdamW.
    SOURCE: Chen et al. 2023, arXiv:2302.06675, algorithm 2.
    """
    return LionOptimizer(
        learn_rate,
        beta1=beta1,
        beta2=beta2,
        L2=weight_decay,
        decay_vectors=decay_vectors,
        grad_clip=grad_clip,
        use_averages=ema_decay > 0,
        ema_decay=ema_decay,
    )


@registry.optimizers("Adafactor.v1")
def Adafactor(
    learn_rate: FloatOrSeq = 0.01,
    *,
    beta2_decay: float = -0.8,
    eps1: Optional[float] = None,
    eps2: float = 1e-3,
    clip: float = 1.0,
    weight_decay: FloatOrSeq = 0.0,
    decay_vectors: bool = True,
    grad_clip: FloatOrSeq = 0.0,
    ema_decay: float = 0.0,
) -> Optimizer:
    """Adam without momentum that remembers of the squares of a matrix only the means of its rows and of its columns.

    w -= min(learn_rate, 1 / sqrt(t)) max(eps2, rms(w)) u / max(1, rms(u) / clip), where u = g / sqrt(v), and v is the
    outer product of the two means over the mean of either; for vectors it is the moving average of g^2 itself.
    beta2_decay: the averages go t ** beta2_decay of the way at step t.
    eps1: smallest root of v; None for the precision of the moments.  eps2: smallest scale of the weights.
    clip: largest root of the mean square of the step before it is scaled.
    weight_decay, decay_vectors, grad_clip, ema_decay: as for AdamW.
    SOURCE: Shazeer & Stern 2018, arXiv:1804.04235, algorithms 4 and 5; numbers and defaults are PyTorch's.
    """
    optimizer = AdafactorOptimizer(
        learn_rate,
        beta1=0.0,
        beta2=0.0,
        L2=weight_decay,
        decay_vectors=decay_vectors,
        grad_clip=grad_clip,
        use_averages=ema_decay > 0,
        ema_decay=ema_decay,
    )
    for name, value, fits in (
        ("beta2_decay", beta2_decay, beta2_decay <= 0),
        ("eps1", eps1, eps1 is None or eps1 >= 0),
        ("eps2", eps2, eps2 >= 0),
        ("clip", clip, clip > 0),
    ):
        if not fits:
            raise ValueError(f"optimizer: {name} must be {_RANGES[name]}; got {value}")
    optimizer.beta2_decay, optimizer.eps1, optimizer.eps2, optimizer.clip = beta2_decay, eps1, eps2, clip
    return optimizer


_RANGES = {"beta2_decay": "<= 0", "eps1": ">= 0", "eps2": ">= 0", "clip": "> 0"}


@registry.optimizers("RAdam.v2")
def RAdam_v2(
    learn_rate: FloatOrSeq = 0.001,
    *,
    beta1: FloatOrSeq = 0.9,
    beta2: FloatOrSeq = 0.999,
    eps: FloatOrSeq = 1e-08,
    weight_decay: FloatOrSeq = 0.0,
    decay_vectors: bool = True,
    grad_clip: FloatOrSeq = 0.0,
    ema_decay: float = 0.0,
) -> Optimizer:
    """RAdam whose first step is step 1, with lr_scale for all of it; RAdam.v1 counts from 2.

    weight_decay, decay_vectors, grad_clip, ema_decay: as for AdamW.
    SOURCE: Liu et al. 2020, arXiv:1908.03265, algorithm 2.
    """
    return RAdamOptimizer(
        learn_rate,
        beta1=beta1,
        beta2=beta2,
        eps=eps,
        L2=weight_decay,
        decay_vectors=decay_vectors,
        grad_clip=grad_clip,
        use_averages=ema_decay > 0,
        use_radam=True,
        ema_decay=ema_decay,
    )


class AdamWOptimizer(Optimizer):
    """See AdamW."""

    __slots__ = ()

    def _rates_of(
        self, t: int, lr_scale: float, grad_clip: float, learn_rate: float, b1: float, b2: float, eps: float, L2: float
    ) -> StepRates:
        around, rate = _decay_first(self, grad_clip, learn_rate * lr_scale, L2)
        # m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps), with the root of 1 - b2^t taken out of the sum.
        root = (1.0 - b2**t) ** 0.5
        return StepRates(t, rate * root / (1.0 - b1**t), b1, b2, eps * root, **around)

    def _count_moments(self, rates: StepRates) -> int:
        return 2


class RAdamOptimizer(Optimizer):
    """See RAdam_v2."""

    __slots__ = ()

    def _rates_of(
        self, t: int, lr_scale: float, grad_clip: float, learn_rate: float, b1: float, b2: float, eps: float, L2: float
    ) -> StepRates:
        around, rate = _decay_first(self, grad_clip, learn_rate * lr_scale, L2)
        rate, along = _radam(t, b1, b2, rate)
        return StepRates(t, rate, b1, b2, eps, along, **around)

    def _count_moments(self, rates: StepRates) -> int:
        return 2


class LionOptimizer(Optimizer):
    """See Lion."""

    __slots__ = ()

    def _rates_of(
        self, t: int, lr_scale: float, grad_clip: float, learn_rate: float, b1: float, b2: float, eps: float, L2: float
    ) -> StepRates:
        around, rate = _decay_first(self, grad_clip, learn_rate * lr_scale, L2)
        return StepRates(t, rate, b1, b2, by_sign=1.0, **around)

    def _count_moments(self, rates: StepRates) -> int:
        return 1


class MomentumOptimizer(Optimizer):
    """See SGD_v2. The momentum is b1."""

    __slots__ = ("dampening", "nesterov")
    dampening: float
    nesterov: bool

    def _rates_of(
        self, t: int, lr_scale: float, grad_clip: float, learn_rate: float, b1: float, b2: float, eps: float, L2: float
    ) -> StepRates:
        rate = learn_rate * lr_scale
        around = self._around(grad_clip, rate, L2)
        if not b1:
            return StepRates(t, rate, **around)
        share = 1.0 if t == 1 else 1.0 - self.dampening
        if self.nesterov:
            return StepRates(t, rate, b1, momentum_rate=rate * b1, share=share, **around)
        return StepRates(t, 0.0, b1, momentum_rate=rate, share=share, **around)

    def _count_moments(self, rates: StepRates) -> int:
        return 1 if rates.beta1 else 0


class AdafactorOptimizer(Optimizer):
    """See Adafactor. mom1 and mom2 hold the means of the squares of rows and of columns; for vectors mom2 alone holds
    those of all elements."""

    __slots__ = ("beta2_decay", "clip", "eps1", "eps2")
    beta2_decay: float
    eps1: Optional[float]
    eps2: float
    clip: float

    def _rates_of(
        self, t: int, lr_scale: float, grad_clip: float, learn_rate: float, b1: float, b2: float, eps: float, L2: float
    ) -> StepRates:
        around = self._around(grad_clip, learn_rate * lr_scale, L2)
        return StepRates(t, min(learn_rate * lr_scale, t**-0.5), **around)

    def _state(self, key: KeyT, weights: FloatsXd, rates: StepRates) -> Tuple[Any, Any, Any]:
        _, _, average = super()._state(key, weights, rates)
        shape = weights.shape
        tables = [(self._mom2, shape)]
        if len(shape) > 1:
            tables = [(self._mom1, (*shape[:-1], 1)), (self._mom2, (*shape[:-2], 1, shape[-1]))]
        for table, size in tables:
            if type(table.get(key)) is not type(weights):
                self._made(table, key, weights, size)
        return self._mom1.get(key), self._mom2[key], average

    def _update_batch(self, ops: Any, batch: List[Tuple[Any, ...]], marks: Any, scaling: Tuple[Any, ...]) -> None:
        unscale, found_inf = scaling or (1.0, None)
        wide = [ops.xp.multiply(gradient, unscale, dtype=ops._wide(gradient).dtype) for _, gradient, *_ in batch]
        if found_inf is not None:
            for g in wide:
                found_inf |= ~ops.xp.isfinite(ops._norm(g))
        if found_inf is None or not int(found_inf[0]):
            for (weights, _, *state, rates), g in zip(batch, wide):
                self._update(ops, weights, g, tuple(state), rates)
        for _, gradient, *_ in batch:
            gradient[...] = 0

    def _update(self, ops: Any, weights: Any, g: Any, state: Tuple[Any, Any, Any], rates: StepRates) -> None:
        """Update one parameter. g: of the precision that is computed with; it is overwritten."""
        xp, w = ops.xp, ops._wide(weights)
        rows, columns, average = state
        if rates.penalty:
            g += rates.penalty * w
        if rates.grad_clip:
            ops.clip_gradient(g, rates.grad_clip)
        scale = xp.maximum(_rms(xp, w), self.eps2) * rates.learn_rate
        w = w * rates.decay
        least = float(xp.finfo(w.dtype).eps) if self.eps1 is None else self.eps1
        toward = rates.t**self.beta2_decay
        if rows is None:
            columns += toward * (g * g - columns)
            variance = columns
        else:
            squares = g * g
            rows += toward * (squares.mean(axis=-1, keepdims=True) - rows)
            columns += toward * (squares.mean(axis=-2, keepdims=True) - columns)
            variance = rows * columns / xp.maximum(rows.mean(axis=-2, keepdims=True), least)
        g /= xp.sqrt(xp.maximum(variance, least * least))
        w -= scale / xp.maximum(_rms(xp, g) / self.clip, 1.0) * g
        weights[...] = w
        if average is not None:
            mean = ops._wide(average)
            average[...] = mean - rates.average_rate * (mean - w)


def _rms(xp: Any, X: Any) -> Any:
    return xp.sqrt(xp.square(X).mean())


def _decay_first(
    optimizer: Optimizer, grad_clip: float, learn_rate: float, L2: float
) -> Tuple[Dict[str, float], float]:
    """Rates for w = decay w - step, and the rate of that step: the kernels compute (w - step / decay) decay."""
    around = optimizer._around(grad_clip, learn_rate, L2)
    decay = around.get("decay", 1.0)
    if decay <= 0:
        raise ValueError(f"optimizer: weight_decay must be below 1 / learn_rate; got {L2} with a rate of {learn_rate}")
    return around, learn_rate / decay
