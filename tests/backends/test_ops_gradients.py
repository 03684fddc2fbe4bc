"""The gradients of every row that has one: along one random direction, against a central difference in float64.

Only the reference is checked this way; test_ops_values.py holds every other backend's gradients to the reference's.
"""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from cases import CASES, Args, Case
from running import REFERENCE, call, copied, drawn, is_floats

STEP = 1e-6
DIFFERENTIABLE = [case for case in CASES if case.gradient]


def away_from(kinks: Any, args: Args) -> Args:
    """The arguments with every value moved at least 100 steps from the points without a derivative."""
    for name, value in args.items():
        for kink in kinks if is_floats(value) else ():
            near = abs(value - kink) < 100 * STEP
            args[name] = value = numpy.where(near, kink + 100 * STEP, value)
    return args


def first(result: Any) -> Any:
    return result[0] if isinstance(result, tuple) else result


def along(case: Case, args: Args, direction: Args, dY: Any, step: float) -> float:
    """sum(op(args + step * direction) * dY)."""
    moved = copied(args)
    for name, change in direction.items():
        moved[name] = moved[name] + step * change
    return float((first(call(REFERENCE, case, moved)) * dY).sum())


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=lambda case: case.name)
@pytest.mark.parametrize("size", [(1, 1), (4, 9)])
def test_directional_derivative(case: Case, size: Any) -> None:
    assert case.gradient is not None
    args = away_from(case.kink, drawn(case, *size, "float64", seed=3))
    rng = numpy.random.default_rng(4)
    dY = rng.normal(size=first(call(REFERENCE, case, copied(args))).shape)
    gradients = case.gradient(REFERENCE, copied(args), dY)
    direction = {name: rng.normal(size=args[name].shape) for name in gradients}
    claimed = sum(float((gradients[name] * direction[name]).sum()) for name in gradients)
    forward, back = (along(case, args, direction, dY, step) for step in (STEP, -STEP))
    assert claimed == pytest.approx((forward - back) / (2 * STEP), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=lambda case: case.name)
def test_every_float_argument_has_a_gradient(case: Case) -> None:
    """Otherwise a wrong gradient could hide in an argument that the direction leaves alone."""
    assert case.gradient is not None
    args = drawn(case, 2, 3, "float64")
    dY = numpy.ones_like(first(call(REFERENCE, case, copied(args))))
    assert set(case.gradient(REFERENCE, copied(args), dY)) == {name for name, value in args.items() if is_floats(value)}
