"""Initial values of parameters: `init(ops, shape, **settings) -> float32 array on ops`.

Samples are drawn from NumPy's global generator in float64 with the shape of the result and then moved to the backend,
so they follow `fix_random_seed` and do not depend on the backend. The fan-based ones read axis 1 as fan-in and axis 0
as fan-out whatever the rank.
"""

from typing import Any, Callable, Tuple

import numpy

from .backends import Ops
from .config import registry
from .types import FloatsXd, Shape
from .util import partial

__all__ = [
    "glorot_normal_init",
    "glorot_uniform_init",
    "he_normal_init",
    "he_uniform_init",
    "lecun_normal_init",
    "lecun_uniform_init",
    "normal_init",
    "uniform_init",
    "zero_init",
]


def lecun_normal_init(ops: Ops, shape: Shape) -> FloatsXd:
    """N(0, sqrt(1 / fan_in)). SOURCE: LeCun et al. 1998, "Efficient BackProp", section 4.6."""
    return _normal(ops, shape, 1.0 / _fans("lecun_normal_init", shape)[0])


@registry.initializers("lecun_normal_init.v1")
def configure_lecun_normal_init() -> Callable[[Shape], FloatsXd]:
    return partial(lecun_normal_init)


def he_normal_init(ops: Ops, shape: Shape) -> FloatsXd:
    """N(0, sqrt(2 / fan_in)). SOURCE: He et al. 2015, arXiv:1502.01852, equation 10."""
    return _normal(ops, shape, 2.0 / _fans("he_normal_init", shape)[0])


@registry.initializers("he_normal_init.v1")
def configure_he_normal_init() -> Callable[[Shape], FloatsXd]:
    return partial(he_normal_init)


def glorot_normal_init(ops: Ops, shape: Shape) -> FloatsXd:
    """N(0, sqrt(2 / (fan_in + fan_out))). SOURCE: Glorot & Bengio 2010, equation 12."""
    return _normal(ops, shape, 2.0 / sum(_fans("glorot_normal_init", shape)))


@registry.initializers("glorot_normal_init.v1")
def configure_glorot_normal_init() -> Callable[[Shape], FloatsXd]:
    return partial(glorot_normal_init)


def he_uniform_init(ops: Ops, shape: Shape) -> FloatsXd:
    """U(-a, a) with a = sqrt(6 / fan_in). SOURCE: He et al. 2015, arXiv:1502.01852."""
    return _uniform(ops, shape, 6.0 / _fans("he_uniform_init", shape)[0])


@registry.initializers("he_uniform_init.v1")
def configure_he_uniform_init() -> Callable[[Shape], FloatsXd]:
    return partial(he_uniform_init)


def lecun_uniform_init(ops: Ops, shape: Shape) -> FloatsXd:
    """U(-a, a) with a = sqrt(3 / fan_in). SOURCE: LeCun et al. 1998, "Efficient BackProp", section 4.6."""
    return _uniform(ops, shape, 3.0 / _fans("lecun_uniform_init", shape)[0])


@registry.initializers("lecun_uniform_init.v1")
def configure_lecun_uniform_init() -> Callable[[Shape], FloatsXd]:
    return partial(lecun_uniform_init)


def glorot_uniform_init(ops: Ops, shape: Shape) -> FloatsXd:
    """U(-a, a) with a = sqrt(6 / (fan_in + fan_out)). SOURCE: Glorot & Bengio 2010, equation 16."""
    return _uniform(ops, shape, 6.0 / sum(_fans("glorot_uniform_init", shape)))


@registry.initializers("glorot_uniform_init.v1")
def configure_glorot_uniform_init() -> Callable[[Shape], FloatsXd]:
    return partial(glorot_uniform_init)


def zero_init(ops: Ops, shape: Shape) -> FloatsXd:
    """Zeros; draws nothing."""
    return ops.alloc_f(shape)


@registry.initializers("zero_init.v1")
def configure_zero_init() -> Callable[[Shape], FloatsXd]:
    return partial(zero_init)


def uniform_init(ops: Ops, shape: Shape, *, lo: float = -0.1, hi: float = 0.1) -> FloatsXd:
    """U(lo, hi)."""
    return _floats(ops, numpy.random.uniform(lo, hi, shape))


@registry.initializers("uniform_init.v1")
def configure_uniform_init(*, lo: float = -0.1, hi: float = 0.1) -> Callable[[Shape], FloatsXd]:
    return partial(uniform_init, lo=lo, hi=hi)


def normal_init(ops: Ops, shape: Shape, *, mean: float = 0) -> FloatsXd:
    """N(0, mean): this first version takes `mean` as the scale, so its default gives zeros; see `normal_init_v2`."""
    return _floats(ops, numpy.random.normal(scale=mean, size=shape))


@registry.initializers("normal_init.v1")
def configure_normal_init(*, mean: float = 0) -> Callable[[Shape], FloatsXd]:
    return partial(normal_init, mean=mean)


def normal_init_v2(ops: Ops, shape: Shape, *, mean: float = 0.0, std: float = 0.02) -> FloatsXd:
    """N(mean, std)."""
    return _floats(ops, numpy.random.normal(mean, std, shape))


@registry.initializers("normal_init.v2")
def configure_normal_init_v2(*, mean: float = 0.0, std: float = 0.02) -> Callable[[Shape], FloatsXd]:
    return partial(normal_init_v2, mean=mean, std=std)


def _floats(ops: Ops, values: Any) -> FloatsXd:
    return ops.asarray_f(values)


def _fans(name: str, shape: Shape) -> Tuple[int, int]:
    if len(shape) < 2:
        raise ValueError(f"{name}: shape must have at least 2 dimensions (fan-out, fan-in); got {tuple(shape)}")
    return max(1, shape[1]), max(1, shape[0])


def _uniform(ops: Ops, shape: Shape, variance3: float) -> FloatsXd:
    bound = float(numpy.sqrt(variance3))
    return _floats(ops, numpy.random.uniform(-bound, bound, shape))


def _normal(ops: Ops, shape: Shape, variance: float) -> FloatsXd:
    return _floats(ops, numpy.random.normal(scale=float(numpy.sqrt(variance)), size=shape))
