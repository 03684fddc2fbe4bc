"""Schedules that the original does not have: cosine with warm-up and restarts, one-cycle, and other usual shapes.

All count steps from 0 and keep their last value for ever.
"""

import math
from typing import Any, Dict, List, Literal, Sequence

from .config import registry
from .schedules import Schedule, Score, as_schedule

__all__ = [
    "cosine",
    "cosine_restarts",
    "exponential",
    "inverse_sqrt",
    "multistep",
    "one_cycle",
    "plateau_v2",
    "polynomial",
    "warmup",
]


def _check(name: str, *rules: Any) -> None:
    """rules: (argument, value, whether it is right, what it must be) of each."""
    for argument, value, is_right, what in rules:
        if not is_right:
            raise ValueError(f"{name}: {argument} must be {what}; got {value}")


@registry.schedules("cosine.v1")
def cosine(max_rate: float, total_steps: int, *, warmup_steps: int = 0, min_rate: float = 0.0) -> Schedule[float]:
    """A linear rise from 0 to max_rate over warmup_steps, then half a wave of the cosine down to min_rate.

    total_steps: of both together. SOURCE: Loshchilov & Hutter 2017, arXiv:1608.03983, equation 5 without restarts.
    """
    _check(
        "cosine",
        ("warmup_steps", warmup_steps, warmup_steps >= 0, ">= 0"),
        ("total_steps", total_steps, total_steps > warmup_steps, f"above the {warmup_steps} of the warm-up"),
    )
    attrs = {"max_rate": max_rate, "total_steps": total_steps, "warmup_steps": warmup_steps, "min_rate": min_rate}
    return Schedule("cosine", _cosine, attrs=attrs)


def _cosine(schedule: Schedule, step: int, **_: Any) -> float:
    attrs = schedule.attrs
    warmup = attrs["warmup_steps"]
    if step < warmup:
        return attrs["max_rate"] * step / warmup
    return _wave(attrs["max_rate"], attrs["min_rate"], (step - warmup) / (attrs["total_steps"] - warmup))


def _wave(start: float, end: float, part: float) -> float:
    """Half a wave of the cosine from start to end; part: how far along it, in [0, 1]."""
    return end + (start - end) * (1.0 + math.cos(math.pi * min(part, 1.0))) / 2.0


@registry.schedules("cosine_restarts.v1")
def cosine_restarts(
    max_rate: float, period: int, *, growth: float = 1.0, warmup_steps: int = 0, min_rate: float = 0.0
) -> Schedule[float]:
    """A linear rise from 0 to max_rate over warmup_steps, then half waves down to min_rate, each back at max_rate.

    period: steps of the first half wave.  growth: how many times as long as the one before each is.
    SOURCE: Loshchilov & Hutter 2017, arXiv:1608.03983, equation 5.
    """
    _check(
        "cosine_restarts",
        ("period", period, period >= 1, ">= 1"),
        ("growth", growth, growth >= 1, ">= 1"),
        ("warmup_steps", warmup_steps, warmup_steps >= 0, ">= 0"),
    )
    attrs = {"max_rate": max_rate, "period": period, "growth": growth}
    attrs = {**attrs, "warmup_steps": warmup_steps, "min_rate": min_rate}
    return Schedule("cosine_restarts", _cosine_restarts, attrs=attrs)


def _cosine_restarts(schedule: Schedule, step: int, **_: Any) -> float:
    attrs = schedule.attrs
    if step < attrs["warmup_steps"]:
        return attrs["max_rate"] * step / attrs["warmup_steps"]
    at, length = float(step - attrs["warmup_steps"]), float(attrs["period"])
    if attrs["growth"] == 1:
        at %= length
    while at >= length:
        at -= length
        length *= attrs["growth"]
    return _wave(attrs["max_rate"], attrs["min_rate"], at / length)


