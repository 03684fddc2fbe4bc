"""thinc_core.backends.linalg, called from a module outside of thinc_core, compared with NumPy in float64."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy import float32
from outside import outside_module

QUIET = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
VALUES = st.lists(st.floats(-4, 4, width=32), max_size=9).map(lambda values: numpy.array(values, "f"))
FEW = st.sampled_from([-1.0, 0.0, 1.0, 2.0])
HALF_ULP = 2.0**-24  # results are rounded to float once, from double
TINY = 1e-37  # subnormal floats have fewer digits


@pytest.fixture(scope="module")
def vectors(pytestconfig: pytest.Config) -> Any:
    return outside_module("vectors", pytestconfig)


def wide(*arrays: Any) -> Any:
    return [array.astype("d") for array in arrays] if len(arrays) > 1 else arrays[0].astype("d")


def close(actual: Any, expected: Any, roundings: int = 1) -> None:
    numpy.testing.assert_allclose(actual, expected, rtol=roundings * HALF_ULP * 1.01, atol=TINY)


@given(scores=st.lists(FEW, min_size=1, max_size=6))
@QUIET
def test_arg_max_takes_the_first_but_of_two_equals_the_second(vectors: Any, scores: Any) -> None:
    tied_pair = len(scores) == 2 and scores[0] == scores[1]
    assert vectors.arg_max(float32(scores)) == (1 if tied_pair else numpy.argmax(scores))


@pytest.mark.parametrize("scores, index", [([], 0), ([3], 0), ([1, 1], 1), ([2, 1], 0), ([1, 2], 1), ([1, 1, 1], 0)])
def test_arg_max_of_few(vectors: Any, scores: Any, index: int) -> None:
    assert vectors.arg_max(float32(scores)) == index


REDUCTIONS = {
    "max": lambda x: x.max(initial=-9) if len(x) else 0,
    "sum": numpy.sum,
    "norm": numpy.linalg.norm,
    "mean": lambda x: x.mean() if len(x) else 0,
    "variance": lambda x: x.var() if len(x) else 0,
}


@pytest.mark.parametrize("name", REDUCTIONS)
@given(x=VALUES)
@QUIET
def test_reductions(vectors: Any, name: str, x: Any) -> None:
    numpy.testing.assert_allclose(vectors.reduce(name, x), REDUCTIONS[name](wide(x)), rtol=2 * HALF_ULP, atol=1e-15)


def test_variance_far_from_zero(vectors: Any) -> None:
    x = float32([10000, 10001, 10002, 10003])
    assert vectors.reduce("variance", x) == 1.25


def test_sum_of_many(vectors: Any) -> None:
    """In float alone the sum of 20 million ones stops at 2 ** 24."""
    x = numpy.ones(20_000_000, "f")
    assert (vectors.reduce("sum", x), vectors.dot(x, x), vectors.reduce("mean", x)) == (20_000_000, 20_000_000, 1)


SCALAR = {
    "add": lambda x, value: x + value,
    "mul": lambda x, value: x * value,
    "pow": lambda x, value: abs(x) ** value,
    "div": lambda x, value: x / value,
    "exp": lambda x, value: numpy.exp(x),
    "reciprocal": lambda x, value: 1 / x,
}


@pytest.mark.parametrize("name", SCALAR)
@given(x=VALUES, value=st.sampled_from([0.5, 2.0, 3.0, -1.5]))
@QUIET
def test_with_a_number(vectors: Any, name: str, x: Any, value: float) -> None:
    if name in ("pow", "reciprocal"):
        x = abs(x) + float32(0.25)
    expected, before = SCALAR[name](wide(x), value), x.copy()
    if name != "reciprocal":
        output = numpy.full_like(x, 7)
        vectors.scalar(name, output, x, value)
        close(output, expected)
        numpy.testing.assert_array_equal(x, before)
    vectors.scalar_i(name, x, value)
    close(x, expected)


def test_division_by_zero_is_that_of_ieee(vectors: Any) -> None:
    x = float32([1, -1, 0])
    vectors.scalar_i("div", x, 0)
    numpy.testing.assert_array_equal(x, [numpy.inf, -numpy.inf, numpy.nan])
    x = float32([0, 4])
    vectors.scalar_i("reciprocal", x, 0)
    numpy.testing.assert_array_equal(x, [numpy.inf, 0.25])


PAIRWISE = {
    "add": lambda x, y, value: x + value * y,
    "add_pow": lambda x, y, value: x + y**value,
    "mul": lambda x, y, value: x * y,
}


@pytest.mark.parametrize("name", PAIRWISE)
@given(x=VALUES, value=st.sampled_from([0.5, 2.0, 3.0]))
@QUIET
def test_with_another_vector(vectors: Any, name: str, x: Any, value: float) -> None:
    y = abs(x[::-1]) + float32(0.5)
    terms = abs(wide(x)) + abs(PAIRWISE[name](0 * wide(x), wide(y), value))
    expected, output, before = PAIRWISE[name](*wide(x, y), value), numpy.full_like(x, 7), x.copy()
    vectors.pairwise(name, output, x, y, value)
    assert numpy.all(abs(output - expected) <= 3 * HALF_ULP * (terms + abs(expected)) + TINY)
    numpy.testing.assert_array_equal(x, before)
    vectors.pairwise_i(name, x, y, value)
    numpy.testing.assert_array_equal(x, output)


@given(x=VALUES, rows=st.integers(0, 4))
@QUIET
def test_batch_add(vectors: Any, x: Any, rows: int) -> None:
    y = numpy.arange(rows * len(x), dtype="f")
    expected = x + 0.5 * y.reshape(rows, len(x)).sum(axis=0)
    vectors.batch_add_i(x, y, 0.5, rows)
    numpy.testing.assert_allclose(x, expected, rtol=1e-6, atol=1e-5)


@given(x=VALUES)
@QUIET
def test_dot(vectors: Any, x: Any) -> None:
    y = x[::-1].copy()
    numpy.testing.assert_allclose(vectors.dot(x, y), wide(x) @ wide(y), rtol=HALF_ULP * 2, atol=1e-14)


@given(pairs=st.lists(st.tuples(FEW, st.sampled_from([0, 1, -1, 2])), max_size=6))
@QUIET
def test_arg_max_of_some(vectors: Any, pairs: Any) -> None:
    scores, marks = float32([score for score, _ in pairs]), numpy.int32([mark for _, mark in pairs])
    for found, chosen in (
        (vectors.arg_max_if_true(scores, marks), marks != 0),
        (vectors.arg_max_if_zero(scores, float32(marks)), marks == 0),
    ):
        expected = -1 if not chosen.any() else numpy.argmax(numpy.where(chosen, scores, -numpy.inf))
        assert found == expected


@given(rows=st.integers(0, 5), columns=st.integers(0, 4), seed=st.integers(0, 99))
@QUIET
def test_means_and_variances_of_columns(vectors: Any, rows: int, columns: int, seed: int) -> None:
    cells = numpy.random.RandomState(seed).normal(1000, 1, (rows, columns)).astype("f")
    means, variances = numpy.full(columns, 7, "f"), numpy.full(columns, 7, "f")
    vectors.mean_row(means, cells)
    close(means, wide(cells).mean(axis=0) if rows else numpy.zeros(columns), 2)
    vectors.var_row(variances, cells, means, 0.125)
    expected = wide(cells).var(axis=0) + 0.125 if rows else numpy.full(columns, 7.0)
    numpy.testing.assert_allclose(variances, expected, rtol=1e-6)


def test_matrix_holds_its_memory(vectors: Any) -> None:
    made, total = vectors.matrix(3, 4)
    assert (made.nr_row, made.nr_col, made.mem.size, total) == (3, 4, 48, 6.0)
    with pytest.raises(AttributeError):
        made.nr_row = 5
