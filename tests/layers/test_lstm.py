"""LSTM layer: what the contract test does not know about."""

import numpy
import pytest

from thinc_core.backends import Ops
from thinc_core.layers import LSTM, with_padded
from thinc_core.util import fix_random_seed


def test_known_values():
    model = LSTM(1, 1).initialize()
    params = [0.1, 0.2, 0.3, 0.4, 0.01, 0.02, 0.03, 0.04, 0.5, 0.6, 0.7, 0.8, 0.001, 0.002, 0.003, 0.004]
    model.set_param("LSTM", model.ops.asarray1f(params))
    (Y,) = with_padded(model).predict([model.ops.asarray2f([[1], [2]])])
    numpy.testing.assert_allclose(Y, [[0.13250095], [0.35826936]], rtol=1e-6)


@pytest.mark.parametrize(
    "bi, depth, size",
    [
        (False, 1, 4 * 6 * (5 + 6 + 2)),
        (True, 3, 2 * 4 * 3 * (5 + 3 + 2) + 2 * 2 * 4 * 3 * (6 + 3 + 2)),
    ],
)
def test_shapes(bi, depth, size):
    model = LSTM(6, 5, bi=bi, depth=depth).initialize()
    dirs, nH = (2, 3) if bi else (1, 6)
    assert model.get_param("LSTM").shape == (size,)
    assert model.get_param("HC0").shape == (2, depth, dirs, nH)
    assert not model.get_param("HC0").any()
    assert model.get_dim("dirs") == dirs


def test_draws_gate_by_gate():
    """Each matrix of each gate is drawn on its own; biases are zero unless an initializer says otherwise."""
    shapes = []

    def init_W(ops, shape):
        shapes.append(shape)
        return ops.alloc_f(shape) + len(shapes)

    params = LSTM(2, 3, init_W=init_W, init_b=lambda ops, shape: ops.alloc_f(shape) + 0.5).initialize()
    assert shapes == [(2, 3)] * 4 + [(2, 2)] * 4
    expected = numpy.concatenate(
        [numpy.repeat([1, 2, 3, 4], 6), [0.5] * 8, numpy.repeat([5, 6, 7, 8], 4), [0.5] * 8],
    )
    numpy.testing.assert_array_equal(params.get_param("LSTM"), expected)


def test_initial_states_are_cells_then_outputs():
    model = LSTM(1, 1).initialize()
    model.set_param("LSTM", model.ops.alloc1f(16))
    X = model.ops.list2padded([model.ops.alloc2f(1, 1)])
    for which, expected in ((0, 0.5 * numpy.tanh(1.0)), (1, 0.0)):
        HC0 = model.ops.alloc4f(2, 1, 1, 1)
        HC0[which] = 2
        model.set_param("HC0", HC0)
        assert model.predict(X).data[0, 0, 0] == pytest.approx(expected)


def test_samples_tell_the_widths():
    Xs, Ys = [numpy.zeros((3, 5), dtype="f")], [numpy.zeros((3, 4), dtype="f")]
    model = with_padded(LSTM(bi=True)).initialize(Xs, Ys)
    assert (model.get_dim("nI"), model.get_dim("nO")) == (5, 4)
    assert model.predict(Xs)[0].shape == (3, 4)


def test_wrong_settings():
    with pytest.raises(ValueError, match=r"^lstm: depth must be >= 1; got 0$"):
        LSTM(2, 3, depth=0)
    with pytest.raises(ValueError, match=r"^lstm: nO must be even with bi=True; got 3"):
        LSTM(3, 2, bi=True).initialize()
    model = LSTM(2, 3).initialize()
    X = model.ops.list2padded([model.ops.alloc2f(2, 4)])
    with pytest.raises(ValueError, match=r"lstm: X must have width 3; got \(2, 1, 4\)"):
        model.predict(X)


def test_dropout_masks_weights_and_their_gradient():
    model = LSTM(4, 3, dropout=0.5)
    model._to_ops(Ops())
    model.initialize()
    params = numpy.random.RandomState(0).normal(size=model.get_param("LSTM").shape)
    model.set_param("LSTM", params)
    model.set_param("HC0", model.get_param("HC0").astype("float64"))
    Xs = [numpy.random.RandomState(n).normal(size=(n, 3)) for n in (3, 1)]
    X = model.ops.list2padded(Xs)
    fix_random_seed(3)
    Y, backprop = model.begin_update(X)
    fix_random_seed(3)
    mask = model.ops.get_dropout_mask(params.shape, 0.5)
    assert set(numpy.unique(mask)) == {0, 2}
    backprop(Y)
    gradient = model.get_grad("LSTM").copy()
    assert not gradient[mask == 0].any()
    assert gradient[mask > 0].any()
    model.set_param("LSTM", params * mask)
    numpy.testing.assert_allclose(model.predict(X).data, Y.data)
    model.attrs["dropout_rate"] = 0.0
    Y, backprop = model.begin_update(X)
    model.set_grad("LSTM", numpy.zeros_like(params))
    backprop(Y)
    numpy.testing.assert_allclose(model.get_grad("LSTM") * mask, gradient)


def test_learns_to_add_up_a_sequence():
    """Only a gradient that goes through every step can."""
    fix_random_seed(0)
    from thinc_core.optimizers import Adam

    random = numpy.random.RandomState(0)
    model = with_padded(LSTM(8, 1)).initialize()
    optimizer = Adam(0.02)
    losses = []
    for _ in range(150):
        Xs = [random.choice([-1.0, 1.0], size=(n, 1)).astype("f") for n in (6, 5, 4, 3)]
        Ys, backprop = model.begin_update(Xs)
        errors = [Y.mean(axis=1, keepdims=True) - numpy.cumsum(X, axis=0) / 8 for X, Y in zip(Xs, Ys)]
        backprop([numpy.repeat(error / 8, 8, axis=1).astype("f") for error in errors])
        model.finish_update(optimizer)
        losses.append(sum(float((error**2).sum()) for error in errors))
    assert numpy.mean(losses[-20:]) < 0.1 * losses[0]
