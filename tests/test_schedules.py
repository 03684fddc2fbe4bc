import copy
import itertools
import math
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thinc_core.config import registry
from thinc_core.schedules import (
    Schedule,
    compounding,
    compounding_v2,
    constant,
    constant_then,
    cyclic_triangular,
    decaying,
    plateau,
    slanted_triangular,
    warmup_linear,
)

GOLDEN = [
    (lambda: constant(0.5), [0.5, 0.5, 0.5]),
    (lambda: decaying(0.1, 0.5), [0.1, 0.0666667, 0.05, 0.04]),
    (lambda: constant_then(1, 2, decaying(1, 1)), [1, 1, 1, 0.5, 0.3333333, 0.25]),
    (lambda: compounding(1, 16, 1.5), [1, 1.5, 2.25, 3.375, 5.0625, 7.59375, 11.390625, 16, 16]),
    (lambda: compounding(16, 1, 0.5), [16, 8, 4, 2, 1, 1]),
    (lambda: warmup_linear(1, 2, 10), [0, 0.5, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0, 0]),
    (lambda: warmup_linear(1, 0, 4), [1, 0.75, 0.5, 0.25, 0, 0]),
    (lambda: warmup_linear(1, 4, 4), [0, 0.25, 0.5, 0.75, 0, 0]),
    (lambda: cyclic_triangular(0.1, 1, 2), [0.55, 1, 0.55, 0.1, 0.55, 1, 0.55, 0.1]),
    (lambda: slanted_triangular(1, 20, ratio=10), [0.55, *[1 - 0.05 * k for k in range(19)], 0.1, 0.1]),
]


@pytest.mark.parametrize("make, values", GOLDEN)
def test_golden(make, values):
    assert list(itertools.islice(make(), len(values))) == pytest.approx(values, abs=1e-6)
    assert [make()(step) for step in range(len(values))] == pytest.approx(values, abs=1e-6)


rates = st.floats(0, 10)
steps = st.integers(0, 200)
SCHEDULES = st.one_of(
    st.builds(constant, rates),
    st.builds(decaying, rates, rates, t=rates),
    st.builds(compounding, rates, rates, st.floats(0, 3)),
    st.builds(compounding_v2, rates, rates, st.floats(0, 3), t=rates),
    st.builds(warmup_linear, rates, steps, steps),
    st.builds(cyclic_triangular, rates, rates, st.integers(1, 50)),
    st.builds(
        slanted_triangular, rates, st.integers(1, 200), cut_frac=st.floats(0, 1), ratio=st.integers(1, 64), t=steps
    ),
    st.builds(lambda rate, n, inner: constant_then(rate, n, decaying(*inner)), rates, steps, st.tuples(rates, rates)),
    st.builds(lambda rate, n, values: constant_then(rate, n, values), rates, steps, st.lists(rates, min_size=1)),
    st.builds(lambda rate: plateau(2, 0.5, constant(rate)), rates),
    st.builds(lambda a, b, n: (constant(a) * decaying(b, 1)).then(constant(b), n), rates, rates, steps),
)


@settings(max_examples=200, deadline=None)
@given(schedule=SCHEDULES, n=st.integers(1, 60))
def test_both_views_agree_and_are_finite(schedule, n):
    drawn = list(itertools.islice(schedule, n))
    assert all(math.isfinite(value) and value >= 0 for value in drawn)
    assert drawn == [schedule(step) for step in range(len(drawn))]
    assert schedule.cursor == len(drawn)


@settings(max_examples=50, deadline=None)
@given(schedule=SCHEDULES, n=st.integers(0, 20))
def test_copies_keep_the_cursor(schedule, n):
    for _ in itertools.islice(schedule, n):
        pass
    fresh = copy.deepcopy(schedule)
    fresh.cursor = 0
    fresh.load_state_dict(schedule.state_dict())
    rest = [list(itertools.islice(copy.deepcopy(schedule), 10))]
    rest.append(list(itertools.islice(pickle.loads(pickle.dumps(schedule)), 10)))
    rest.append(list(itertools.islice(fresh, 10)))
    assert rest[0] == rest[1] == rest[2]


@given(step=st.integers(0, 10**9))
@settings(deadline=None)
def test_compounding_never_overflows(step):
    assert compounding(1, 16, 1.5)(step) <= 16
    assert compounding(16, 1, 0.5)(step) >= 1


def test_compounding_shift():
    assert compounding(1, 100, 2, t=3)(0) == 1
    assert compounding_v2(1, 100, 2, t=3)(0) == 8


