import numpy
import pytest

from thinc_core.api import Linear
from thinc_core.backends import get_current_ops
from thinc_core.config import registry
from thinc_core.more_initializers import (
    constant_init,
    fans,
    identity_init,
    orthogonal_init,
    truncated_normal_init,
    variance_scaling_init,
)

OPS = get_current_ops()
DRAWN = [variance_scaling_init, truncated_normal_init, orthogonal_init]


def generator():
    return numpy.random.default_rng(0)


@pytest.mark.parametrize("distribution", ["uniform", "normal", "truncated_normal"])
@pytest.mark.parametrize("mode, fan", [("fan_in", 300), ("fan_out", 200), ("fan_avg", 250)])
def test_variance(distribution, mode, fan):
    values = variance_scaling_init(OPS, (200, 300), scale=2.0, mode=mode, distribution=distribution, rng=generator())
    assert values.dtype == "float32"
    assert values.std() == pytest.approx(numpy.sqrt(2 / fan), rel=0.02)
    assert abs(values.mean()) < 0.01 * values.std() * 2
    bound = {"uniform": 3**0.5, "truncated_normal": 2 / 0.8796, "normal": numpy.inf}[distribution]
    assert abs(values).max() <= values.std() * bound * 1.02


def test_fans_of_convolutions():
    assert fans("x", (8, 4, 3, 5)) == (60, 120)
    assert fans("x", (0, 0)) == (1, 1)


def test_truncated():
    values = truncated_normal_init(OPS, (100, 100), mean=1.0, std=0.5, cut=1.0, rng=generator())
    assert 0.5 <= values.min() < 0.51
    assert 1.49 < values.max() <= 1.5
    assert values.mean() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 2, 3), (4, 4)])
def test_orthogonal(shape):
    values = orthogonal_init(OPS, shape, gain=2.0, rng=generator()).reshape(shape[0], -1)
    product = values @ values.T if values.shape[0] <= values.shape[1] else values.T @ values
    numpy.testing.assert_allclose(product, 4 * numpy.eye(len(product)), atol=1e-5)


def test_without_randomness():
    numpy.testing.assert_array_equal(identity_init(OPS, (2, 3), gain=2.0), [[2, 0, 0], [0, 2, 0]])
    numpy.testing.assert_array_equal(constant_init(OPS, (2,), value=0.5), [0.5, 0.5])


@pytest.mark.parametrize("init", DRAWN)
def test_where_numbers_come_from(init):
    numpy.random.seed(3)
    first, second = init(OPS, (3, 4)), init(OPS, (3, 4))
    assert (first != second).any()
    numpy.random.seed(3)
    numpy.testing.assert_array_equal(init(OPS, (3, 4)), first)
    numpy.testing.assert_array_equal(init(OPS, (3, 4), rng=generator()), init(OPS, (3, 4), rng=generator()))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: variance_scaling_init(OPS, (3,)), r"variance_scaling_init: shape must have at least 2.*got \(3,\)"),
        (lambda: variance_scaling_init(OPS, (3, 3), mode="fan"), "mode must be fan_in, fan_out or fan_avg; got 'fan'"),
        (lambda: variance_scaling_init(OPS, (3, 3), distribution="flat"), "distribution must be .*; got 'flat'"),
        (lambda: variance_scaling_init(OPS, (3, 3), scale=0.0), "scale must be > 0"),
        (lambda: truncated_normal_init(OPS, (3, 3), cut=0.0), "cut must be > 0; got 0"),
        (lambda: orthogonal_init(OPS, (3,)), "orthogonal_init: shape must have at least 2"),
        (lambda: identity_init(OPS, (3, 3, 3)), r"must have 2 dimensions; got \(3, 3, 3\)"),
    ],
)
def test_bad_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "name, kwargs",
    [
        ("variance_scaling_init.v1", {"scale": 2.0, "mode": "fan_out", "distribution": "uniform"}),
        ("truncated_normal_init.v1", {"std": 0.1}),
        ("orthogonal_init.v1", {"gain": 0.5}),
        ("constant_init.v1", {"value": 2.0}),
        ("identity_init.v1", {"gain": 3.0}),
    ],
)
def test_registered(name, kwargs):
    init = registry.resolve({"init": {"@initializers": name, **kwargs}})["init"]
    assert Linear(3, 4, init_W=init).initialize().get_param("W").any()
