"""Runs a row of cases.py on a backend and on the reference, and compares."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator

import numpy
from cases import Args, Case, Draw
from tolerances import ULPS, assert_close, largest, widest

from thinc_core.backends import Ops

REFERENCE = Ops()
# rows and width of the arguments: nothing, one value, a vector register less one, full, and one more, and many.
SIZES = [(0, 5), (3, 0), (1, 1), (2, 15), (3, 16), (5, 17), (7, 200)]


@contextmanager
def of(*which: Any) -> Iterator[None]:
    """Says which variant in a test an error is of. A test of its own for each would cost more than it does."""
    try:
        yield
    except Exception as error:
        raise AssertionError(f"{', '.join(map(str, which))}: {type(error).__name__}: {error}") from error


def with_arrays(args: Args, change: Callable[[Any], Any]) -> Args:
    """The arguments with every array changed, those in lists too."""
    return {name: _changed(value, change) for name, value in args.items()}


def _changed(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, list):
        return [_changed(member, change) for member in value]
    return change(value) if isinstance(value, numpy.ndarray) else value


def with_floats(args: Args, change: Callable[[Any], Any]) -> Args:
    """The arguments with every float array changed."""
    return with_arrays(args, lambda array: change(array) if is_floats(array) else array)


def is_floats(value: Any) -> bool:
    return isinstance(value, numpy.ndarray) and value.dtype.kind == "f"


def copied(args: Args) -> Args:
    """The arguments with every array copied, layout and all."""
    return with_arrays(args, lambda array: array.copy(order="K"))


def on_backend(ops: Any, args: Args) -> Args:
    """The arguments with every array moved to the backend; NumPy arrays stay the very same objects on CPU backends."""
    return with_arrays(args, ops.asarray)


def call(ops: Any, case: Case, args: Args) -> Any:
    """The op's result. Overflow and NaN are part of what is tested, so NumPy need not warn of them."""
    with numpy.errstate(all="ignore"):
        return getattr(ops, case.op)(**args)


def outputs(ops: Any, case: Case, args: Args, result: Any) -> Dict[str, Any]:
    """Everything the call produced, as NumPy arrays: what it returned and what it changed in place."""
    returned = result if isinstance(result, tuple) else () if result is None else (result,)
    arrays = {f"result {i}": ops.to_numpy(array) for i, array in enumerate(returned) if array is not None}
    for name in case.mutates:
        for i, array in enumerate(args[name] if isinstance(args[name], list) else [args[name]]):
            if array is not None:
                arrays[f"{name}[{i}]" if isinstance(args[name], list) else name] = ops.to_numpy(array)
    return arrays


def expected_outputs(case: Case, args: Args) -> Dict[str, Any]:
    """What the reference computes from the same values in a wider dtype."""
    wide = widest(float_dtype(args))
    wide_args = with_floats(copied(args), lambda array: array.astype(wide))
    return outputs(REFERENCE, case, wide_args, call(REFERENCE, case, wide_args))


def poison(outputs: Dict[str, Any]) -> None:
    """Fill and free memory of the sizes that the op will ask for, so that an output it forgets to write is seen."""
    for array in outputs.values():
        for dtype in ("float32", "float64", "int32"):
            numpy.full(array.shape, 77 if dtype == "int32" else numpy.nan, dtype=dtype)


def sizes(case: Case, args: Args, expected: Dict[str, Any]) -> Dict[str, Any]:
    """The magnitudes that the row's ulps are of, for each output."""
    if case.relative_to == "value":
        return {name: abs(array) for name, array in expected.items()}
    if case.relative_to in args:
        return {name: abs(args[case.relative_to]).astype(array.dtype) for name, array in expected.items()}
    if case.relative_to == "terms":  # of a sum: what the op gives when no term cancels another
        positive = with_floats(
            args, lambda array: numpy.where(numpy.isfinite(array), abs(array), 0).astype(array.dtype)
        )
        return expected_outputs(case, positive)
    return {name: largest(array) if array.dtype.kind == "f" else 0 for name, array in expected.items()}


def float_dtype(args: Args) -> Any:
    arrays = [each for value in args.values() for each in (value if isinstance(value, list) else [value])]
    dtypes = [array.dtype for array in arrays if is_floats(array)]
    return dtypes[0].newbyteorder("=") if dtypes else numpy.dtype("float32")


def check(ops: Any, case: Case, args: Args) -> Any:
    """Run the row on the backend and compare with the reference; the raw result and the arguments it was given."""
    expected, before = expected_outputs(case, args), copied(args)
    moved = on_backend(ops, args)
    poison(expected)
    result = call(ops, case, moved)
    actual = outputs(ops, case, moved, result)
    assert list(actual) == list(expected)
    ulps, size = ULPS.get(case.close, case.close), sizes(case, before, expected)
    for name, array in actual.items():
        assert array.dtype.kind == expected[name].dtype.kind, f"{case.name}: {name} has dtype {array.dtype}"
        if array.dtype.kind == "f":
            assert array.dtype.newbyteorder("=") == float_dtype(args), f"{case.name}: {name} has dtype {array.dtype}"
        else:
            assert array.dtype == expected[name].dtype, f"{case.name}: {name} has dtype {array.dtype}"
        assert_close(array, expected[name], ulps, size[name], f"{case.name}: {name}")
    untouched = [
        name for name in args if name not in case.mutates and not (args.get("inplace") and name == case.inplace)
    ]
    for name in untouched:
        if isinstance(before[name], numpy.ndarray):
            numpy.testing.assert_array_equal(
                ops.to_numpy(moved[name]), before[name], err_msg=f"{case.name} changed {name}"
            )
    return result, moved


def drawn(case: Case, rows: int, width: int, dtype: Any, seed: int = 0) -> Args:
    return case.make(Draw(rows, width, dtype, seed))
