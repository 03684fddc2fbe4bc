"""What is done to parameters: updates, clipping, averages."""

from typing import Any, Callable, Dict, Tuple

import numpy as np

from thinc_core.backends.reference.optim import StepRates

from ..result import Target
from ..rows import At, Op

MILLION = (1_000_000,)
PARAMETERS: Dict[str, Any] = {
    "sizes": ((2000,), (20_000,), (100_000,), MILLION, (10_000_000,)),
    "judged": (MILLION,),
}
RATES = (0.9, 0.999, 1e-8, 0.001)
STEP = StepRates(10, RATES[3], *RATES[:3], grad_clip=1.0)


def adam_args(at: At) -> Tuple[Any, ...]:
    """Weights, gradient, moments, rates, and a copy of the gradient, which every step sets to zero."""
    return at.normal(), at.normal(seed=1), at.normal(seed=2) * 0.1, at.normal(seed=3) ** 2, at.normal(seed=1)


def adam_reset(
    weights: np.ndarray, gradient: np.ndarray, mom1: np.ndarray, mom2: np.ndarray, kept: Any, *more: Any
) -> None:
    """Before the moments have decayed to nothing: a gradient again, and moments to match."""
    gradient[...] = kept
    mom1[...] = kept
    mom2[...] = kept * kept


def parameter(t: Any, weights: Any, gradient: Any) -> Any:
    """A parameter with its gradient."""
    made = t.nn.Parameter(weights.clone())
    made.grad = gradient.clone()
    return made


def torch_adam(t: Any, weights: Any, gradient: Any, *moments: Any) -> Callable[[], Any]:
    """Its fastest: one fused loop."""
    return t.optim.Adam([parameter(t, weights, gradient)], fused=True).step


def step_args(at: At) -> Tuple[Any, ...]:
    """The same with a moving average of the weights."""
    weights, gradient, mom1, mom2, kept = adam_args(at)
    return weights, gradient, mom1, mom2, kept, at.normal(seed=4)


def step(ops: Any, weights: Any, gradient: Any, mom1: Any, mom2: Any, kept: Any, average: Any) -> None:
    """Everything an optimizer does to a parameter."""
    ops.apply_gradients([weights], [gradient], [mom1], [mom2], [average], [STEP])


def torch_step(t: Any, weights: Any, gradient: Any, *more: Any) -> Callable[[], Any]:
    """Its fastest: clipping and one fused loop, without averages."""
    parameters = [parameter(t, weights, gradient)]
    optimizer = t.optim.Adam(parameters, fused=True)
    return lambda: (t.nn.utils.clip_grad_norm_(parameters, 1.0), optimizer.step())


def torch_clip(t: Any, gradient: Any, threshold: float) -> Callable[[], Any]:
    """Its own function."""
    parameters = [parameter(t, gradient, gradient)]
    return lambda: t.nn.utils.clip_grad_norm_(parameters, threshold)


def average(ema: np.ndarray, weights: np.ndarray, t: int) -> np.ndarray:
    """The plain expression."""
    ema -= (1 - (1 + t) / (10 + t)) * (ema - weights)
    return ema


def torch_average(t: Any, ema: Any, weights: Any, step: int) -> Callable[[], Any]:
    """Its linear interpolation."""
    return lambda: ema.lerp_(weights, 9 / (10 + step))


OPS = (
    Op(
        "adam",
        adam_args,
        torch_adam,
        None,
        (Target("copy", 1.3),),
        lambda ops, *args: ops.adam(*args[:4], *RATES),
        traffic=lambda weights, *others: 7.0 * weights.nbytes,
        reset=adam_reset,
        **PARAMETERS,
    ),
    Op(
        "apply_gradients",
        step_args,
        torch_step,
        None,
        (),
        step,
        traffic=lambda weights, *others: 11.0 * weights.nbytes,
        reset=adam_reset,
        **PARAMETERS,
    ),
    Op(
        "clip_gradient",
        lambda at: (at.normal(), 1e9),
        torch_clip,
        lambda gradient, threshold: gradient if np.linalg.norm(gradient) < threshold else None,
        (Target("copy", 1.2),),
        traffic=lambda gradient, threshold: float(gradient.nbytes),
        **PARAMETERS,
    ),
    Op(
        "update_averages",
        lambda at: (at.normal(), at.normal(seed=1), 10),
        torch_average,
        average,
        (),
        traffic=lambda ema, weights, t: 3.0 * ema.nbytes,
        **PARAMETERS,
    ),
)
