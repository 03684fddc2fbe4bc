import numpy
import pytest

from thinc_core import initializers
from thinc_core.backends import get_current_ops
from thinc_core.config import registry
from thinc_core.util import fix_random_seed

BOUNDED = {
    "glorot_uniform_init": lambda nO, nI: numpy.sqrt(6 / (nO + nI)),
    "he_uniform_init": lambda nO, nI: numpy.sqrt(6 / nI),
    "lecun_uniform_init": lambda nO, nI: numpy.sqrt(3 / nI),
}
SPREAD = {
    "glorot_normal_init": lambda nO, nI: numpy.sqrt(2 / (nO + nI)),
    "he_normal_init": lambda nO, nI: numpy.sqrt(2 / nI),
    "lecun_normal_init": lambda nO, nI: numpy.sqrt(1 / nI),
}
SHAPE = (60, 500)


@pytest.fixture(autouse=True)
def seeded():
    fix_random_seed(0)


@pytest.mark.parametrize("name", BOUNDED)
def test_uniform_bounds(name):
    values = getattr(initializers, name)(get_current_ops(), SHAPE)
    bound = BOUNDED[name](*SHAPE)
    assert values.shape == SHAPE
    assert values.dtype == "float32"
    assert abs(values).max() <= bound
    assert abs(values).max() > 0.999 * bound
    assert abs(values.mean()) < 0.02 * bound


@pytest.mark.parametrize("name", SPREAD)
def test_normal_spread(name):
    values = getattr(initializers, name)(get_current_ops(), SHAPE)
    assert values.dtype == "float32"
    assert values.std() == pytest.approx(SPREAD[name](*SHAPE), rel=0.02)


@pytest.mark.parametrize("name", [*BOUNDED, *SPREAD])
def test_fans_need_two_dims(name):
    with pytest.raises(ValueError, match=f"{name}: shape must have at least 2 dimensions"):
        getattr(initializers, name)(get_current_ops(), (4,))


def test_golden_glorot():
    values = initializers.glorot_uniform_init(get_current_ops(), (2, 2))
    numpy.testing.assert_allclose(values, [[0.11956818, 0.52710414], [0.25171784, 0.10994089]], rtol=1e-6)


def test_zero_draws_nothing():
    initializers.zero_init(get_current_ops(), (3, 4))
    state = numpy.random.get_state()
    assert not initializers.zero_init(get_current_ops(), (3, 4)).any()
    assert (numpy.random.get_state()[1] == state[1]).all()
    assert numpy.random.get_state()[2] == state[2]


def test_uniform_settings():
    values = initializers.uniform_init(get_current_ops(), (1000,), lo=2.0, hi=3.0)
    assert 2.0 <= values.min() < 2.02
    assert 2.98 < values.max() <= 3.0


def test_normal_takes_mean_as_scale_and_v2_does_not():
    ops = get_current_ops()
    assert not initializers.normal_init(ops, (3, 4)).any()
    assert initializers.normal_init(ops, (1000,), mean=0.5).std() == pytest.approx(0.5, rel=0.1)
    values = initializers.normal_init_v2(ops, (1000,), mean=3.0, std=0.1)
    assert values.mean() == pytest.approx(3.0, rel=0.01)
    assert values.std() == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize("name", initializers.__all__)
def test_registered(name):
    init = registry.resolve({"init": {"@initializers": f"{name}.v1"}})["init"]
    fix_random_seed(1)
    expected = getattr(initializers, name)(get_current_ops(), (2, 3))
    fix_random_seed(1)
    numpy.testing.assert_array_equal(init(get_current_ops(), (2, 3)), expected)
    assert init.__doc__ == getattr(initializers, name).__doc__


def test_registered_settings():
    config = {"init": {"@initializers": "uniform_init.v1", "lo": 1.0, "hi": 2.0}}
    assert registry.resolve(config)["init"](get_current_ops(), (5,)).min() >= 1.0
    config = {"init": {"@initializers": "normal_init.v2", "mean": 9.0}}
    assert registry.resolve(config)["init"](get_current_ops(), (5,)).min() > 8.0
