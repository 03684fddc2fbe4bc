"""Every public op is given arguments of every kind, right and wrong ones.

Whatever it is given, it returns what the reference returns or raises what the reference raises: one of a few types,
with the name of an op at the start of its text. It changes only what it is documented to change, and nothing beside it.
THINC_CORE_FUZZ=2000 draws that many arguments for each op instead of the few of a usual run.
"""

from __future__ import annotations

import inspect
import os
import random
import warnings
from itertools import islice
from typing import Any, Dict, List, Tuple

import fuzzing
import numpy
import pytest
from case_arguments import Args, Draw
from cases import CASES
from fuzzing import MAKERS, OPS, Placed, by_annotation, named_as
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from running import REFERENCE

from thinc_core.backends import NumpyOps

ALLOWED = (ValueError, TypeError, IndexError, OverflowError, NotImplementedError)
NUMPY_OPS = NumpyOps()
EXAMPLES = int(os.environ.get("THINC_CORE_FUZZ", "40"))
MUTATES = {case.op: case.mutates for case in CASES}
INPLACE = {case.op: case.inplace for case in CASES}
# Of the largest value that went in or came out. Sums in another order, of 1000 terms at most.
TOLERANCE = {2: 4e-3, 4: 2e-5, 8: 5e-14, 16: 5e-14}


def overwritten(op: str, args: Args) -> Tuple[str, ...]:
    """The arguments that the op is documented to change."""
    try:
        inplace = (INPLACE.get(op) or "",) if args.get("inplace") else ()
    except ValueError:  # an array has no truth
        inplace = ()
    return ("out", *MUTATES.get(op, ()), *inplace)


def outcome(ops: Any, op: str, args: Args) -> Tuple[Any, Any]:
    """What the call returned and what it raised; one of them is None."""
    numpy.random.seed(0)
    try:
        with numpy.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return leaves(getattr(ops, op)(**args)), None
    except Exception as error:
        return None, error


def leaves(result: Any) -> List[Any]:
    """The arrays of a result, however nested, and what is no array; of an endless one the beginning."""
    if hasattr(result, "size_at_t"):  # Padded
        result = (result.data, result.size_at_t, result.lengths, result.indices)
    if isinstance(result, (list, tuple)) or hasattr(result, "__next__") or type(result).__name__ == "SizedGenerator":
        return [leaf for member in islice(result, 100) for leaf in leaves(member)]
    return [result]


def drawn(op: str, seed: int, spoilt: int, calm: bool) -> Tuple[Args, Dict[str, List[Placed]], str]:
    """Arguments, the boxes they lie in, and the one that shares the memory of another."""
    rng = random.Random(seed)
    make = rng.choice(MAKERS.get(op) or [by_annotation(op)])
    d = Draw(rng.choice((0, 1, 2, 5, 8)), rng.choice((0, 1, 3, 8, 17)), rng.choice(("e", "f", "f", "d", "d")), seed)
    args = dict(make(d))
    for name, parameter in list(inspect.signature(getattr(REFERENCE, op)).parameters.items()):
        if parameter.default is not parameter.empty and rng.random() < 0.5:
            args.setdefault(name, parameter.default)
    if "inplace" in args:
        args["inplace"] = rng.random() < 0.5
    if "out" in inspect.signature(getattr(REFERENCE, op)).parameters and rng.random() < 0.4:
        args["out"] = fuzzing.an_out(op, args)
    for _ in range(spoilt if args else 0):
        fuzzing.spoil(rng, args)
    boxes: Dict[str, List[Placed]] = {name: [] for name in args}
    args = {name: fuzzing.placed(rng, value, boxes[name], calm) for name, value in args.items()}
    return args, boxes, fuzzing.share(rng, args) if rng.random() < 0.15 else ""


def comparable(expected: Any, args: Args, size: float) -> bool:
    """Whether rounding explains no more than a small difference: no argument is huge or not a number."""
    if not isinstance(expected, numpy.ndarray):
        return False
    return size <= 1e3 and args.get("zeros", True) is True and expected.dtype.kind in "fiub"