@pytest.mark.parametrize("kwargs", [{"num_steps": 1}, {"num_steps": 5}, {"num_steps": 20, "cut_frac": 1.0}])
def test_slanted_triangular_short_runs(kwargs):
    schedule = slanted_triangular(2.0, **kwargs)
    assert all(2.0 / 32 <= schedule(step) <= 2.0 for step in range(50))


def test_constant_then_takes_any_iterable():
    assert list(constant_then(7, 2, [1, 2, 3])) == [7, 7, 1, 2, 3]
    assert list(constant_then(7, 1, iter([1, 2]))) == [7, 1, 2]
    assert constant_then(7, 1, [1, 2])(9) == 2


def test_iterators_cannot_go_back():
    schedule = constant_then(7, 1, iter([1, 2, 3]))
    assert schedule(3) == 3
    with pytest.raises(ValueError, match="cannot go back; got step 0 after 2"):
        schedule(1)


def test_plateau():
    schedule = plateau(2, 0.5, constant(1.0))
    assert [schedule(k, last_score=(k, 1.0)) for k in range(6)] == [1, 1, 0.5, 0.5, 0.25, 0.25]


def test_plateau_scores():
    schedule = plateau(2, 0.5, constant(1.0))
    assert schedule(0, last_score=None) == 1
    assert schedule(1, last_score=(1, 1.0)) == 1
    assert schedule(1, last_score=(1, 1.0)) == 1, "the same score again does not count"
    assert schedule(2, last_score=(2, 0.5)) == 1
    assert schedule(3, last_score=(3, 2.0)) == 1, "a better score resets the patience"
    assert schedule(4, last_score=(4, 2.0)) == 1
    resumed = plateau(2, 0.5, constant(1.0))
    resumed.load_state_dict(schedule.state_dict())
    for each in (schedule, resumed):
        assert each(5, last_score=(5, 1.0)) == 0.5
    with pytest.raises(ValueError, match="got step 3 after 5"):
        schedule(6, last_score=(3, 1.0))


def test_composition():
    schedule = constant(2.0).then(decaying(1.0, 1.0), steps=2)
    assert [schedule(k) for k in range(4)] == [2.0, 2.0, 1.0, 0.5]
    assert [(3 * schedule)(k) for k in (0, 3)] == [6.0, 1.5]
    assert list(itertools.islice(constant(2.0) * compounding(1, 8, 2), 4)) == [2, 4, 8, 16]


def test_custom_schedule():
    schedule = Schedule("mine", lambda schedule, step, **extra: step * schedule.attrs["slope"], attrs={"slope": 2})
    assert schedule.name == "mine"
    assert schedule(3, key=None, whatever=1) == 6
    schedule.attrs["slope"] = 3
    assert schedule(3) == 9
    with pytest.raises(AttributeError):
        schedule.attrs = {}
    with pytest.raises(ValueError, match="step must be >= 0; got -1"):
        schedule(-1)
    assert list(itertools.islice(schedule.to_generator(2, 3), 3)) == [6, 15, 24]
    for start, step_size in ((-1, 1), (0, -1)):
        with pytest.raises(ValueError, match="must be >= 0"):
            schedule.to_generator(start, step_size)
    assert repr(schedule) == "mine(slope=3)"


@pytest.mark.parametrize(
    "name, kwargs",
    [
        ("constant.v1", {"rate": 0.1}),
        ("constant_then.v1", {"rate": 0.1, "steps": 2, "schedule": {"@schedules": "constant.v1", "rate": 0.2}}),
        ("decaying.v1", {"base_rate": 0.1, "decay": 0.5, "t": 1.0}),
        ("compounding.v1", {"start": 1.0, "stop": 8.0, "compound": 2.0}),
        ("compounding.v2", {"start": 1.0, "stop": 8.0, "compound": 2.0, "t": 1.0}),
        ("warmup_linear.v1", {"initial_rate": 0.1, "warmup_steps": 2, "total_steps": 10}),
        ("slanted_triangular.v1", {"max_rate": 0.1, "num_steps": 5, "decay": 1.0}),
        ("cyclic_triangular.v1", {"min_lr": 0.1, "max_lr": 1.0, "period": 3}),
        ("plateau.v1", {"max_patience": 2, "scale": 0.5, "schedule": {"@schedules": "constant.v1", "rate": 0.2}}),
    ],
)
def test_registered(name, kwargs):
    schedule = registry.resolve({"schedule": {"@schedules": name, **kwargs}})["schedule"]
    assert isinstance(schedule, Schedule)
    assert math.isfinite(next(schedule))
