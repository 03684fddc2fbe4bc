"""apply_gradients beyond the rows of cases.py: large parameters, shared memory, overflow, what reaches the device."""

from __future__ import annotations

import gc
from typing import Any, Dict, Iterator, List

import numpy
import pytest
from any_backend import make_ops
from case_arguments import Draw
from cases import CASES
from cuda_emulation import build
from cuda_emulation.device import SCHEDULES, emulated_device
from fake_cupy import FAKE
from running import check, copied, on_backend

from thinc_core.backends import NumpyOps, Ops, get_num_threads, set_num_threads
from thinc_core.backends.cuda import _step_tables
from thinc_core.backends.reference.optim import StepRates

LISTS = ("weights", "gradients", "mom1", "mom2", "averages")
STEP = StepRates(t=5, learn_rate=0.01, beta1=0.9, beta2=0.99, eps=1e-8, grad_clip=1.0)
ROWS = [case for case in CASES if case.op == "apply_gradients"]


def parameters(*sizes: int, dtype: str = "float32", moments: str = "", step: StepRates = STEP) -> Dict[str, Any]:
    """Arguments for vectors of these sizes."""
    d = Draw(3, 3, dtype)
    args: Dict[str, Any] = {name: [d.floats(n) for n in sizes] for name in LISTS}
    args["mom1"], args["mom2"] = ([abs(X).astype(moments or dtype) for X in args[name]] for name in ("mom1", "mom2"))
    return {**args, "rates": [step] * len(sizes)}


def values(args: Dict[str, Any], ops: Any) -> List[Any]:
    """Copies of all arrays of the lists."""
    return [ops.to_numpy(X).copy() for name in LISTS for X in args[name] if X is not None]