def largest(args: Args) -> float:
    """The largest magnitude of a number among the arguments."""
    values = [value for value in args.values() if isinstance(value, (int, float, numpy.ndarray))]
    floats = [value for value in map(numpy.array, values) if value.dtype.kind == "f" and value.size]
    with numpy.errstate(all="ignore"):
        return max((float(abs(value).max()) for value in floats), default=0)


def assert_alike(actual: Any, expected: Any, label: str, values: bool, size: float) -> None:
    """The same type, shape, dtype and, as far as they are finite, values."""
    if not isinstance(expected, numpy.ndarray):
        assert type(actual) is type(expected), f"{label}: {type(actual)}, expected {type(expected)}"
        return
    assert isinstance(actual, numpy.ndarray), f"{label}: no array but {type(actual)}"
    assert actual.shape == expected.shape, f"{label}: shape {actual.shape}, expected {expected.shape}"
    assert actual.dtype == expected.dtype, f"{label}: dtype {actual.dtype}, expected {expected.dtype}"
    if not values:
        return
    if expected.dtype.kind != "f":
        numpy.testing.assert_array_equal(actual, expected, err_msg=label)
        return
    finite = numpy.isfinite(numpy.array(expected))
    wide, got = (numpy.array(each)[finite].astype("float64") for each in (expected, actual))
    error = abs(got - wide).max(initial=0)
    allowed = TOLERANCE[expected.dtype.itemsize] * (1 + size + abs(wide).max(initial=0))
    assert error <= allowed, f"{label}: {got} instead of {wide}"  # not a number is not less either


def assert_memory(op: str, args: Args, boxes: Dict[str, List[Placed]], shared: str, raised: bool) -> None:
    """Nothing beside the arrays was written, nor an argument that the op does not change."""
    changing = overwritten(op, args)
    for name, placed in boxes.items():
        for box in placed:
            assert not box.spilt(), f"{op}: wrote beside the elements of {name}"
            if (shared or name in changing) and not raised:
                continue
            assert not box.changed(), f"{op}: changed {name}{' and then raised' if raised else ''}"


def too_large(error: Any) -> bool:
    """Whether it says that something does not fit into memory: of which array, backends may differ."""
    words = ("Maximum allowed", "too big", "too large", "negative dimensions", "cannot compute length", "fit into")
    return isinstance(error, MemoryError) or any(each in str(error) for each in words)


def assert_error(op: str, error: Any) -> None:
    """It is of a documented type and begins with the name of the op."""
    if error is None or isinstance(error, MemoryError):
        return
    assert isinstance(error, ALLOWED) or (op, type(error)) == ("as_contig", AttributeError), f"{op} raised {error!r}"
    names = (f"{op}: ", f"{named_as(op)}: ")
    assert str(error).startswith(names), f"{op}: no name at the start of {error!r}"


@pytest.mark.parametrize("op", OPS)
@settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32 - 1), spoilt=st.sampled_from([0, 1, 1, 2, 3]), calm=st.booleans())
def test_no_argument_does_harm(op: str, seed: int, spoilt: int, calm: bool) -> None:
    args, boxes, shared = drawn(op, seed, spoilt, calm)
    same, _, _ = drawn(op, seed, spoilt, calm)
    size = largest(args)  # before they are changed
    result, error = outcome(NUMPY_OPS, op, args)
    expected, raised = outcome(REFERENCE, op, same)
    assert_memory(op, args, boxes, shared, error is not None)
    assert_error(op, error)
    assert_error(op, raised)
    if too_large(error) or too_large(raised):
        return
    # Which of two faults is named first is the backend's own affair.
    kinds = [type(each) if calm and spoilt < 2 else each is None for each in (error, raised)]
    assert kinds[0] == kinds[1], f"{op}: {error!r} and {raised!r} of the reference"
    if error is None:
        assert len(result) == len(expected)
        for i, (mine, theirs) in enumerate(zip(result, expected)):
            assert_alike(mine, theirs, f"{op}: result {i}", comparable(theirs, same, size), size)