@registry.schedules("one_cycle.v1")
def one_cycle(
    max_rate: float,
    total_steps: int,
    *,
    rise: float = 0.3,
    start_div: float = 25.0,
    end_div: float = 1e4,
    linear: bool = False,
) -> Schedule[float]:
    """From max_rate / start_div up to max_rate, then down to max_rate / (start_div * end_div).

    rise: part of the steps spent rising.  linear: straight lines instead of half waves of the cosine.
    SOURCE: Smith & Topin 2018, arXiv:1708.07120; numbers and defaults are PyTorch's OneCycleLR.
    """
    _check(
        "one_cycle",
        ("total_steps", total_steps, total_steps >= 2, ">= 2"),
        ("rise", rise, 0 <= rise <= 1, "in [0, 1]"),
        ("start_div", start_div, start_div > 0, "> 0"),
        ("end_div", end_div, end_div > 0, "> 0"),
    )
    attrs = {"max_rate": max_rate, "total_steps": total_steps, "rise": rise}
    return Schedule(
        "one_cycle", _one_cycle, attrs={**attrs, "start_div": start_div, "end_div": end_div, "linear": linear}
    )


def _one_cycle(schedule: Schedule, step: int, **_: Any) -> float:
    attrs = schedule.attrs
    top, last = attrs["rise"] * attrs["total_steps"] - 1.0, attrs["total_steps"] - 1.0
    start = attrs["max_rate"] / attrs["start_div"]
    if step < top:
        low, high, part = start, attrs["max_rate"], step / top
    else:
        top = max(top, 0.0)
        part = (step - top) / (last - top) if last > top else 1.0
        low, high = attrs["max_rate"], start / attrs["end_div"]
    part = min(part, 1.0)
    return low + (high - low) * part if attrs["linear"] else _wave(low, high, part)


@registry.schedules("exponential.v1")
def exponential(base_rate: float, factor: float, *, min_rate: float = 0.0) -> Schedule[float]:
    """base_rate * factor ** step, but at least min_rate. factor: in (0, 1]."""
    _check("exponential", ("factor", factor, 0 < factor <= 1, "in (0, 1]"))
    attrs = {"base_rate": base_rate, "factor": factor, "min_rate": min_rate}
    return Schedule("exponential", _exponential, attrs=attrs)


def _exponential(schedule: Schedule, step: int, **_: Any) -> float:
    attrs = schedule.attrs
    return max(attrs["base_rate"] * attrs["factor"] ** step, attrs["min_rate"])


@registry.schedules("polynomial.v1")
def polynomial(base_rate: float, total_steps: int, *, power: float = 1.0, end_rate: float = 0.0) -> Schedule[float]:
    """From base_rate to end_rate in total_steps, as (1 - step / total_steps) ** power; a line with power 1."""
    _check(
        "polynomial",
        ("total_steps", total_steps, total_steps >= 1, ">= 1"),
        ("power", power, power > 0, "> 0"),
    )
    attrs = {"base_rate": base_rate, "total_steps": total_steps, "power": power, "end_rate": end_rate}
    return Schedule("polynomial", _polynomial, attrs=attrs)


def _polynomial(schedule: Schedule, step: int, **_: Any) -> float:
    attrs = schedule.attrs
    left = max(0.0, 1.0 - step / attrs["total_steps"])
    return attrs["end_rate"] + (attrs["base_rate"] - attrs["end_rate"]) * left ** attrs["power"]


@registry.schedules("multistep.v1")
def multistep(base_rate: float, milestones: Sequence[int], *, factor: float = 0.1) -> Schedule[float]:
    """base_rate, multiplied by factor from each of the milestones on. milestones: steps, in growing order."""
    steps: List[int] = list(milestones)
    _check("multistep", ("milestones", steps, steps == sorted(steps), "in growing order"))
    return Schedule("multistep", _multistep, attrs={"base_rate": base_rate, "milestones": steps, "factor": factor})


def _multistep(schedule: Schedule, step: int, **_: Any) -> float:
    attrs = schedule.attrs
    passed = sum(step >= milestone for milestone in attrs["milestones"])
    return attrs["base_rate"] * attrs["factor"] ** passed


