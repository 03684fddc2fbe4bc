"""RMSNorm and BatchNorm: values, running statistics."""

import numpy
import pytest

from thinc_core.backends import Ops
from thinc_core.layers import BatchNorm, Linear, RMSNorm, chain
from thinc_core.optimizers import SGD


def random_rows(*shape, dtype="float64", seed=0):
    return numpy.random.RandomState(seed).normal(loc=0.5, scale=2.0, size=shape).astype(dtype)


def test_rmsnorm_of_a_row():
    model = RMSNorm(4, eps=0.0).initialize()
    model.get_param("G")[3] = 2
    numpy.testing.assert_allclose(
        model.predict(numpy.asarray([[1, 1, 1, 1], [3, 0, 0, 4]], "f")), [[1, 1, 1, 2], [1.2, 0, 0, 3.2]], rtol=1e-6
    )


def test_rmsnorm_knows_its_width_from_a_neighbour():
    model = chain(Linear(5), RMSNorm()).initialize(random_rows(2, 3, dtype="float32"))
    assert model.layers[1].get_param("G").shape == (5,)
    assert model.get_dim("nO") == 5


def batchnorm(**settings):
    model = BatchNorm(3, **settings)
    model._to_ops(Ops())
    model.initialize()
    random = numpy.random.RandomState(1)
    for name in ("G", "b"):
        model.set_param(name, random.normal(size=3))
    for name in ("mean", "var"):
        model.set_param(name, model.get_param(name).astype("float64"))
    return model


def test_batchnorm_trains_on_the_statistics_of_the_batch():
    model, X = batchnorm(), random_rows(7, 3)
    Y, _ = model.begin_update(X)
    expected = (X - X.mean(axis=0)) / numpy.sqrt(X.var(axis=0) + 1e-5)
    numpy.testing.assert_allclose(Y, expected * model.get_param("G") + model.get_param("b"))


def test_batchnorm_gradients_while_training():
    """The statistics depend on the input, so that the contract of all layers, which predicts, does not see this."""
    model, X, h = batchnorm(), random_rows(6, 3), 1e-6
    random = numpy.random.RandomState(2)
    dY, direction = random.normal(size=X.shape), random.normal(size=X.shape)
    dX = model.begin_update(X)[1](dY)
    up, down = (model.begin_update(X + step * direction)[0] for step in (h, -h))
    assert (dX * direction).sum() == pytest.approx(((up - down) * dY).sum() / (2 * h), rel=1e-6)
    for name in ("G", "b"):
        param, direction = model.get_param(name), random.normal(size=3)
        outputs = []
        for step in (h, -h):
            model.set_param(name, param + step * direction)
            outputs.append(model.begin_update(X)[0])
        model.set_param(name, param)
        rise = ((outputs[0] - outputs[1]) * dY).sum() / (2 * h)
        assert (model.get_grad(name) * direction).sum() == pytest.approx(rise, rel=1e-6)


def test_batchnorm_keeps_running_statistics():
    model, X = BatchNorm(3, momentum=0.25).initialize(), random_rows(8, 3, dtype="float32")
    model.begin_update(X)
    model.begin_update(2 * X)
    mean = 0.75 * 0.25 * X.mean(axis=0) + 0.25 * 2 * X.mean(axis=0)
    var = 0.75 * (0.75 + 0.25 * X.var(axis=0, ddof=1)) + 0.25 * 4 * X.var(axis=0, ddof=1)
    numpy.testing.assert_allclose(model.get_param("mean"), mean, rtol=1e-5)
    numpy.testing.assert_allclose(model.get_param("var"), var, rtol=1e-5)
    before = model.predict(X)
    numpy.testing.assert_allclose(before, (X - mean) / numpy.sqrt(var + 1e-5), rtol=1e-4, atol=1e-5)
    assert (model.predict(X) == before).all()
    numpy.testing.assert_array_equal(BatchNorm(3).from_bytes(model.to_bytes()).predict(X), before)


def test_running_statistics_are_no_business_of_the_optimizer():
    model, X = BatchNorm(3).initialize(), random_rows(4, 3, dtype="float32")
    Y, backprop = model.begin_update(X)
    backprop(Y)
    mean, var = model.get_param("mean").copy(), model.get_param("var").copy()
    model.finish_update(SGD(0.1, L2=0.5))
    assert (model.get_param("mean") == mean).all()
    assert (model.get_param("var") == var).all()
    assert (model.get_param("G") != 1).all()


def test_frozen_batchnorm_and_empty_batches_leave_the_statistics_alone():
    X = random_rows(4, 3, dtype="float32")
    for model, batch in ((BatchNorm(3, frozen=True), X), (BatchNorm(3), X[:0])):
        Y, _ = model.initialize().begin_update(batch)
        assert not model.get_param("mean").any()
        numpy.testing.assert_array_equal(Y, model.predict(batch))


def test_a_single_row_has_no_variance():
    model, X = BatchNorm(3).initialize(), random_rows(1, 3, dtype="float32")
    Y, backprop = model.begin_update(X)
    assert not Y.any()
    assert not backprop(numpy.ones_like(X)).any()
    assert numpy.isfinite(model.get_param("var")).all()
