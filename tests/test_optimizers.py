import copy
import pickle

import numpy
import pytest

from thinc_core.backends import Ops, get_current_ops
from thinc_core.config import registry
from thinc_core.layers import Linear, Relu, chain
from thinc_core.optimizers import ADAM_DEFAULTS, SGD, SGD_DEFAULTS, Adam, Optimizer, RAdam
from thinc_core.schedules import compounding, constant, decaying, plateau
from thinc_core.util import fix_random_seed

KEY = (1, "W")


def floats(*values):
    return numpy.asarray(values, dtype="f")


def run(optimizer, weights, gradient, times=1, **kwargs):
    """The weights after each update with the same gradient."""
    weights, results = floats(*weights), []
    for _ in range(times):
        weights, left = optimizer(KEY, weights, floats(*gradient), **kwargs)
        assert not left.any()
        results.append(weights.tolist())
    return results


def close(actual, expected, **kwargs):
    numpy.testing.assert_allclose(actual, expected, **{"rtol": 2e-6, **kwargs})


def test_golden_adam():
    optimizer = Adam(0.001)
    close(run(optimizer, [1, 2, 3], [0.1, -0.2, 0.3]), [[0.999, 2.001, 2.999]])
    close(optimizer.mom1[KEY], [0.01, -0.02, 0.03])
    close(optimizer.mom2[KEY], [1e-5, 4e-5, 9e-5], rtol=2e-5)  # 1 - float32(0.999) in the original
    close(optimizer.averages[KEY], [0.8173636, 1.6371818, 2.4537272])
    assert optimizer.nr_update[KEY] == 1


def test_golden_adam_three_times():
    optimizer, averages = Adam(0.1, grad_clip=0), []
    weights = floats(1, -2)
    expected = [[0.8999994, -1.8999995], [0.7999988, -1.7999989], [0.6999981, -1.6999983]]
    for after in expected:
        weights, _ = optimizer(KEY, weights, floats(0.5, -0.25))
        close(weights, after, rtol=4e-6)  # the original takes 1 - float32(0.999), which is off by 1.3e-5
        averages.append(optimizer.averages[KEY].tolist())
    close(averages, [[0.7363631, -1.5545450], [0.7840899, -1.7386354], [0.7258725, -1.7118866]], rtol=4e-6)


def test_golden_adam_decay():
    optimizer = Adam(0.1, L2=0.01, use_averages=False)
    close(run(optimizer, [1, -2], [3, 4], 2), [[0.8990994, -2.0979006], [0.7982997, -2.1957033]])
    assert optimizer.averages is None
    close(run(Adam(0.1, L2=0.01, grad_clip=0), [1], [0.5], lr_scale=0.5), [[0.9495247]])


@pytest.mark.parametrize(
    "settings, weights, gradient, expected",
    [
        ({}, [0, 0], [3, 4], [-0.6, -0.8]),
        ({"grad_clip": 0}, [0, 0], [3, 4], [-3, -4]),
        ({"grad_clip": 0, "L2": 0.1}, [1, 1], [3, 4], [-1.8, -2.7]),
        ({"grad_clip": 0, "L2": 0.1, "L2_is_weight_decay": False}, [1, 1], [3, 4], [-2.1, -3.1]),
        ({"L2": 1, "L2_is_weight_decay": False}, [10], [0], [9.0]),
    ],
)
def test_golden_sgd(settings, weights, gradient, expected):
    close(run(SGD(1.0, **settings), weights, gradient), [expected])


def test_golden_radam():
    expected = [0.9736842, 0.9386289, 0.8992279, 0.8572387, 0.8547671, 0.8515919, 0.8477994, 0.8434511]
    close(run(RAdam(0.1, grad_clip=0), [1], [0.5], 8), [[value] for value in expected])
    close(run(RAdam(0.1, grad_clip=0, L2=0.1), [1, 1], [3, 4]), [[0.8336842, 0.7815789]])
    close(run(RAdam(0.1, grad_clip=0, L2=0.1), [1, 1], [3, 4], lr_scale=0.5), [[0.8378947, 0.7855263]])


def test_golden_averages():
    optimizer, averages = SGD(0.0), []
    for _ in range(5):
        optimizer(KEY, floats(1), floats(1))
        averages.append(float(optimizer.averages[KEY][0]))
    close(averages, [0.8181818, 0.9545454, 0.9860140, 0.9950050, 0.9980020])


