"""float16 in NumpyOps: the bits of every conversion, and ops computed in float32 and rounded."""

from __future__ import annotations

import numpy
import pytest
from cases import CASES, Case
from running import call, copied, drawn, is_floats, outputs, with_floats

from thinc_core.backends import NumpyOps, Ops

OPS = NumpyOps()
NATIVE = [case for case in CASES if case.half and getattr(NumpyOps, case.op) is not getattr(Ops, case.op)]
HALVES = [case for case in NATIVE if any(map(is_floats, drawn(case, 3, 17, "float16").values()))]


@pytest.mark.parametrize("case", HALVES, ids=lambda case: case.name)
def test_same_as_single_rounded(case: Case) -> None:
    args = drawn(case, 5, 40, "float16")
    single = with_floats(copied(args), lambda array: array.astype("float32"))
    expected = outputs(OPS, case, single, call(OPS, case, single))
    for name, array in outputs(OPS, case, args, call(OPS, case, args)).items():
        rounded = expected[name].astype("float16") if is_floats(expected[name]) else expected[name]
        assert array.dtype == rounded.dtype
        numpy.testing.assert_array_equal(array, rounded, err_msg=name)


def test_every_half(isa: str) -> None:
    """To single precision and back, all 65,536 of them, NaN and subnormal numbers too."""
    every = numpy.arange(2**16, dtype="uint16").view("float16")
    same = OPS.backprop_relu(every, numpy.ones_like(every))
    numpy.testing.assert_array_equal(same, every)
    assert (numpy.signbit(same) == numpy.signbit(every))[~numpy.isnan(every)].all()


def test_rounding_to_half(isa: str) -> None:
    """Halfway between neighbours, and one unit beside, as NumPy does it: 1 + 2^-10 k times m in float32."""
    k = numpy.arange(1, 1024, dtype="float16") / numpy.float16(1024)
    for m in (1 + 2**-11, 1 + 2**-12, 3 * 2**-11, 2.0**-24, 3 * 2.0**-26, 2.0**-15, 60000, -70000):
        expected = k.astype("float32") * numpy.float32(m) + numpy.float32(m)
        result = OPS.clipped_linear(k, slope=m, offset=m, min_val=-numpy.inf, max_val=numpy.inf)
        with numpy.errstate(over="ignore"):
            numpy.testing.assert_array_equal(result, expected.astype("float16"))


@pytest.mark.parametrize("value", [65519, 65520, 65536, 1e9, numpy.inf, -70000, 2.0**-25, 2.0**-25 * 1.001, 6e-8])
def test_at_the_ends(isa: str, value: float) -> None:
    X = numpy.zeros(3, dtype="float16")
    result = OPS.clipped_linear(X, slope=0.0, offset=value, min_val=-numpy.inf, max_val=numpy.inf)
    with numpy.errstate(over="ignore"):
        assert (result == numpy.float32(value).astype("float16")).all()


def test_in_place_writes_into_the_given_array() -> None:
    holder = numpy.full((6, 6), -3, dtype="float16")
    view = holder[::2, ::2]
    assert OPS.relu(view, inplace=True) is view
    assert (view == 0).all()
    assert (holder[1::2] == -3).all()


def test_refusals_are_those_of_the_reference() -> None:
    X = numpy.ones((2, 3), dtype="float16")
    X.flags.writeable = False
    with pytest.raises(ValueError, match="relu"):
        OPS.relu(X, inplace=True)
    with pytest.raises(ValueError, match="backprop_gelu"):
        OPS.backprop_gelu(X, numpy.ones((3, 2), dtype="float16"))
    assert OPS.gelu(X).dtype == "float16"
