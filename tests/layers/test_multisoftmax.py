import functools

import numpy
import pytest

from thinc_core.config import registry
from thinc_core.layers import MultiSoftmax, MultiSoftmax_v2, Softmax

X = numpy.random.RandomState(0).normal(size=(4, 5)).astype("f")
WIDTHS = (2, 1, 3)
BOTH = pytest.mark.parametrize("make", [MultiSoftmax, MultiSoftmax_v2])


def build(make, dtype="f"):
    model, random = make(WIDTHS, 5).initialize(), numpy.random.RandomState(1)
    model.set_param("W", random.normal(size=(6, 5)).astype(dtype))
    model.set_param("b", random.normal(size=6).astype(dtype))
    return model


@BOTH
def test_starts_with_zeros_and_takes_its_width_from_the_input(make):
    model = make(WIDTHS).initialize(X, numpy.zeros((4, 99), dtype="f"))
    assert (model.name, model.dim_names) == ("multisoftmax", ("nO", "nI"))
    assert model.get_param("W").shape == (6, 5)
    assert not model.get_param("W").any()
    assert not model.get_param("b").any()
    with pytest.raises(ValueError, match="'nI'"):
        make(WIDTHS).initialize()
    with pytest.raises(ValueError, match="'nI'"):
        make(WIDTHS, 4).initialize(X)


def test_logits():
    model = build(functools.partial(MultiSoftmax_v2, normalize_outputs=False))
    Y, backprop = model(X, is_train=False)
    numpy.testing.assert_allclose(Y, X @ model.get_param("W").T + model.get_param("b"), rtol=1e-5)
    with pytest.raises(ValueError, match="backprop is not supported"):
        backprop(Y)
    assert model.begin_update(X)[0].sum(axis=1) == pytest.approx(len(WIDTHS))


def test_from_configs():
    for name, settings in (("MultiSoftmax.v1", {}), ("MultiSoftmax.v2", {"normalize_outputs": False})):
        config = {"@layers": name, "nOs": WIDTHS, "nI": 5, **settings}
        model = registry.resolve({"model": config})["model"]
        assert (model.get_dim("nO"), model.get_dim("nI")) == (6, 5)
        assert model.attrs.get("softmax_normalize", True) is settings.get("normalize_outputs", True)


@BOTH
def test_every_group_is_a_softmax(make):
    model = build(make)
    Y = model.predict(X)
    for start, end in ((0, 2), (2, 3), (3, 6)):
        alone = Softmax(end - start, 5).initialize()
        alone.set_param("W", model.get_param("W")[start:end])
        alone.set_param("b", model.get_param("b")[start:end])
        numpy.testing.assert_allclose(Y[:, start:end], alone.predict(X), rtol=1e-5)
    assert Y.sum(axis=1) == pytest.approx(len(WIDTHS))


@BOTH
def test_gradient_is_that_of_the_cross_entropy(make):
    model = build(make, "d")
    target = numpy.asarray([[1, 0, 1, 0, 1, 0]] * 4, dtype="d")
    x, direction, h = X.astype("d"), numpy.random.RandomState(2).normal(size=X.shape), 1e-6

    def loss(at):
        return -(target * numpy.log(model.predict(at))).sum()

    Y, backprop = model.begin_update(x)
    dX = backprop(Y - target)
    for name, change in (("W", 1e-6), ("b", 1e-6)):
        param = model.get_param(name)
        way = numpy.random.RandomState(3).normal(size=param.shape)
        model.set_param(name, param + change * way)
        up = loss(x)
        model.set_param(name, param - change * way)
        slope = (up - loss(x)) / (2 * change)
        model.set_param(name, param)
        assert (model.get_grad(name) * way).sum() == pytest.approx(slope, rel=1e-5)
    rise = (loss(x + h * direction) - loss(x - h * direction)) / (2 * h)
    assert (dX * direction).sum() == pytest.approx(rise, rel=1e-5)


@BOTH
def test_saved_widths(make):
    model = build(make)
    loaded = make(WIDTHS, 5).from_bytes(model.to_bytes())
    assert list(loaded.attrs["nOs"]) == list(WIDTHS)
    numpy.testing.assert_array_equal(loaded.predict(X), model.predict(X))


@BOTH
def test_errors(make):
    for widths in ((), (2, 0)):
        with pytest.raises(ValueError, match="nOs must be at least one positive width"):
            make(widths)
    Y, backprop = build(make).begin_update(X)
    with pytest.raises(ValueError, match=r"must have the shape of the output \(4, 6\); got \(4, 2\)"):
        backprop(Y[:, :2])