@registry.schedules("inverse_sqrt.v1")
def inverse_sqrt(max_rate: float, warmup_steps: int) -> Schedule[float]:
    """A linear rise to max_rate over warmup_steps, then max_rate * sqrt(warmup_steps / step).

    SOURCE: Vaswani et al. 2017, arXiv:1706.03762, equation 3.
    """
    _check("inverse_sqrt", ("warmup_steps", warmup_steps, warmup_steps >= 1, ">= 1"))
    return Schedule("inverse_sqrt", _inverse_sqrt, attrs={"max_rate": max_rate, "warmup_steps": warmup_steps})


def _inverse_sqrt(schedule: Schedule, step: int, **_: Any) -> float:
    attrs = schedule.attrs
    warmup = attrs["warmup_steps"]
    return attrs["max_rate"] * (step / warmup if step < warmup else math.sqrt(warmup / step))


@registry.schedules("warmup.v1")
def warmup(schedule: Schedule[float], steps: int) -> Schedule[float]:
    """Any schedule, multiplied by step / steps while step < steps."""
    _check("warmup", ("steps", steps, steps >= 0, ">= 0"))
    return Schedule("warmup", _warmup, attrs={"schedule": as_schedule(schedule), "steps": steps})


def _warmup(schedule: Schedule, step: int, **extra: Any) -> float:
    inner, steps = schedule.attrs["schedule"], schedule.attrs["steps"]
    return inner._schedule(inner, step, **extra) * (step / steps if step < steps else 1.0)


@registry.schedules("plateau.v2")
def plateau_v2(
    schedule: Schedule[float],
    *,
    patience: int = 3,
    factor: float = 0.5,
    mode: Literal["max", "min"] = "max",
    threshold: float = 0.0,
    cooldown: int = 0,
    min_factor: float = 0.0,
) -> Schedule[float]:
    """`schedule` times `factor` for every time the score has stopped improving.

    patience: scores in a row, none better than the best so far, that make a plateau.
    mode: "max" when higher is better.  threshold: by how much a score must be better to count.
    cooldown: scores after a plateau that count for no other.
    min_factor: smallest product of the factors.
    The score comes in as `last_score=(step, score)`, from optimizer.last_score.
    """
    _check(
        "plateau",
        ("patience", patience, patience >= 1, ">= 1"),
        ("factor", factor, 0 < factor < 1, "in (0, 1)"),
        ("mode", repr(mode), mode in ("max", "min"), "'max' or 'min'"),
    )
    attrs = {"schedule": as_schedule(schedule), "patience": patience, "factor": factor, "mode": mode}
    attrs = {**attrs, "threshold": threshold, "cooldown": cooldown, "min_factor": min_factor}
    result: Schedule[float] = Schedule("plateau", _plateau, attrs=attrs)
    result.state = {"best": None, "step": None, "bad": 0, "cooling": 0, "factor": 1.0}
    return result


def _plateau(schedule: Schedule, step: int, last_score: Score = None, **extra: Any) -> float:
    if last_score is not None:
        _note_score(schedule.state, schedule.attrs, *last_score)
    inner = schedule.attrs["schedule"]
    return schedule.state["factor"] * inner._schedule(inner, step, last_score=last_score, **extra)


def _note_score(state: Dict[str, Any], attrs: Dict[str, Any], score_step: int, score: float) -> None:
    """Count the scores without progress; asking again about the same score step changes nothing."""
    if state["step"] is not None and score_step <= state["step"]:
        if score_step < state["step"]:
            got = f"got step {score_step} after {state['step']}"
            raise ValueError(f"plateau: scores must come in the order of their steps; {got}")
        return
    state["step"] = score_step
    gain = None if state["best"] is None else (score - state["best"]) * (1 if attrs["mode"] == "max" else -1)
    if gain is None or gain > attrs["threshold"]:
        state["best"], state["bad"] = score, 0
    elif not state["cooling"]:
        state["bad"] += 1
    state["cooling"] = max(state["cooling"] - 1, 0)
    if state["bad"] == attrs["patience"]:
        state["bad"], state["cooling"] = 0, attrs["cooldown"]
        state["factor"] = max(state["factor"] * attrs["factor"], attrs["min_factor"])