def test_golden_list_of_rates():
    optimizer, rates = Adam([0.1, 0.2, 0.3]), []
    for _ in range(5):
        rates.append(float(optimizer.learn_rate))
        optimizer.step_schedules()
    assert rates == [0.1, 0.2, 0.3, 0.3, 0.3]


@pytest.mark.parametrize("ops", [Ops(), get_current_ops()], ids=["reference", "current"])
@pytest.mark.parametrize("make", [Adam, RAdam, SGD])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4), (7,), (1, 1)])
def test_any_shape_is_updated_in_place(ops, make, dtype, shape):
    random = numpy.random.RandomState(0)
    start, slope = random.normal(size=(2, *shape)).astype(dtype)
    flat = make(0.1, L2=0.01)
    flat._ops[numpy.ndarray] = ops
    expected, _ = flat(KEY, start.ravel().copy(), slope.ravel().copy())
    optimizer, weights, gradient = make(0.1, L2=0.01), start.copy(), slope.copy()
    optimizer._ops[numpy.ndarray] = ops
    returned, left = optimizer(KEY, weights, gradient)
    assert returned is weights
    assert left is gradient
    assert not gradient.any()
    assert weights.dtype == optimizer.averages[KEY].dtype == dtype
    assert optimizer.averages[KEY].shape == shape
    numpy.testing.assert_array_equal(weights.ravel(), expected)


@pytest.mark.parametrize("make", [Adam, RAdam, SGD])
def test_strided_arrays_are_updated_too(make):
    start, slope = numpy.random.RandomState(0).normal(size=(2, 4, 6)).astype("f")
    expected, _ = make(0.1)(KEY, start[:, ::2].copy(), slope[:, ::2].copy())
    weights, gradient = start.copy(), slope.copy()
    make(0.1)(KEY, weights[:, ::2], gradient[:, ::2])
    numpy.testing.assert_array_equal(weights[:, ::2], expected)
    numpy.testing.assert_array_equal(weights[:, 1::2], start[:, 1::2])
    assert not gradient[:, ::2].any()
    numpy.testing.assert_array_equal(gradient[:, 1::2], slope[:, 1::2])


def test_empty_scalar_and_mismatched():
    optimizer = Adam()
    weights = numpy.zeros((0, 3), dtype="f")
    assert optimizer(KEY, weights, weights)[0] is weights
    assert KEY not in optimizer.nr_update
    with pytest.raises(TypeError):
        optimizer(KEY, numpy.float32(1), numpy.float32(1))
    with pytest.raises(ValueError, match=r"shape of the weights \(2, 3\); got \(3, 2\)"):
        optimizer(KEY, numpy.zeros((2, 3), dtype="f"), numpy.zeros((3, 2), dtype="f"))


@pytest.mark.parametrize("make", [Adam, RAdam, SGD])
def test_a_nan_does_not_stay_in_the_gradient(make):
    _, gradient = make(0.1)(KEY, floats(1, 2), floats(numpy.nan, 1))
    assert not gradient.any()


@pytest.mark.parametrize(
    "kwargs, message",
    [
        ({"grad_clip": -1.0}, "grad_clip must be >= 0"),
        ({"beta1": 1.0}, r"beta1 must be in \[0, 1\); got 1.0"),
        ({"beta2": -0.1}, "beta2"),
        ({"eps": -1.0}, "eps must be >= 0"),
        ({"learn_rate": "fast"}, "learn_rate must be a number, an iterable or a schedule; got str"),
        ({"learn_rate": float("nan")}, "learn_rate must be a number; got nan"),
        ({"learn_rate": float("inf")}, "learn_rate must be finite and >= 0; got inf"),
        ({"learn_rate": [-1.0]}, "learn_rate must be finite and >= 0; got -1"),
        ({"L2": -1.0}, "L2 must be finite and >= 0; got -1"),
        ({"learn_rate": None}, "learn_rate must be a number.*got NoneType"),
        ({"L2": []}, "L2.*no values"),
    ],
)
def test_bad_settings(kwargs, message):
    with pytest.raises(ValueError, match=message):
        Optimizer(**{"learn_rate": 0.1, **kwargs})


