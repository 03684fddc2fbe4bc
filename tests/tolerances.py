"""How far a result may be from the reference, in units in the last place (ulp) of its dtype. Nothing else says so.

A row of cases.py names one of these; a row that needs more says how much and why on the same line.
"""

from __future__ import annotations

from typing import Any

import numpy

# ulps of what relative_to says
ULPS = {
    "exact": 0,  # copies, choices, integers
    "rounded": 2,  # a handful of roundings
    "function": 8,  # one exp or erf and the arithmetic around it
    "sum": 64,  # products added up in an order of the backend's own
}


def widest(dtype: Any) -> Any:
    """The dtype to compute the expected values in: wide enough that its own rounding does not show."""
    return numpy.dtype("float64") if numpy.dtype(dtype).itemsize < 8 else numpy.dtype(numpy.longdouble)


def largest(values: Any) -> float:
    """The largest finite magnitude."""
    finite = abs(values[numpy.isfinite(values)])
    return float(finite.max(initial=0))


def assert_close(actual: Any, expected: Any, ulps: float, size: Any, label: str) -> None:
    """actual equals expected to within ulps of actual's dtype; NaN and infinities must be in the same places.

    size: magnitude that the ulps are of: an array like expected, or a number for all values.
    """
    assert actual.shape == expected.shape, f"{label}: shape {actual.shape}, expected {expected.shape}"
    if actual.dtype.kind != "f":
        numpy.testing.assert_array_equal(actual, expected, err_msg=label)
        return
    with numpy.errstate(over="ignore", invalid="ignore"):
        expected = numpy.where(
            abs(expected) > numpy.finfo(actual.dtype).max, numpy.sign(expected) * numpy.inf, expected
        )
    finite = numpy.isfinite(expected)
    numpy.testing.assert_array_equal(
        actual[~finite], expected[~finite].astype(actual.dtype), err_msg=f"{label}: not finite"
    )
    wide, actual_wide = expected[finite], actual[finite].astype(expected.dtype)
    size = numpy.broadcast_to(size, expected.shape)[finite]
    info = numpy.finfo(actual.dtype)
    error = abs(actual_wide - wide) / numpy.maximum(size * info.eps, float(info.smallest_subnormal) * 4)
    worst = float(error.max(initial=0)) if numpy.isfinite(actual_wide).all() else numpy.inf
    if worst > ulps:
        at = int(numpy.nan_to_num(error, nan=numpy.inf).argmax())
        raise AssertionError(
            f"{label}: {worst:.3g} ulp of {actual.dtype} from the reference, allowed {ulps}; "
            f"got {actual_wide[at]!r}, expected {wide[at]!r}"
        )
