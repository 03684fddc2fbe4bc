"""Windows in front of a dense layer are not written out: the same numbers, and only where nothing was changed."""

import functools

import numpy
import pytest

from thinc_core.backends import Ops, get_current_ops
from thinc_core.layers import (
    ClippedLinear,
    Gelu,
    LayerNorm,
    Linear,
    Maxout,
    Relu,
    Softmax,
    _steps,
    _windows,
    chain,
    expand_window,
    noop,
)
from thinc_core.layers.maxout import forward as maxout_forward
from thinc_core.types import Ragged
from thinc_core.util import fix_random_seed

from .test_fusion import everything

BEHIND_WINDOWS = {
    "Linear": lambda nI: Linear(4, nI),
    "Relu": lambda nI: Relu(4, nI),
    "Gelu": lambda nI: Gelu(4, nI),
    "ClippedLinear": lambda nI: ClippedLinear(4, nI, normalize=True),
    "Softmax": lambda nI: Softmax(4, nI),
    "Maxout": lambda nI: Maxout(4, nI),
    "normalized": lambda nI: Maxout(4, nI, normalize=True),
    "dropout": lambda nI: Maxout(4, nI, normalize=True, dropout=0.3),
    "chains": lambda nI: chain(chain(Maxout(4, nI), Linear(4, 4)), Relu(3, 4)),
}


def windowed(make, nW=1, dtype="float32"):
    fix_random_seed(0)
    model = chain(expand_window(nW), make(5 * (2 * nW + 1))).initialize()
    for node in model.walk():
        for name in node.param_names:
            node.set_param(name, numpy.random.standard_normal(node.get_param(name).shape).astype(dtype))
    return model


def steps(model, X):
    return [type(step).__name__ for step in _steps.steps_of(model.layers, X)]


@pytest.mark.parametrize("ops", [None, Ops()], ids=["current", "reference"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("make", BEHIND_WINDOWS.values(), ids=BEHIND_WINDOWS)
def test_windows_that_are_not_written_out(make, dtype, ops, monkeypatch):
    for nW, n_rows in ((1, 30), (2, 3), (3, 1), (0, 5)):
        X = numpy.random.default_rng(1).standard_normal((n_rows, 5)).astype(dtype)
        results = []
        for fuse in (True, False):
            model = windowed(make, nW, dtype)
            if ops is not None:
                model._to_ops(ops)
            with monkeypatch.context() as patch:
                if not fuse:
                    patch.setattr(_steps, "steps_of", lambda layers, X: layers)
                assert (steps(model, X)[0] == "Windows") == fuse
                results.append(everything(model, X))
        for a, b in zip(*results):
            assert a.dtype == b.dtype == dtype
            # A foreign BLAS leaves rows that overlap to our own product, which adds up in another order.
            near = 2e-5 if dtype == "float32" else 1e-13
            numpy.testing.assert_allclose(a, b, rtol=near, atol=near * abs(b).max())


def test_when_windows_are_not_written_out():
    X = numpy.ones((9, 5), dtype="f")
    model = windowed(BEHIND_WINDOWS["normalized"])
    assert steps(model, X) == ["Windows", "Model"]
    assert steps(chain(model.layers[0], *model.layers[1].layers), X) == ["Windows", "NormalizedMaxout"]
    for other in (X[:0], X.astype("f2"), X.astype("i"), X[0], Ragged(X, numpy.asarray([9], dtype="i"))):
        assert steps(model, other) == ["Model", "Model"]
    assert steps(chain(expand_window(), noop()), X) == ["Model", "Model"]
    assert steps(chain(expand_window(), LayerNorm(15)), X) == ["Model", "Model"]
    model.layers[1].layers[0].replace_callbacks(functools.wraps(maxout_forward)(lambda *args: maxout_forward(*args)))
    assert steps(model, X) == ["Model", "Model"]
    model = windowed(BEHIND_WINDOWS["Maxout"])
    model.layers[0].replace_callbacks(lambda layer, X, is_train: (X, lambda dY: dY))
    assert steps(model, X) == ["Model", "Model"]


def test_windows_are_for_reading():
    X = numpy.arange(6.0, dtype="f").reshape(3, 2)
    wide = _windows.windows(X, 1)
    numpy.testing.assert_array_equal(wide, [[0, 0, 0, 1, 2, 3], [0, 1, 2, 3, 4, 5], [2, 3, 4, 5, 0, 0]])
    with pytest.raises(ValueError, match="read-only"):
        wide[0, 0] = 1


def test_errors_behind_windows_name_the_layer():
    model = windowed(BEHIND_WINDOWS["normalized"])
    with pytest.raises(ValueError, match=r"maxout \(1st layer of chain\): X must have width 15; got \(9, 12\)"):
        model.predict(numpy.ones((9, 4), dtype="f"))
    _, backprop = model.begin_update(numpy.ones((9, 5), dtype="f"))
    with pytest.raises(ValueError, match="dY"):
        backprop(numpy.ones((9, 3), dtype="f"))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dense_ops_take_rows_any_distance_apart(dtype):
    """As of a copy in C order; a foreign BLAS leaves rows that overlap to our own product."""
    ops, random = get_current_ops(), numpy.random.default_rng(0)
    base = random.standard_normal((20, 30)).astype(dtype)
    rows = base.strides[0]
    for X in (
        _windows.windows(base[:, :4], 1),
        base[:, 3:15],
        base[::2, :12],
        base[::-1, :12],
        base[:, :24:2],
        base.T[:20, :12],
        numpy.broadcast_to(base[0, :12], (20, 12)),
        base[:1, 5:17],
        base[:0, :12],
        numpy.ndarray((18, 12), dtype, base, 0, (rows, base.itemsize)),
        numpy.frombuffer(b"x" + base.tobytes(), dtype=numpy.uint8)[1:].view(dtype).reshape(20, 30)[:, :12],
    ):
        copy = numpy.array(X, dtype=dtype, order="C")
        W, W3 = random.standard_normal((7, 12)).astype(dtype), random.standard_normal((7, 2, 12)).astype(dtype)
        b, b2 = random.standard_normal(7).astype(dtype), random.standard_normal((7, 2)).astype(dtype)
        for run in (
            lambda X: [ops.affine(X, W, b), ops.affine_relu(X, W, b), ops.affine_softmax(X, W, b)],  # noqa: B023
            lambda X: ops.affine_activation(X, W, b, "gelu"),  # noqa: B023
            lambda X: ops.affine_maxout(X, W3, b2),  # noqa: B023
            lambda X: ops.affine_maxout_layernorm(X, W3, b2, b, b),  # noqa: B023
        ):
            for found, expected in zip(run(X), run(copy)):
                near = 1e-5 if dtype == "float32" else 1e-13
                numpy.testing.assert_allclose(found, expected, rtol=near, atol=near * abs(expected).max(initial=0))
