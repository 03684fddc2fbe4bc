import numpy
import pytest

from thinc_core.layers import Softmax, Softmax_v2, softmax_activation
from thinc_core.layers.softmax import validate_temperature

X = numpy.random.RandomState(0).normal(size=(4, 5)).astype("f")
TARGET = numpy.eye(3, dtype="f")[[0, 2, 1, 0]]


def build(**kwargs):
    model = Softmax_v2(3, 5, **kwargs).initialize()
    random = numpy.random.RandomState(1)
    return model_with(model, W=random.normal(size=(3, 5)), b=random.normal(size=3))


def model_with(model, **params):
    for name, value in params.items():
        model.set_param(name, value.astype("f"))
    return model


def test_starts_uniform():
    assert Softmax(4, 5).initialize().predict(X) == pytest.approx(0.25)


@pytest.mark.parametrize("temperature", [1.0, 0.5, 3.0])
def test_gradient_is_that_of_the_cross_entropy(temperature):
    model = build(temperature=temperature)

    def loss():
        return float(-(TARGET * numpy.log(model.predict(X).astype("d"))).sum())

    Y, backprop = model.begin_update(X)
    assert Y.sum(axis=1) == pytest.approx(1)
    dX = backprop(Y - TARGET)
    for name, h in (("W", 1e-3), ("b", 1e-3)):
        param, direction = model.get_param(name), numpy.ones_like(model.get_param(name))
        direction.flat[::2] = -0.5
        model.set_param(name, param + h * direction)
        rise = loss()
        model.set_param(name, param - h * direction)
        rise -= loss()
        model.set_param(name, param)
        assert (model.get_grad(name) * direction).sum() == pytest.approx(rise / (2 * h), rel=1e-3)
    W, b = model.get_param("W").astype("d"), model.get_param("b").astype("d")
    logits = (X @ W.T + b) / temperature
    expected = numpy.exp(logits) / numpy.exp(logits).sum(axis=1, keepdims=True)
    numpy.testing.assert_allclose(Y, expected, rtol=1e-5)
    numpy.testing.assert_allclose(dX, (expected - TARGET) @ W / temperature, rtol=1e-4, atol=1e-6)


def test_logits():
    model = build(normalize_outputs=False, temperature=2.0)
    logits = X @ model.get_param("W").T + model.get_param("b")
    Y, backprop = model(X, is_train=False)
    numpy.testing.assert_allclose(Y, logits, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="backprop is not supported"):
        backprop(Y)
    assert model.begin_update(X)[0].sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_temperature(temperature):
    with pytest.raises(ValueError, match=r"softmax temperature.*zero"):
        Softmax_v2(temperature=temperature)
    with pytest.raises(ValueError, match=r"softmax temperature.*zero"):
        validate_temperature(temperature)
    model = build()
    model.attrs["softmax_temperature"] = temperature
    with pytest.raises(ValueError, match=r"softmax temperature.*zero"):
        model.predict(X)


@pytest.mark.parametrize("make", [lambda: build(), softmax_activation])
def test_gradient_of_wrong_shape_or_dtype(make):
    Y, backprop = make().begin_update(X)
    with pytest.raises(ValueError, match=r"must have the shape of the output \(4, "):
        backprop(Y[:3])
    with pytest.raises(ValueError, match="must have the dtype of the output float32; got float64"):
        backprop(Y.astype("d"))


def test_samples_may_disagree_with_set_dims():
    model = Softmax(3, 5).initialize(X, numpy.zeros((4, 7), dtype="f"))
    assert model.get_dim("nO") == 3


def test_attrs_are_loaded():
    saved = build(normalize_outputs=False, temperature=2.0)
    loaded = Softmax(3, 5).from_bytes(saved.to_bytes())
    assert loaded.attrs == {"softmax_normalize": False, "softmax_temperature": 2.0}
    numpy.testing.assert_array_equal(loaded.predict(X), saved.predict(X))
