"""thinc_core.backends.cblas, called from outside of thinc_core: what its functions compute, and replacing them."""

from __future__ import annotations

from typing import Any, Iterator, List

import numpy
import pytest
from outside import outside_module

from thinc_core.backends import NumpyOps
from thinc_core.backends.cblas import CBlas, active_blas, available_blas, set_blas

DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])
NAMES = ["sgemm", "dgemm", "saxpy", "daxpy", "sscal", "dscal"]


@pytest.fixture(scope="module")
def calls(pytestconfig: pytest.Config) -> Any:
    return outside_module("blas_calls", pytestconfig)


@pytest.fixture(params=available_blas())
def cblas(request: Any) -> Iterator[CBlas]:
    """The table of NumpyOps, with each of the providers."""
    before = active_blas()
    set_blas(request.param)
    yield NumpyOps().cblas()
    set_blas(before)


def numbers(dtype: str, *shape: int) -> Any:
    """Small integers, whose sums are exact."""
    return numpy.random.default_rng(shape).integers(-3, 4, shape).astype(dtype)


@DTYPES
@pytest.mark.parametrize("tA, tB", [(False, False), (False, True), (True, False), (True, True)])
def test_gemm(calls: Any, cblas: CBlas, tA: bool, tB: bool, dtype: str) -> None:
    """Of matrices that are the left upper part of stored ones."""
    M, N, K = 5, 7, 3
    A, B = numbers(dtype, *((K, M + 2) if tA else (M, K + 2))), numbers(dtype, *((N, K + 1) if tB else (K, N + 1)))
    product = (A.T if tA else A)[:M, :K] @ (B.T if tB else B)[:K, :N]
    for alpha, beta in ((1, 0), (2, 1), (0.5, -2), (0, 3)):
        C = numbers(dtype, M, N)
        expected = alpha * product + beta * C
        calls.gemm(cblas, tA, tB, K, alpha, A, B, beta, C)
        numpy.testing.assert_array_equal(C, expected)


@DTYPES
@pytest.mark.parametrize("incx, incy", [(1, 1), (2, 3)])
def test_axpy_and_scal(calls: Any, cblas: CBlas, incx: int, incy: int, dtype: str) -> None:
    x, y = numbers(dtype, 20), numbers(dtype, 21)
    expected = y.copy()
    expected[: 6 * incy : incy] += 2 * x[: 6 * incx : incx]
    calls.axpy(cblas, 6, 2, x, incx, y, incy)
    numpy.testing.assert_array_equal(y, expected)
    expected[: 5 * incx : incx] *= 3
    calls.scal(cblas, 5, 3, y, incx)
    numpy.testing.assert_array_equal(y, expected)


def results(calls: Any, cblas: CBlas) -> List[float]:
    """What each of NAMES writes: all of them compute with ones."""
    found = []
    for dtype in ("float32", "float64"):
        one, C, y, x = (numpy.ones(shape, dtype) for shape in ((1, 1), (1, 1), 1, 1))
        calls.gemm(cblas, False, False, 1, 20, one, one, 0, C)
        calls.axpy(cblas, 1, 30, x, 1, y, 1)
        calls.scal(cblas, 1, 40, x, 1)
        found.append((C[0, 0], y[0], x[0]))
    return [float(value) for pair in zip(*found) for value in pair]


@pytest.mark.parametrize("name", NAMES)
def test_replaced_functions(calls: Any, name: str) -> None:
    """The object changes for all its holders, no other object does, and the other functions stay."""
    expected = [20.0, 20.0, 31.0, 31.0, 40.0, 40.0]
    mine, other = CBlas(), CBlas()
    holder = mine
    assert results(calls, holder) == expected
    calls.replace(mine, name)
    changed = [i + 1.0 if each == name else value for i, (each, value) in enumerate(zip(NAMES, expected))]
    assert results(calls, holder) == changed
    for apart in (other, CBlas(), NumpyOps().cblas()):
        assert results(calls, apart) == expected