@pytest.mark.parametrize("betas", [{"beta1": 0.9, "beta2": 0.0}, {"beta1": 0.0, "beta2": 0.9}])
def test_half_an_adam_is_refused(betas):
    with pytest.raises(NotImplementedError, match="both be above 0"):
        Optimizer(0.1, **betas)(KEY, floats(1), floats(1))


def test_hyperparameters_are_floats_and_functions():
    optimizer = Adam(decaying(0.1, 0.5), L2=1)
    assert isinstance(optimizer.learn_rate, float)
    assert repr(optimizer.learn_rate) == "0.1"
    assert optimizer.learn_rate(2, key=KEY, last_score=None) == pytest.approx(0.05)
    assert optimizer.b1(0) == optimizer.b1 == 0.9
    assert (optimizer.b2, optimizer.eps, optimizer.L2, optimizer.grad_clip) == (0.999, 1e-8, 1.0, 1.0)
    assert pickle.loads(pickle.dumps(optimizer.learn_rate))(2) == pytest.approx(0.05)
    with pytest.raises(AttributeError):
        optimizer.learning_rate = 1


@pytest.mark.parametrize(
    "rates", [(0.1, 0.2), range(1, 3), numpy.asarray([0.1, 0.2], dtype="f"), iter([0.1, 0.2]), lambda step: step + 1]
)
def test_kinds_of_schedules(rates):
    optimizer = Adam(rates)
    first = float(optimizer.learn_rate) if not callable(rates) else optimizer.learn_rate(0)
    assert first == pytest.approx(1 if callable(rates) or isinstance(rates, range) else 0.1)
    optimizer.step_schedules()
    weights, _ = SGD(optimizer.learn_rate(1), grad_clip=0)(KEY, floats(0), floats(1))
    close(weights, [-2 if callable(rates) or isinstance(rates, range) else -0.2])


def test_numpy_numbers():
    assert Adam(numpy.float32(0.5), L2=numpy.int64(1)).learn_rate == 0.5


def test_assigning():
    optimizer = Adam(decaying(0.1, 0.5), grad_clip=0)
    optimizer.eps = 1e-3
    optimizer.learn_rate = 5.0
    assert optimizer.learn_rate == 5.0
    optimizer.step_schedules()
    assert optimizer.learn_rate == pytest.approx(0.1 / 1.5), "the schedule takes over again"
    assert optimizer.eps == 1e-3
    seen = []

    def rate(*, step, key):
        seen.append((step, key))
        return 0.5

    optimizer.learn_rate = rate
    assert optimizer.learn_rate is rate
    weights, _ = SGD(rate, grad_clip=0)(KEY, floats(0), floats(1))
    close(weights, [-0.5])
    assert seen == [(0, KEY)]


def test_rate_per_parameter():
    optimizer = SGD(lambda step, key: 1.0 if key == KEY else 0.0, grad_clip=0)
    close(optimizer(KEY, floats(0), floats(1))[0], [-1])
    close(optimizer((2, "W"), floats(0), floats(1))[0], [0])


def test_scores_reach_the_schedule():
    optimizer = Adam(plateau(1, 0.5, constant(1.0)))
    assert optimizer.last_score is None
    rates = []
    for score in (1.0, 0.5, 0.5):
        optimizer.last_score = score
        optimizer.step_schedules()
        rates.append(float(optimizer.learn_rate))
    assert rates == [1.0, 0.5, 0.25]
    assert optimizer.step == 3
    assert optimizer.last_score == (2, 0.5)


def test_one_schedule_for_rate_and_batch_size():
    schedule = compounding(1.0, 8.0, 2.0)
    optimizer = SGD(schedule)
    assert [next(schedule), next(schedule)] == [1.0, 2.0]
    optimizer.step_schedules()
    assert optimizer.learn_rate == 2.0


def make_training():
    fix_random_seed(0)
    model = chain(Relu(5, 4), Linear(3, 5)).initialize()
    optimizer = Adam(
        decaying(0.1, 0.5), L2=0.01, eps=plateau(1, 0.5, constant(1e-8)), beta1=iter([0.9] * 5 + [0.8] * 9)
    )
    return model, optimizer


def train(model, optimizer, steps):
    for step in steps:
        X, dY = numpy.random.RandomState(step).normal(size=(2, 6, 5)).astype("f")
        _, backprop = model.begin_update(X[:, :4])
        backprop(dY[:, :3])
        model.finish_update(optimizer)
        optimizer.last_score = 1.0
        optimizer.step_schedules()


