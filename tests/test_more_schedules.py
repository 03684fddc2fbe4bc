"""Schedules beyond the original's: their shapes, and PyTorch's numbers."""

import copy
import itertools
import math
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thinc_core.config import registry
from thinc_core.more_schedules import (
    cosine,
    cosine_restarts,
    exponential,
    inverse_sqrt,
    multistep,
    one_cycle,
    plateau_v2,
    polynomial,
    warmup,
)
from thinc_core.optimizers import Adam
from thinc_core.schedules import Schedule, constant

# Name, settings, the first values.
ROWS = [
    ("cosine.v1", {"max_rate": 1.0, "total_steps": 6, "warmup_steps": 2}, [0, 0.5, 1, 0.853553, 0.5, 0.146447, 0, 0]),
    ("cosine.v1", {"max_rate": 1.0, "total_steps": 2, "min_rate": 0.2}, [1, 0.6, 0.2, 0.2]),
    ("cosine_restarts.v1", {"max_rate": 1.0, "period": 2}, [1, 0.5, 1, 0.5, 1]),
    (
        "cosine_restarts.v1",
        {"max_rate": 1.0, "period": 2, "growth": 2, "warmup_steps": 1, "min_rate": 0.5},
        [0, 1, 0.75, 1, 0.926777, 0.75, 0.573223, 1],
    ),
    (
        "one_cycle.v1",
        {"max_rate": 1.0, "total_steps": 6, "rise": 0.5, "start_div": 2, "end_div": 5, "linear": True},
        [0.5, 0.75, 1, 0.7, 0.4, 0.1, 0.1],
    ),
    ("exponential.v1", {"base_rate": 1.0, "factor": 0.5, "min_rate": 0.2}, [1, 0.5, 0.25, 0.2, 0.2]),
    ("polynomial.v1", {"base_rate": 1.0, "total_steps": 4, "power": 2.0}, [1, 0.5625, 0.25, 0.0625, 0, 0]),
    ("multistep.v1", {"base_rate": 1.0, "milestones": [1, 3], "factor": 0.5}, [1, 0.5, 0.5, 0.25, 0.25]),
    ("inverse_sqrt.v1", {"max_rate": 1.0, "warmup_steps": 2}, [0, 0.5, 1, math.sqrt(2 / 3), math.sqrt(0.5)]),
    (
        "warmup.v1",
        {"steps": 2, "schedule": {"@schedules": "decaying.v1", "base_rate": 1.0, "decay": 1.0}},
        [0, 0.25, 1 / 3, 0.25],
    ),
    ("plateau.v2", {"schedule": {"@schedules": "constant.v1", "rate": 0.5}}, [0.5, 0.5]),
]


@pytest.mark.parametrize("name, kwargs, values", ROWS, ids=[f"{row[0]}-{k}" for k, row in enumerate(ROWS)])
def test_values(name, kwargs, values):
    schedule = registry.resolve({"schedule": {"@schedules": name, **kwargs}})["schedule"]
    assert isinstance(schedule, Schedule)
    assert [schedule(step) for step in range(len(values))] == pytest.approx(values, abs=1e-6)
    assert list(itertools.islice(schedule, len(values))) == pytest.approx(values, abs=1e-6)
    rest = next(copy.deepcopy(schedule))
    assert next(pickle.loads(pickle.dumps(schedule))) == rest == schedule(len(values))


rates, steps = st.floats(0, 10), st.integers(1, 50)


@settings(max_examples=100, deadline=None)
@given(
    schedule=st.one_of(
        st.builds(lambda rate, n, extra: cosine(rate, n + extra, warmup_steps=n), rates, steps, steps),
        st.builds(cosine_restarts, rates, steps, growth=st.floats(1, 3), warmup_steps=steps),
        st.builds(one_cycle, rates, st.integers(2, 50), rise=st.floats(0, 1), linear=st.booleans()),
        st.builds(polynomial, rates, steps, power=st.floats(0.1, 3)),
        st.builds(lambda rate, n, warm: warmup(exponential(rate, 0.9), n), rates, steps, steps),
    ),
    step=st.integers(0, 200),
)
def test_between_zero_and_the_top(schedule, step):
    inner = schedule.attrs.get("schedule", schedule).attrs
    top = inner.get("max_rate", inner.get("base_rate"))
    assert -1e-12 <= schedule(step) <= top * (1 + 1e-12)


