"""Every instruction set gives the same bits where that is promised, can be forced by name, and is the one that runs."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from typing import Any

import numpy
import pytest
from cases import CASES, Case, Draw
from running import call, copied, outputs

from thinc_core.backends import NumpyOps, active_isa, set_isa, supported_isas

BASELINE = supported_isas()[-1]
OPS = NumpyOps()
# Matrix products and what is fused to them use fused multiply-add where there is one.
FUSED = {
    "gemm",
    "affine",
    "affine_relu",
    "affine_activation",
    "affine_maxout",
    "affine_maxout_layernorm",
    "backprop_affine",
    "backprop_affine_maxout",
    "lstm_forward_training",
    "lstm_forward_inference",
    "backprop_lstm",
    "backprop_lstm_states",
}
SAME_BITS = [case for case in CASES if case.op not in FUSED]


def run(case: Case, rows: int, width: int, dtype: str, isa: str) -> Any:
    set_isa(isa)
    args = copied(case.make(Draw(rows, width, dtype)))
    return outputs(OPS, case, args, call(OPS, case, args))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", SAME_BITS, ids=lambda case: case.name)
def test_same_bits_as_baseline(isa: str, case: Case, dtype: str) -> None:
    for rows, width in [(1, 1), (3, 15), (5, 33), (70, 96)]:
        here, there = (run(case, rows, width, dtype, name) for name in (isa, BASELINE))
        for name, array in here.items():
            numpy.testing.assert_array_equal(array, there[name], err_msg=f"{name} at {rows} x {width}")


def test_the_forced_one_runs() -> None:
    if "THINC_CORE_ISA" in os.environ:
        assert active_isa() == os.environ["THINC_CORE_ISA"]
    assert active_isa() in supported_isas()


def test_set_isa(isa: str) -> None:
    assert active_isa() == isa


def test_set_isa_refuses_what_it_does_not_know() -> None:
    before = active_isa()
    with pytest.raises(ValueError, match=rf"set_isa: name must be one of .*'{BASELINE}'.*; got 'mmx'"):
        set_isa("mmx")
    assert active_isa() == before


def run_python(code: str, isa: str) -> Any:
    environment = {**os.environ, "THINC_CORE_ISA": isa}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("name", supported_isas())
def test_environment_variable_chooses(name: str) -> None:
    done = run_python("from thinc_core.backends import active_isa; print(active_isa())", name)
    assert done.stdout.strip() == name, done.stderr


def test_environment_variable_that_cannot_be_honoured() -> None:
    done = run_python("import thinc_core.backends", "avx9000")
    assert done.returncode != 0
    assert "THINC_CORE_ISA" in done.stderr
    assert BASELINE in done.stderr
    assert "avx9000" in done.stderr


def worst_ulp(actual: Any, expected: Any) -> float:
    """Largest error in units in the last place of each expected value."""
    return float((numpy.abs(actual - expected) / numpy.spacing(numpy.abs(expected).astype(actual.dtype))).max())


def erf(X: Any) -> Any:
    return numpy.array([math.erf(x) for x in X])


def sigmoid(X: Any) -> Any:
    return numpy.array([1 / (1 + math.exp(-x)) for x in X])


def gelu(X: Any) -> Any:
    return numpy.array([0.5 * x * math.erfc(-x / math.sqrt(2)) for x in X])


# The bounds that vmath.h states, over ranges in which the expected values of math are exact enough to judge by.
@pytest.mark.parametrize(
    "op, exact, low, high, bound",
    [
        ("sigmoid", sigmoid, -80, 80, 4),  # exp_, a sum and a quotient
        ("erf", erf, -5, 5, 4),
        ("gelu", gelu, -1, 20, 20),  # normal_tail_: three squarings of a polynomial
        ("gelu", gelu, -5.9, -1, 130),  # and its far tail
    ],
)
def test_accuracy_of_vector_math(isa: str, op: str, exact: Any, low: float, high: float, bound: float) -> None:
    X = numpy.random.default_rng(0).uniform(low, high, 20000).astype("float32")
    assert worst_ulp(getattr(OPS, op)(X), exact(X.astype("float64"))) <= bound
