"""The bound in the NUMERICS line of every elementwise op, over the whole range of float32 and float64."""

from __future__ import annotations

import inspect
import re
from typing import Any, List, Tuple

import numpy
import pytest
from cases import ELEMENTWISE
from tolerances import widest

from thinc_core.backends import NumpyOps, Ops

NAMES = sorted({case.op for case in ELEMENTWISE})
FORWARD_OUTPUT = {"backprop_relu": (0, 8), "backprop_sigmoid": (0, 1), "dsigmoid": (0, 1), "dtanh": (-1, 1)}
ROOT_PI = numpy.sqrt(numpy.arctan(numpy.longdouble(1)) * 4)
# Where results may be 0 instead: this many times the smallest normal number.
NEGLIGIBLE = 1024


class Oracle(Ops):
    """The reference, computing with more digits than those of the results that it judges."""

    def _special(self, function: str, X: Any) -> Any:
        if X.dtype != numpy.longdouble:
            return super()._special(function, X)
        z = abs(X)
        if function == "erf":
            return numpy.sign(X) * numpy.where(z < 2, lower_part(numpy.minimum(z, 2)), 1 - upper_tail(z))
        return numpy.where(X < 0, 2 - upper_tail(z), upper_tail(z))


def upper_tail(z: Any) -> Any:
    """erfc(z) for z >= 0 in longdouble; from 2 on by its continued fraction."""
    z = numpy.minimum(z, 110)
    near, far = numpy.minimum(z, 2), numpy.maximum(z, 2)
    fraction = far
    for k in range(400, 0, -1):
        fraction = far + numpy.longdouble(k) / 2 / fraction
    return numpy.where(z < 2, 1 - lower_part(near), numpy.exp(-far * far) / ROOT_PI / fraction)


def lower_part(z: Any) -> Any:
    """erf(z) for 0 <= z <= 2 in longdouble, by a series of positive terms."""
    term = total = numpy.ones_like(z)
    for k in range(1, 80):
        term = term * (2 * z * z) / (2 * k + 1)
        total = total + term
    return 2 * z / ROOT_PI * numpy.exp(-z * z) * total


def bounds_of(op: str) -> List[Tuple[float, str, float]]:
    """From the docstring: how many ulp, of what, and for |X| up to what."""
    text = inspect.getdoc(getattr(Ops, op)) or ""
    if "NUMERICS: exact" in text:
        return [(0.0, "Y", numpy.inf)]
    found = re.findall(
        r"at most ([\d.]+) ulp of (\w+)(?: for \|X\| < ([\de]+))?", text[text.find("NUMERICS: at most") :]
    )
    assert found, f"{op} has no line `NUMERICS: exact ...` or `NUMERICS: at most ... ulp of ...`"
    return [(float(ulps), of, float(end or "inf")) for ulps, of, end in found]


def sweep(op: str, dtype: str) -> Any:
    """Numbers of every size up to the largest, and many of those that matter most."""
    rng = numpy.random.default_rng(0)
    if op in FORWARD_OUTPUT:
        return rng.uniform(*FORWARD_OUTPUT[op], 40_000).astype(dtype)
    bits = numpy.linspace(0, numpy.array(numpy.finfo(dtype).max).view(dtype.replace("float", "int")), 20_000)
    sizes = bits.astype(dtype.replace("float", "int")).view(dtype)[:-1]
    end = 90 if dtype == "float32" else 720
    dense = [rng.uniform(-high, high, 20_000) for high in (1, 6, 20, end)]
    return numpy.concatenate([sizes, -sizes, *dense]).astype(dtype)


def call(ops: Ops, op: str, dtype: Any, x: Any, dy: Any) -> Any:
    x, dy = x.astype(dtype), dy.astype(dtype)
    with numpy.errstate(all="ignore"):
        if op == "backprop_swish":
            return ops.backprop_swish(dy, x, ops.swish(x))
        return getattr(ops, op)(dy, x) if op.startswith("backprop_") else getattr(ops, op)(x)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("op", NAMES)
def test_error_is_within_the_stated_bound(op: str, dtype: str) -> None:
    wide = widest(dtype)
    if numpy.finfo(wide).eps >= numpy.finfo(dtype).eps:
        pytest.skip("this platform has no wider type to judge float64 by")
    x = sweep(op, dtype)
    dy = numpy.random.default_rng(1).uniform(-4, 4, x.shape).astype(dtype)
    expected = call(Oracle(), op, wide, x, dy)
    sizes = {"X": x, "dY": dy, "1": numpy.ones_like(x)}
    tiny = numpy.finfo(dtype).tiny
    for bound, of, end in bounds_of(op):
        ulp = numpy.spacing(numpy.maximum(abs(sizes.get(of, expected)).astype(dtype), tiny))
        for ops in (NumpyOps(), Ops()):
            error = abs(call(ops, op, dtype, x, dy) - expected)
            error = numpy.where((error < NEGLIGIBLE * tiny) | (abs(x) >= end), 0, error) / ulp
            worst = int(error.argmax())
            message = f"{ops.name}: {error[worst]:.3g} ulp of {of} at {x[worst]!r}, stated {bound:g}"
            assert error[worst] <= bound, message
