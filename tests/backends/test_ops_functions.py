"""The functions beside the ops, in backends.ops and backends.numpy_ops."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from cases import CASES
from running import drawn

from thinc_core.backends import NumpyOps, ops
from thinc_core.backends.numpy_ops import add_gradient_noise, cpu_clip_gradient

OPS = NumpyOps()
X = numpy.linspace(-3, 3, 7, dtype="float32")


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", ["sigmoid", "dsigmoid", "dtanh"])
def test_functions_of_the_original(name: str, dtype: str) -> None:
    x = X.astype(dtype)
    result = getattr(ops, name)(x)
    assert result.dtype == dtype
    numpy.testing.assert_array_equal(result, getattr(OPS, name)(x))
    with pytest.raises(TypeError, match=f"^{name}: "):
        getattr(ops, name)([1.0])


def test_sigmoid_writes_into_out() -> None:
    out = numpy.zeros_like(X)
    assert ops.sigmoid(X, out) is out
    numpy.testing.assert_allclose(out, 1 / (1 + numpy.exp(-X)), rtol=1e-6)


def test_lstm() -> None:
    args = drawn(next(case for case in CASES if case.name == "lstm_forward_inference-1x2"), 9, 5, "float64")
    params, H0, C0, rows, sizes = args.values()
    Y, state = ops.lstm_forward_training(params, C0, H0, rows, sizes)
    expected, _ = OPS.lstm_forward_training(params, H0, C0, rows, sizes)
    numpy.testing.assert_array_equal(Y, expected)
    assert (OPS.lstm_forward_training(params, C0, H0, rows, sizes)[0] != Y).any()  # they are not the same
    dX, d_params = ops.backprop_lstm(numpy.ones_like(Y), sizes, params, state)
    assert dX.shape == rows.shape
    assert d_params.shape == params.shape
    numpy.testing.assert_array_equal(dX, OPS.backprop_lstm(numpy.ones_like(Y), sizes, params, state)[0])


def test_clip_gradient() -> None:
    gradient = numpy.full(4, 3, dtype="float32")
    assert cpu_clip_gradient(gradient, 1.0) is gradient
    numpy.testing.assert_allclose(gradient, 0.5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("level, step, deviation", [(0.5, 0, 0.5), (1.0, 3, 4**-0.55), (1e-5, 2000, 0), (0.0, 0, 0)])
def test_gradient_noise(dtype: str, level: float, step: int, deviation: float) -> None:
    numpy.random.seed(0)
    gradient = numpy.ones((200, 200), dtype=dtype)
    add_gradient_noise(gradient, level, step)
    assert gradient.dtype == dtype
    assert gradient.std() == pytest.approx(deviation, rel=0.02)
    assert gradient.mean() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    "args, kind, text",
    [
        (([1.0], 1.0, 0), TypeError, "gradient must be a numpy array; got list"),
        ((numpy.ones(2, "int32"), 1.0, 0), TypeError, "gradient must have a float dtype; got int32"),
        ((numpy.broadcast_to(X, (2, 7)), 1.0, 0), ValueError, "gradient is overwritten and must be writable"),
        ((numpy.ones(2), "much", 0), TypeError, "noise_level must be a number; got 'much'"),
        ((numpy.ones(2), 1.0, -1), ValueError, "timestep must be >= 0; got -1"),
    ],
)
def test_gradient_noise_of_wrong_arguments(args: Any, kind: Any, text: str) -> None:
    with pytest.raises(kind, match=f"^add_gradient_noise: {text}"):
        add_gradient_noise(*args)
