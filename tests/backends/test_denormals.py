"""Numbers below the smallest normal one: moments of optimizers decay to them, and Intel processors crawl over them."""

from __future__ import annotations

import platform
from typing import Any, Iterator, Tuple

import numpy
import pytest

from thinc_core.backends import (
    NumpyOps,
    Ops,
    active_blas,
    active_isa,
    get_num_threads,
    set_blas,
    set_isa,
    set_num_threads,
    supported_isas,
)
from thinc_core.backends.reference.optim import StepRates

pytestmark = pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64", "aarch64", "arm64") or platform.system() == "Windows",
    reason="the mode is set on x86-64 and ARM64, by GCC and Clang",
)
N = 100_000  # parts for two threads
TINY = {"float32": 1e-40, "float64": 1e-310}
ops = NumpyOps()


@pytest.fixture(params=supported_isas())
def isa(request: Any) -> Iterator[str]:
    before = active_isa()
    set_isa(request.param)
    yield request.param
    set_isa(before)


@pytest.fixture(params=[1, 2])
def threads(request: Any) -> Iterator[int]:
    before = get_num_threads()
    set_num_threads(request.param)
    yield request.param
    set_num_threads(before)


def arrays(dtype: str, *values: float) -> Tuple[Any, ...]:
    return tuple(numpy.full(N, value, dtype) for value in values)


def counts_denormals() -> bool:
    """Whether this thread, and kernels on all of them, still compute with such numbers."""
    X = numpy.full(N, 2e-40, "float32")
    return bool((X * numpy.float32(0.5) > 0).all() and (ops.clipped_linear(X, slope=0.5) > 0).all())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_moments_of_adam_come_to_zero(isa: str, threads: int, dtype: str) -> None:
    w, g, m, v = arrays(dtype, 0.5, 0.0, TINY[dtype], TINY[dtype])
    ops.adam(w, g, m, v, 0.9, 0.999, 1e-8, 0.001)
    assert (w == numpy.array(0.5, dtype)).all()
    assert not m.any()
    assert not v.any()
    assert counts_denormals()


def test_squares_of_small_gradients_do_no_harm(isa: str) -> None:
    args = arrays("float32", 0.5, 1e-21, 1e-20, 1e-40)
    expected = [array.copy() for array in args]
    ops.adam(*args, 0.9, 0.999, 1e-8, 0.001)
    Ops().adam(*expected, 0.9, 0.999, 1e-8, 0.001)
    for actual, wanted in zip(args, expected):
        numpy.testing.assert_allclose(actual, wanted, rtol=1e-6, atol=1.2e-38)


def test_a_root_that_is_divided_by_alone_stays(isa: str) -> None:
    """With eps 0 a second moment of zero would make a step without limit."""
    w, g, m, v = arrays("float32", 0.5, 0.0, 1e-21, 1e-42)
    ops.adam(w, g, m, v, 0.9, 0.999, 0.0, 0.001)
    assert v.all()
    numpy.testing.assert_allclose(w, 0.5 - 0.001 * 0.9e-21 / numpy.sqrt(0.999e-42), rtol=1e-4)


@pytest.mark.parametrize("kind", [{"beta2": 0.999}, {"momentum_rate": 0.01}, {"by_sign": 1.0, "beta2": 0.99}])
def test_moments_of_every_kind_come_to_zero(isa: str, threads: int, kind: Any) -> None:
    w, g, m, v = arrays("float32", 0.5, 0.0, 1e-40, 1e-40)
    both = set(kind) == {"beta2"}
    rates = StepRates(t=9, learn_rate=0.01, beta1=0.9, **{"eps": 1e-8, **kind})
    ops.apply_gradients([w], [g], [m], [v if both else None], [None], [rates])
    assert (w == numpy.float32(0.5)).all()
    assert not m.any()
    assert v.any() != both
    assert counts_denormals()


@pytest.fixture
def native() -> Iterator[None]:
    before = active_blas()
    set_blas("native")
    yield
    set_blas(before)


@pytest.mark.parametrize("B", [1, 3, 40, 700])
def test_products_take_them_for_zeros(isa: str, threads: int, native: None, B: int) -> None:
    X, W = numpy.full((B, 96), 1e-40, "float32"), numpy.ones((64, 96), "float32")
    b, dW = numpy.zeros(64, "float32"), numpy.full((64, 96), 3.0, "float32")
    dY = numpy.full((B, 64), 1e-40, "float32")
    assert not ops.affine(X, W, b).any()
    assert not ops.affine_maxout(X, W.reshape(32, 2, 96), b.reshape(32, 2))[0].any()
    assert not ops.backprop_affine(dY, X, W, dW, b).any()
    assert (dW == 3.0).all()
    assert counts_denormals()