PYTORCH = [
    ("CosineAnnealingLR", {"T_max": 10, "eta_min": 0.1}, lambda: cosine(1.0, 10, min_rate=0.1), 11),
    (
        "CosineAnnealingWarmRestarts",
        {"T_0": 3, "T_mult": 2, "eta_min": 0.1},
        lambda: cosine_restarts(1.0, 3, growth=2, min_rate=0.1),
        25,
    ),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 20}, lambda: one_cycle(1.0, 20), 20),
    (
        "OneCycleLR",
        {"max_lr": 1.0, "total_steps": 9, "pct_start": 0.5, "anneal_strategy": "linear", "div_factor": 5},
        lambda: one_cycle(1.0, 9, rise=0.5, start_div=5, linear=True),
        9,
    ),
    ("ExponentialLR", {"gamma": 0.8}, lambda: exponential(1.0, 0.8), 20),
    ("PolynomialLR", {"total_iters": 9, "power": 1.5}, lambda: polynomial(1.0, 9, power=1.5), 12),
    ("MultiStepLR", {"milestones": [3, 5], "gamma": 0.3}, lambda: multistep(1.0, [3, 5], factor=0.3), 9),
]


@pytest.mark.parametrize("name, kwargs, make, n", PYTORCH, ids=[f"{row[0]}-{k}" for k, row in enumerate(PYTORCH)])
def test_pytorch(torch, name, kwargs, make, n):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs, ours, rates = getattr(torch.optim.lr_scheduler, name)(optimizer, **kwargs), make(), []
    for step in range(n):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step + 1 < n:
            theirs.step()
    assert [ours(step) for step in range(n)] == pytest.approx(rates, rel=1e-9, abs=1e-12)


def scores(schedule, values):
    return [schedule(step, last_score=(step, value)) for step, value in enumerate(values)]


def test_plateau():
    assert scores(plateau_v2(constant(1.0), patience=2), [3, 3, 3, 3, 3, 4]) == [1, 1, 0.5, 0.5, 0.25, 0.25]
    lower = plateau_v2(constant(1.0), patience=1, mode="min", threshold=0.5, min_factor=0.3)
    assert scores(lower, [3, 2, 1.8, 1, 1, 1]) == [1, 1, 0.5, 0.5, 0.3, 0.3]
    cooling = plateau_v2(constant(1.0), patience=1, cooldown=2)
    assert scores(cooling, [1, 1, 1, 1, 1]) == [1, 0.5, 0.5, 0.5, 0.25]
    again = plateau_v2(constant(1.0), patience=1)
    assert [again(0, last_score=score) for score in (None, (0, 1.0), (1, 1.0), (1, 1.0))] == [1, 1, 0.5, 0.5]
    with pytest.raises(ValueError, match="got step 0 after 1"):
        again(2, last_score=(0, 1.0))


def test_plateau_of_an_optimizer_resumes():
    def run(optimizer, values):
        rates = []
        for value in values:
            optimizer.last_score = value
            optimizer.step_schedules()
            rates.append(float(optimizer.learn_rate))
        return rates

    one, other = (Adam(plateau_v2(cosine(1.0, 10), patience=2)) for _ in range(2))
    run(one, [1, 1])
    other.load_state_dict(pickle.loads(pickle.dumps(one.state_dict())))
    assert run(other, [1, 1, 1]) == run(one, [1, 1, 1])


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: cosine(1.0, 5, warmup_steps=5), "cosine: total_steps must be above the 5 of the warm-up; got 5"),
        (lambda: cosine(float("nan"), 10), "cosine: max_rate must be a number; got nan"),
        (lambda: cosine_restarts(1.0, 0), "period must be >= 1; got 0"),
        (lambda: cosine_restarts(1.0, 3, growth=0.5), "growth must be >= 1; got 0.5"),
        (lambda: one_cycle(1.0, 1), "total_steps must be >= 2"),
        (lambda: one_cycle(1.0, 9, rise=1.5), r"rise must be in \[0, 1\]; got 1.5"),
        (lambda: exponential(1.0, 0.0), r"factor must be in \(0, 1\]; got 0"),
        (lambda: multistep(1.0, [3, 1]), r"milestones must be in growing order; got \[3, 1\]"),
        (lambda: polynomial(1.0, 0), "total_steps"),
        (lambda: inverse_sqrt(1.0, 0), "warmup_steps"),
        (lambda: plateau_v2(constant(1.0), mode="up"), "mode must be 'max' or 'min'; got 'up'"),
    ],
)
def test_bad_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()
