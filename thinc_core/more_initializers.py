"""Initializers that the original does not have. Like the others: `init(ops, shape, **settings) -> float32 array`.

rng: a NumPy generator to draw from; None for NumPy's global one, which fix_random_seed sets.
"""

from typing import Any, Callable, Literal, Tuple

import numpy

from .backends import Ops
from .config import registry
from .types import FloatsXd, Shape
from .util import partial

__all__ = ["constant_init", "identity_init", "orthogonal_init", "truncated_normal_init", "variance_scaling_init"]

Mode = Literal["fan_in", "fan_out", "fan_avg"]
Distribution = Literal["uniform", "normal", "truncated_normal"]
# Standard deviation of a standard normal that is cut off at -2 and 2.
CUT_STD = 0.87962566103423978


def variance_scaling_init(
    ops: Ops,
    shape: Shape,
    *,
    scale: float = 1.0,
    mode: Mode = "fan_in",
    distribution: Distribution = "truncated_normal",
    rng: Any = None,
) -> FloatsXd:
    """Mean 0 and variance scale / n, where n is the fan that mode says.

    shape: (fan-out, fan-in, ...): sizes after the second, such as those of a convolution, multiply both.
    RAISES: ValueError for less than 2 dimensions.
    SOURCE: He et al. 2015, arXiv:1502.01852, with the modes of Keras.
    """
    _check("variance_scaling_init", "scale", scale, scale > 0, "> 0")
    fan_in, fan_out = fans("variance_scaling_init", shape)
    n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2.0}.get(mode)
    if n is None:
        raise ValueError(f"variance_scaling_init: mode must be fan_in, fan_out or fan_avg; got {mode!r}")
    std, source = (scale / n) ** 0.5, _source(rng)
    if distribution == "uniform":
        values = source.uniform(-(3**0.5) * std, 3**0.5 * std, shape)
    elif distribution == "normal":
        values = source.normal(0.0, std, shape)
    elif distribution == "truncated_normal":
        values = _truncated(source, shape, 2.0) * (std / CUT_STD)
    else:
        wanted = "uniform, normal or truncated_normal"
        raise ValueError(f"variance_scaling_init: distribution must be {wanted}; got {distribution!r}")
    return _floats(ops, values)


@registry.initializers("variance_scaling_init.v1")
def configure_variance_scaling_init(
    *,
    scale: float = 1.0,
    mode: Mode = "fan_in",
    distribution: Distribution = "truncated_normal",
) -> Callable[[Shape], FloatsXd]:
    return partial(variance_scaling_init, scale=scale, mode=mode, distribution=distribution)


def truncated_normal_init(
    ops: Ops,
    shape: Shape,
    *,
    mean: float = 0.0,
    std: float = 0.02,
    cut: float = 2.0,
    rng: Any = None,
) -> FloatsXd:
    """N(mean, std), but nothing further from the mean than cut * std."""
    _check("truncated_normal_init", "cut", cut, cut > 0, "> 0")
    return _floats(ops, mean + std * _truncated(_source(rng), shape, cut))


@registry.initializers("truncated_normal_init.v1")
def configure_truncated_normal_init(
    *, mean: float = 0.0, std: float = 0.02, cut: float = 2.0
) -> Callable[[Shape], FloatsXd]:
    return partial(truncated_normal_init, mean=mean, std=std, cut=cut)


def orthogonal_init(ops: Ops, shape: Shape, *, gain: float = 1.0, rng: Any = None) -> FloatsXd:
    """Rows (or columns, if there are fewer) of length gain at right angles; axes after the first count as one.

    RAISES: ValueError for less than 2 dimensions.
    SOURCE: Saxe et al. 2013, arXiv:1312.6120.
    """
    fans("orthogonal_init", shape)
    rows, columns = shape[0], int(numpy.prod(shape[1:]))
    q, r = numpy.linalg.qr(_source(rng).normal(size=(max(rows, columns), min(rows, columns))))
    q = q * numpy.where(numpy.diag(r) < 0, -1.0, 1.0)  # without this, not all directions are as likely
    return _floats(ops, (gain * (q if rows >= columns else q.T)).reshape(shape))


@registry.initializers("orthogonal_init.v1")
def configure_orthogonal_init(*, gain: float = 1.0) -> Callable[[Shape], FloatsXd]:
    return partial(orthogonal_init, gain=gain)


def constant_init(ops: Ops, shape: Shape, *, value: float = 0.0) -> FloatsXd:
    """The same number everywhere; draws nothing."""
    return _floats(ops, numpy.full(shape, value))


@registry.initializers("constant_init.v1")
def configure_constant_init(*, value: float = 0.0) -> Callable[[Shape], FloatsXd]:
    return partial(constant_init, value=value)


def identity_init(ops: Ops, shape: Shape, *, gain: float = 1.0) -> FloatsXd:
    """gain on the diagonal of a matrix, 0 elsewhere; draws nothing. RAISES: ValueError for any but 2 dimensions."""
    if len(shape) != 2:
        raise ValueError(f"identity_init: shape must have 2 dimensions; got {tuple(shape)}")
    return _floats(ops, gain * numpy.eye(*shape))


@registry.initializers("identity_init.v1")
def configure_identity_init(*, gain: float = 1.0) -> Callable[[Shape], FloatsXd]:
    return partial(identity_init, gain=gain)


def fans(name: str, shape: Shape) -> Tuple[int, int]:
    """Fan-in and fan-out of a shape (fan-out, fan-in, ...), neither below 1."""
    if len(shape) < 2:
        raise ValueError(f"{name}: shape must have at least 2 dimensions (fan-out, fan-in); got {tuple(shape)}")
    field = int(numpy.prod(shape[2:]))
    return max(1, shape[1] * field), max(1, shape[0] * field)


def _floats(ops: Ops, values: Any) -> FloatsXd:
    return ops.asarray_f(values)


def _check(name: str, argument: str, value: float, is_right: bool, what: str) -> None:
    if not is_right:
        raise ValueError(f"{name}: {argument} must be {what}; got {value}")


def _source(rng: Any) -> Any:
    return numpy.random if rng is None else rng


def _truncated(source: Any, shape: Shape, cut: float) -> Any:
    """Standard normal numbers within [-cut, cut]: those outside are drawn again."""
    values = source.normal(size=shape)
    wrong = abs(values) > cut
    while wrong.any():
        values[wrong] = source.normal(size=int(wrong.sum()))
        wrong = abs(values) > cut
    return values