@pytest.fixture
def threads() -> Iterator[None]:
    before = get_num_threads()
    yield
    set_num_threads(before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", ROWS, ids=lambda case: case.name)
@pytest.mark.parametrize("count", [1, 2])
def test_the_bits_are_those_of_one_op_after_the_other(case: Any, dtype: str, count: int, threads: Any) -> None:
    """Sizes of several blocks of squares, and so much work that threads share it."""
    set_num_threads(count)
    ops = NumpyOps()
    args = case.make(Draw(300, 257, dtype))
    alone = copied(args)
    ops.apply_gradients(**args)
    Ops.apply_gradients(ops, **alone)
    for one, other in zip(values(args, ops), values(alone, ops)):
        numpy.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_and_small_parameters(ops: Any, dtype: str) -> None:
    """Of one chunk for a block on the device, a little more, several; the last alone has a gradient to clip."""
    args = parameters(5, 4095, 4097, 9000, 40000, dtype=dtype)
    for gradient in args["gradients"][:-1]:
        gradient *= 1e-3
    check(ops, ROWS[0], args)


def test_moments_of_float16_weights_are_float32(ops: Any) -> None:
    """And gradients are not rounded to float16 when they are unscaled: 2^-20 of them would be nothing."""
    args = parameters(50, 70, dtype="float16", moments="float32", step=STEP._replace(learn_rate=1.0))
    args["mom1"] = [0 * X for X in args["mom1"]]
    args["mom2"] = [0 * X for X in args["mom2"]]
    wide = {**args, **{name: [X.astype("float64") for X in args[name]] for name in LISTS}}
    moved = on_backend(ops, copied(args))
    ops.apply_gradients(**moved, unscale=2.0**-20)
    Ops().apply_gradients(**wide, unscale=2.0**-20)
    for name in LISTS:
        for X, expected in zip(moved[name], wide[name]):
            assert X.dtype == ("float32" if name in ("mom1", "mom2") else "float16")
            rtol, atol = (1e-6, 1e-20) if X.dtype == "float32" else (2e-3, 2e-3)
            numpy.testing.assert_allclose(ops.to_numpy(X), expected, rtol=rtol, atol=atol)


@pytest.mark.parametrize("bad", [numpy.inf, -numpy.inf, numpy.nan])
@pytest.mark.parametrize("clip", [0.0, 1.0])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_overflow_skips_the_step(ops: Any, dtype: str, clip: float, bad: float) -> None:
    args = parameters(40, 5000, 8, dtype=dtype, step=STEP._replace(grad_clip=clip))
    args["gradients"][1][4500] = bad
    moved, found = on_backend(ops, copied(args)), ops.alloc((1,), dtype="int32")
    before = values(moved, ops)
    ops.apply_gradients(**moved, unscale=0.5, found_inf=found)
    assert ops.to_numpy(found).tolist() == [1]
    assert not any(ops.to_numpy(X).any() for X in moved["gradients"])
    moved["gradients"] = [ops.asarray(X) for X in args["gradients"]]
    for one, other in zip(values(moved, ops), before):
        numpy.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_without_overflow_found_inf_changes_nothing(ops: Any, dtype: str) -> None:
    largest = {"float32": 3e38, "float64": 1e150}[dtype]  # whose squares are too large for it
    args = parameters(40, 5000, dtype=dtype)
    args["gradients"][1][4500] = largest
    one, other = on_backend(ops, copied(args)), on_backend(ops, args)
    found = ops.alloc((1,), dtype="int32")
    ops.apply_gradients(**one, found_inf=found)
    ops.apply_gradients(**other)
    assert ops.to_numpy(found).tolist() == [0]
    for X, Y in zip(values(one, ops), values(other, ops)):
        numpy.testing.assert_array_equal(X, Y)


def test_overflow_of_before_skips_the_step_too(ops: Any) -> None:
    moved, found = on_backend(ops, parameters(9)), ops.asarray(numpy.ones(1, "int32"))
    before = values(moved, ops)
    ops.apply_gradients(**moved, found_inf=found)
    assert not ops.to_numpy(moved["gradients"][0]).any()
    numpy.testing.assert_array_equal(ops.to_numpy(moved["weights"][0]), before[0])
    assert ops.to_numpy(found).tolist() == [1]


def test_weights_of_two_parameters_may_be_the_same(ops: Any) -> None:
    """They are updated for one after the other."""
    args = parameters(30, 30)
    args["weights"][1] = args["weights"][0]
    expected = copied(args)
    expected["weights"][1] = expected["weights"][0]
    for i in range(2):
        Ops().apply_gradients(**{name: each[i : i + 1] for name, each in expected.items()})
    moved = on_backend(ops, args)
    moved["weights"][1] = moved["weights"][0]
    ops.apply_gradients(**moved)
    for X, Y in zip(values(moved, ops), values(expected, Ops())):
        numpy.testing.assert_allclose(X, Y, rtol=1e-5)


def test_no_parameters(ops: Any) -> None:
    ops.apply_gradients([], [], [], [], [], [])
    moved = on_backend(ops, parameters(0, 3))
    ops.apply_gradients(**moved)
    assert not ops.to_numpy(moved["gradients"][1]).any()


# What reaches the device


@pytest.fixture
def emulated(monkeypatch: Any) -> Any:
    """Emulated ops, with a list of the kernels they launch and of what they copy to the device."""
    if build.problem() is not None:
        pytest.skip(str(build.problem()))
    ops: Any = make_ops("cuda_emulated", monkeypatch)
    device, ops.log = emulated_device(), []
    for name in ("launch", "launch_blocks"):
        real = getattr(device, name)
        monkeypatch.setattr(device, name, lambda *a, real=real, **k: (ops.log.append(a[1]), real(*a, **k)))
    real_copy = FAKE.asarray
    monkeypatch.setattr(FAKE, "asarray", lambda *a, **k: (ops.log.append("copy"), real_copy(*a, **k))[1], raising=False)
    return ops


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_of_threads(emulated: Any, schedule: str) -> None:
    device = emulated_device()
    device.set_schedule(schedule, seed=3)
    try:
        check(emulated, ROWS[0], parameters(40, 9000))
    finally:
        device.set_schedule(device.schedule)


def test_tables_are_made_once_for_the_same_arrays(emulated: Any) -> None:
    moved = on_backend(emulated, parameters(40, 5000))
    plans = len(_step_tables._plans)
    emulated.log.clear()
    emulated.apply_gradients(**moved)
    assert emulated.log == ["copy", "copy", "gradient_squares_f32", "apply_gradients_f32"]
    emulated.log.clear()
    later = STEP._replace(t=6, learn_rate=0.1)
    emulated.apply_gradients(**{**moved, "rates": [later, later]})
    assert emulated.log == ["gradient_squares_f32", "apply_gradients_f32"]
    assert len(_step_tables._plans) == plans + 1
    moved.clear()
    gc.collect()
    assert len(_step_tables._plans) == plans


def test_weights_of_two_parameters_do_not_go_into_one_launch(emulated: Any) -> None:
    moved = on_backend(emulated, parameters(30, 30))
    moved["weights"][1] = moved["weights"][0]
    emulated.apply_gradients(**moved)
    assert "apply_gradients_f32" not in emulated.log


def test_parameters_are_grouped_by_dtype_and_rates(emulated: Any) -> None:
    single, double = parameters(40, 6), parameters(7, dtype="float64")
    half = parameters(30, 5, dtype="float16", moments="float32", step=STEP._replace(grad_clip=0.0))
    args = {name: [*single[name], *double[name], *half[name]] for name in single}
    moved = on_backend(emulated, copied(args))
    emulated.log.clear()
    emulated.apply_gradients(**moved)
    kernels = [name for name in emulated.log if name != "copy"]
    assert kernels == [
        "gradient_squares_f32",
        "gradient_squares_f64",
        "apply_gradients_f32",
        "apply_gradients_f64",
        "apply_gradients_f16",
    ]
    Ops().apply_gradients(**args)
    for X, Y in zip(values(moved, emulated), values(args, Ops())):
        rtol = {"float16": 4e-3, "float32": 4e-6, "float64": 1e-14}[X.dtype.name]
        numpy.testing.assert_allclose(X, Y, rtol=rtol, atol=rtol)


def test_other_rates_for_the_same_arrays(emulated: Any) -> None:
    """Which parameters share a table depends on which share their rates."""
    args = parameters(40, 6)
    for rates in ([STEP, STEP._replace(learn_rate=0.5)], [STEP, STEP], [STEP._replace(decay=0.5), STEP]):
        args["rates"] = rates
        moved = on_backend(emulated, copied(args))
        emulated.apply_gradients(**moved)
        expected = copied(args)
        Ops().apply_gradients(**expected)
        for X, Y in zip(values(moved, emulated), values(expected, Ops())):
            numpy.testing.assert_allclose(X, Y, rtol=4e-6, atol=4e-6)
