"""Weights that have never had a gradient are passed over: nobody may be able to tell but by the clock."""

from __future__ import annotations

from typing import Any, Dict

import numpy
import pytest

from thinc_core.backends import NumpyOps, Ops

OPS, REFERENCE = NumpyOps(), Ops()
N = 10_000  # several blocks, and a part of one
SETTINGS = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "learn_rate": 0.01}
NAMES = ("weights", "gradient", "mom1", "mom2")


def mostly_zero(dtype: str, **somewhere: slice) -> Dict[str, Any]:
    """Weights everywhere; the other arrays zero but for one place each."""
    rng = numpy.random.default_rng(0)
    arrays = {name: numpy.zeros(N, dtype) for name in NAMES}
    arrays["weights"][:] = rng.normal(size=N)
    for name, place in somewhere.items():
        arrays[name][place] = rng.uniform(0.1, 1, N)[place]
    return arrays


PLACES = {
    "nowhere": {},
    "gradient": {"gradient": slice(1500, 1501)},
    "last": {"gradient": slice(N - 1, N)},
    "mom1": {"mom1": slice(2047, 2049)},
    "mom2": {"mom2": slice(3000, 3001)},
    "apart": {"gradient": slice(100, 120), "mom1": slice(4000, 4100), "mom2": slice(8000, 9990)},
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("places", PLACES.values(), ids=PLACES)
def test_adam(places: Dict[str, slice], dtype: str, isa: str) -> None:
    ours, expected = mostly_zero(dtype, **places), mostly_zero(dtype, **places)
    OPS.adam(**ours, **SETTINGS)
    REFERENCE.adam(**expected, **SETTINGS)
    for name in NAMES:
        rtol = 1e-5 if dtype == "float32" else 1e-13
        numpy.testing.assert_allclose(ours[name], expected[name], rtol=rtol, atol=1e-7, err_msg=name)
    moved = numpy.zeros(N, bool)
    for name in ("gradient", "mom1"):
        moved[places.get(name, slice(0))] = True
    numpy.testing.assert_array_equal(ours["weights"] != mostly_zero(dtype)["weights"], moved)


@pytest.mark.parametrize(
    "settings",
    [{"eps": 0.0}, {"learn_rate": numpy.inf}, {"learn_rate": numpy.nan}, {"beta1": numpy.nan}, {"mod_rate": numpy.inf}],
)
def test_adam_with_settings_that_zeros_do_not_survive(settings: Dict[str, float]) -> None:
    ours, expected = mostly_zero("float64"), mostly_zero("float64")
    with numpy.errstate(all="ignore"):
        OPS.adam(**ours, **{**SETTINGS, **settings})
        REFERENCE.adam(**expected, **{**SETTINGS, **settings})
    for name in NAMES:
        numpy.testing.assert_array_equal(ours[name], expected[name], err_msg=name)


@pytest.mark.parametrize("start", [0, 1])  # where a cache line begins, and not
@pytest.mark.parametrize("name", ["ema", "weights", "neither"])
def test_averages(name: str, start: int, isa: str) -> None:
    for place in (0, 1023, 1024, 5000, N - 2):
        arrays = {each: numpy.zeros(N, "f")[start:] for each in ("ema", "weights")}
        if name in arrays:
            arrays[name][place] = 1
        before = {each: array.copy() for each, array in arrays.items()}
        OPS.update_averages(**arrays, t=5)
        REFERENCE.update_averages(**before, t=5)
        numpy.testing.assert_allclose(arrays["ema"], before["ema"], rtol=1e-6)


def test_averages_with_a_step_that_is_no_number() -> None:
    ema = numpy.zeros(N, "f")
    OPS.update_averages(ema, numpy.zeros(N, "f"), t=numpy.nan)
    assert numpy.isnan(ema).all()