@pytest.mark.parametrize("by_model", [True, False])
def test_resume_is_exact(by_model):
    model, optimizer = make_training()
    train(model, optimizer, range(5))
    state = pickle.loads(pickle.dumps(optimizer.state_dict(model if by_model else None)))
    data = model.to_bytes()
    train(model, optimizer, range(5, 10))

    resumed, fresh = make_training()
    if not by_model:
        state["parameters"] = {
            f"{int(name.split('/')[0]) - model.id + resumed.id}/{name.split('/')[1]}": entry
            for name, entry in state["parameters"].items()
        }
    resumed.from_bytes(data)
    fresh.load_state_dict(state, resumed if by_model else None)
    train(resumed, fresh, range(5, 10))
    assert resumed.to_bytes() == model.to_bytes()
    assert fresh.learn_rate == optimizer.learn_rate
    assert fresh.eps == optimizer.eps
    for old, new in zip(model.walk(), resumed.walk()):
        for name in old.param_names:
            numpy.testing.assert_array_equal(optimizer.averages[old.id, name], fresh.averages[new.id, name])


def test_bad_state():
    model, optimizer = make_training()
    train(model, optimizer, range(1))
    with pytest.raises(ValueError, match="version of the state must be 1; got 2"):
        optimizer.load_state_dict({**optimizer.state_dict(), "version": 2})
    with pytest.raises(ValueError, match="it lacks 1, 2"):
        Adam().load_state_dict(optimizer.state_dict(model), Linear(3, 3))


@pytest.mark.parametrize("make", [lambda: Adam(decaying(0.1, 0.5)), lambda: RAdam([0.1, 0.2]), lambda: SGD(0.1)])
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda optimizer: pickle.loads(pickle.dumps(optimizer))])
def test_copies_go_on_alike(make, duplicate):
    optimizer = make()
    start = run(optimizer, [1, 2], [0.1, 0.2])[0]
    optimizer.step_schedules()
    other = duplicate(optimizer)
    assert run(other, start, [0.1, 0.2], 3) == run(optimizer, start, [0.1, 0.2], 3)


def test_averages_reach_the_model():
    model, optimizer = make_training()
    train(model, optimizer, range(2))
    with model.use_params(optimizer.averages):
        for node in model.walk():
            for name in node.param_names:
                assert node.get_param(name) is optimizer.averages[node.id, name]


@pytest.mark.parametrize("name, make", [("Adam.v1", Adam), ("RAdam.v1", RAdam), ("SGD.v1", SGD)])
def test_registered(name, make):
    rate = {"@schedules": "decaying.v1", "base_rate": 0.5, "decay": 1.0}
    config = {
        "optimizer": {"@optimizers": name, "learn_rate": rate, "L2": 0.1, "grad_clip": 2.0, "use_averages": False}
    }
    optimizer = registry.resolve(config)["optimizer"]
    assert isinstance(optimizer, Optimizer)
    assert (optimizer.learn_rate, optimizer.L2, optimizer.grad_clip) == (0.5, 0.1, 2.0)
    assert optimizer.averages is None
    assert optimizer.use_radam == (make is RAdam)
    optimizer.step_schedules()
    assert optimizer.learn_rate == 0.25


def test_defaults():
    optimizer = Adam()
    for name, value in ADAM_DEFAULTS.items():
        assert getattr(optimizer, {"beta1": "b1", "beta2": "b2"}.get(name, name)) == value
    assert SGD_DEFAULTS == {"L2": 0.0, "L2_is_weight_decay": True, "grad_clip": 1.0}
    assert (SGD(0.1).b1, SGD(0.1).b2) == (0.0, 0.0)


def test_state_follows_the_weights():
    """What was kept as another kind of array, as after a move to another device, is converted and used on."""

    class Elsewhere(numpy.ndarray):
        pass

    optimizer, other = Adam(0.1), Adam(0.1)
    start = run(optimizer, [1, 2], [0.1, 0.2])[0]
    run(other, [1, 2], [0.1, 0.2])
    for table in (optimizer.mom1, optimizer.mom2, optimizer.averages):
        table[KEY] = table[KEY].view(Elsewhere)
    assert run(optimizer, start, [0.1, 0.2]) == run(other, start, [0.1, 0.2])
    numpy.testing.assert_array_equal(optimizer.averages[KEY], other.averages[KEY])
