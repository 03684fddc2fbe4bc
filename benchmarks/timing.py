"""Paired timing: every side of a row in one process, in turn, so that drift of the machine hits all alike."""

import gc
import time
from dataclasses import dataclass
from statistics import median
from typing import Any, Callable, Dict, Hashable, List, Mapping, Optional, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)
clock = time.perf_counter


@dataclass
class Timing:
    """Cost per call of one side: the best round, and how much more the median round took (0.1 is 10%)."""

    best: float
    noise: float = 0.0


@dataclass
class Side:
    """What is timed. reset: untimed, before every slot, for calls that use their arguments up."""

    call: Callable[[], Any]
    reset: Optional[Callable[[], None]] = None


@dataclass
class Plan:
    """How long to measure: seconds for a row, seconds for the slot of one side in a round, rounds at least and most."""

    budget: float = 0.35
    slot: float = 0.002
    least: int = 3
    most: int = 21


QUICK = Plan(budget=0.03, slot=0.001, least=2, most=4)
# A reset side must not run on until its state has decayed to denormal numbers.
MOST_AFTER_RESET = 100


def first_cost(side: Side) -> float:
    """Seconds of one call when warm; what is slow anyway is called only once."""
    cost = 0.0
    for _ in range(3):
        if side.reset:
            side.reset()
        started = clock()
        side.call()
        cost = clock() - started
        if cost > 0.02:
            break
    return cost


def slot(side: Side, calls: int) -> float:
    """Seconds per call over so many calls. Short calls get one more beforehand: other sides have used the caches."""
    if side.reset:
        side.reset()
    elif calls > 4:
        side.call()
    loop, call = range(calls), side.call
    started = clock()
    for _ in loop:
        call()
    return (clock() - started) / calls


def paired(
    sides: Mapping[KeyT, Side], plan: Optional[Plan] = None, switch: Callable[[KeyT], Any] = lambda key: None
) -> Dict[KeyT, Timing]:
    """Times every side in turn, in rounds of alternate order.

    switch: untimed, before every slot, with the key of the side that comes next (to set the number of threads, say).
    """
    plan = plan or Plan()
    costs: Dict[KeyT, float] = {}
    for key, side in sides.items():
        switch(key)
        costs[key] = first_cost(side)
    calls = {key: max(1, min(100_000, int(plan.slot / max(cost, 1e-8)))) for key, cost in costs.items()}
    for key, side in sides.items():
        calls[key] = min(calls[key], MOST_AFTER_RESET) if side.reset else calls[key]
    once = sum(max(plan.slot, cost) for cost in costs.values())
    rounds = max(plan.least, min(plan.most, int(plan.budget / max(once, 1e-8))))
    samples: Dict[KeyT, List[float]] = {key: [] for key in sides}
    enabled = gc.isenabled()
    gc.disable()
    try:
        for turn in range(rounds):
            for key in list(sides)[:: -1 if turn % 2 else 1]:
                switch(key)
                samples[key].append(slot(sides[key], calls[key]))
    finally:
        if enabled:
            gc.enable()
    return {key: summary(values) for key, values in samples.items()}


def summary(samples: List[float]) -> Timing:
    """The fastest round, since noise only ever adds, and how far the median is from it."""
    best = min(samples)
    return Timing(best, median(samples) / max(best, 1e-12) - 1)
