"""Every row of cases.py, on every backend, against the reference in a wider dtype."""

from __future__ import annotations

from typing import Any, Dict, Optional

import numpy
import pytest
from cases import CASES, Args, Case
from running import SIZES, call, check, copied, drawn, is_floats, of, on_backend

ALL = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


def arrays_of(args: Args) -> Dict[str, Any]:
    return {name: value for name, value in args.items() if isinstance(value, numpy.ndarray)}


@ALL
@DTYPES
def test_values_at_every_size(ops: Any, case: Case, dtype: str) -> None:
    for rows, width in SIZES:
        check(ops, case, drawn(case, rows, width, dtype))


@ALL
def test_many_values(ops: Any, case: Case) -> None:
    """Enough for every unrolled loop to run and for the GIL to be released."""
    check(ops, case, drawn(case, 60, 333, "float32", seed=1))


@pytest.mark.parametrize("case", [case for case in CASES if case.half], ids=lambda case: case.name)
def test_half_precision_is_computed_in_single(ops: Any, case: Case) -> None:
    args = drawn(case, 3, 17, "float16")
    if not any(is_floats(value) for value in args.values()):
        return
    check(ops, case, args)


def strided(array: Any) -> Any:
    """The same values, two elements apart in every dimension."""
    holder = numpy.full([2 * n for n in array.shape], 77, dtype=array.dtype)
    view = holder[tuple(slice(0, None, 2) for _ in array.shape)]
    view[...] = array
    return view


def backwards(array: Any) -> Any:
    """The same values with negative strides."""
    flip = (slice(None, None, -1),) * array.ndim
    return array[flip].copy()[flip]


def unaligned(array: Any) -> Any:
    """The same values one byte after a machine word."""
    holder = numpy.zeros(array.nbytes + 1, dtype="uint8")
    view = holder[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


def read_only(array: Any) -> Any:
    array = array.copy()
    array.flags.writeable = False
    return array


def repeated(array: Any) -> Any:
    """The first of the values along the first axis, again and again, at one place."""
    return numpy.broadcast_to(array[:1], array.shape)


def swapped(array: Any) -> Any:
    """The same values in the other order of bytes."""
    return array.astype(array.dtype.newbyteorder())


LAYOUTS = {
    "column order": numpy.asfortranarray,
    "other byte order": swapped,
    "repeated": repeated,
    "strided": strided,
    "backwards": backwards,
    "unaligned": unaligned,
    "read-only": read_only,
}


@ALL
def test_layouts_that_differ(ops: Any, case: Case) -> None:
    """One argument in column order, the others in C order: elements are matched by place, not by address."""
    for name, array in arrays_of(drawn(case, 5, 17, "float32")).items():
        if array.ndim > 1:
            check(ops, case, {**drawn(case, 5, 17, "float32"), name: numpy.asfortranarray(array)})


READ_ONLY = ("read-only", "repeated")
SUMS = ("lengths", "size_at_t", "starts_ends", "lasts")  # say how many rows there are: they cannot all be one


@ALL
@DTYPES
def test_any_layout(ops: Any, case: Case, dtype: str) -> None:
    for layout in LAYOUTS:
        with of(layout):
            check_layout(ops, case, dtype, layout)


def check_layout(ops: Any, case: Case, dtype: str, layout: str) -> None:
    args = drawn(case, 5, 17, dtype)
    for name, array in arrays_of(args).items():
        if (
            array.size
            and not (layout in READ_ONLY and name in case.mutates)
            and not (layout == "repeated" and name in SUMS)
        ):
            args[name] = LAYOUTS[layout](array)
    result, moved = check(ops, case, args)
    if case.op in ("adam", "clip_gradient", "scatter_add"):
        first = result[0] if isinstance(result, tuple) else result
        assert first is moved[case.mutates[0]]


@ALL
@DTYPES
def test_nan_and_infinity(ops: Any, case: Case, dtype: str) -> None:
    for name, array in arrays_of(drawn(case, 5, 40, dtype)).items():
        args = drawn(case, 5, 40, dtype)
        if is_floats(array) and (case.specials is None or name in case.specials):
            flat = args[name].reshape(-1)
            where = numpy.random.default_rng(5).permutation(flat.size)[:3]
            for special in (numpy.nan, numpy.inf, -numpy.inf):
                flat[where] = special
                check(ops, case, copied(args))
            flat[where[: flat.size]] = numpy.array([numpy.nan, numpy.inf, -numpy.inf])[: len(where)]
            check(ops, case, args)


@pytest.mark.parametrize("case", [case for case in CASES if case.inplace], ids=lambda case: case.name)
@DTYPES
def test_in_place(ops: Any, case: Case, dtype: str) -> None:
    """inplace=True overwrites and returns the array, and nothing around it."""
    for layout in (None, *(name for name in LAYOUTS if name not in READ_ONLY)):
        with of(layout):
            check_in_place(ops, case, dtype, layout)


def check_in_place(ops: Any, case: Case, dtype: str, layout: Optional[str]) -> None:
    args = drawn(case, 5, 17, dtype)
    name = str(case.inplace)
    holder = args[name] if layout is None else LAYOUTS[layout](args[name])
    result, moved = check(ops, case, {**args, name: holder, "inplace": True})
    assert result is moved[name]
    if layout == "strided" and holder.base is not None:
        assert (holder.base[1::2] == 77).all()
        assert (holder.base[:, 1::2] == 77).all()


@pytest.mark.parametrize("case", [case for case in CASES if case.inplace], ids=lambda case: case.name)
def test_not_in_place_is_a_new_array(ops: Any, case: Case) -> None:
    for rows, width in SIZES:
        args = on_backend(ops, drawn(case, rows, width, "float32"))
        result = call(ops, case, args)
        assert not any(result is value or ops.xp.shares_memory(result, value) for value in arrays_of(args).values())


@ALL
def test_results_own_their_memory(ops: Any, case: Case) -> None:
    """No result is a view of an argument that the op does not change."""
    args = on_backend(ops, drawn(case, 5, 17, "float32"))
    result = call(ops, case, args)
    for each in result if isinstance(result, tuple) else (result,):
        for name, value in arrays_of(args).items():
            assert each is None or name in case.mutates or not ops.xp.shares_memory(each, value)


INTEGERS = ("which", "lengths", "indices", "ids", "keys", "starts_ends", "lasts", "size_at_t")


@ALL
def test_any_integer_dtype(ops: Any, case: Case) -> None:
    """Lengths, indices and choices may come in any integer dtype."""
    given = drawn(case, 5, 17, "float32")
    found = [name for name in arrays_of(given) if name in INTEGERS]
    for kind in ("int64", "uint32", "uint64", "int16", "uint8") if found else ():
        args = copied(given)
        for name in found:
            array = numpy.abs(args[name]) if kind.startswith("u") else args[name]
            args[name] = array.astype(kind)
        with of(kind):
            check(ops, case, args)
