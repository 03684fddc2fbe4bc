"""`out`: every op that takes it writes there what it would have returned, or refuses and writes nothing."""

from __future__ import annotations

import tracemalloc
from inspect import getfullargspec, unwrap
from operator import attrgetter
from typing import Any, Callable, Tuple

import numpy
import pytest
from cases import CASES, Args, Case
from fuzzing import named_as
from numpy.lib.stride_tricks import as_strided
from running import call, copied, drawn, of, on_backend

from thinc_core.backends import NumpyOps, Ops

CPU = pytest.mark.parametrize("ops", [Ops(), NumpyOps()], ids=["reference", "numpy"])
DTYPES = pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
ids = attrgetter("name")
# Ops that have no row in cases.py, because they take lists or chance.
MORE = [
    Case("flatten", lambda d: {"X": [d.floats(n, d.width) for n in (2, 0, d.rows)], "pad": 1}),
    Case("flatten", lambda d: {"X": []}, label="nothing"),
    Case("pad", lambda d: {"seqs": [d.floats(n, d.width) for n in (2, 0, d.rows)], "round_to": 4}),
    Case("insert_into", lambda d: {"shape": (2, d.rows, d.width), "Xs": [d.floats(d.rows, d.width)]}),
    *(Case("get_dropout_mask", lambda d, p=p: {"shape": (d.rows, d.width), "drop": p}, label=f"{p}") for p in (0, 0.5)),
]
TAKING = [case for case in [*CASES, *MORE] if "out" in getfullargspec(unwrap(getattr(Ops, case.op))).kwonlyargs]
FIRST = {case.op: case for case in reversed(TAKING) if case.name != "ngrams-n0"}.values()  # a row of each op
ROWS = pytest.mark.parametrize("case", TAKING, ids=ids)
OPS = pytest.mark.parametrize("case", FIRST, ids=ids)


def run(ops: Any, case: Case, args: Args) -> Any:
    numpy.random.seed(0)  # which a dropout mask depends on
    return call(ops, case, args)


def each(change: Callable[[Any], Any], result: Any) -> Any:
    """The arrays of a result changed; what is None stays."""
    if isinstance(result, tuple):
        return tuple(None if array is None else change(array) for array in result)
    return change(result)


def arrays(result: Any) -> Tuple[Any, ...]:
    return tuple(array for array in (result if isinstance(result, tuple) else (result,)) if array is not None)


def other(array: Any, dtype: Any = None) -> Any:
    """An array like this one with other values."""
    return numpy.full(array.shape, 77, dtype or array.dtype)


LAYOUTS = {
    "strided": lambda array: other(array.repeat(2).reshape(*array.shape, 2))[..., 1],
    "swapped": lambda array: other(array, array.dtype.newbyteorder()),
    "columns": lambda array: numpy.asfortranarray(other(array)),
}


def bits(ops: Any, array: Any) -> bytes:
    host = ops.to_numpy(array)
    return numpy.array(host, dtype=host.dtype.newbyteorder("="), order="C").tobytes()


def assert_written(ops: Any, result: Any, out: Any, expected: Any) -> None:
    for array, given, wanted in zip(arrays(result), arrays(out), arrays(expected)):
        assert array is given
        assert bits(ops, array) == bits(ops, wanted)


@ROWS
@DTYPES
def test_the_same_bits_in_the_given_array(ops: Any, case: Case, dtype: str) -> None:
    for rows, width in ((0, 5), (3, 0), (1, 1), (5, 17), (7, 200)):
        with of(rows, width):
            check_same_bits(ops, case, dtype, rows, width)


def check_same_bits(ops: Any, case: Case, dtype: str, rows: int, width: int) -> None:
    args = on_backend(ops, drawn(case, rows, width, dtype))
    mine = copied(args) if ops.xp is numpy else on_backend(ops, drawn(case, rows, width, dtype))
    expected = run(ops, case, args)
    out = each(lambda array: ops.asarray(other(ops.to_numpy(array))), expected)
    assert_written(ops, run(ops, case, {**mine, "out": out}), out, expected)
    assert all(bits(ops, mine[name]) == bits(ops, args[name]) for name in case.mutates)


@CPU
@ROWS
@DTYPES
def test_any_layout(ops: Any, case: Case, dtype: str) -> None:
    args = drawn(case, 4, 9, dtype)
    expected = run(ops, case, copied(args))
    for layout, change in LAYOUTS.items():
        out = each(change, expected)
        with of(layout):
            assert_written(ops, run(ops, case, {**copied(args), "out": out}), out, expected)
            assert layout != "strided" or all((array.base[..., 0] == 77).all() for array in arrays(out))


def over(args: Args, name: str, result: Any, offset: int) -> Tuple[Args, Any]:
    """The arguments and an `out`, whose last array begins so many bytes into the memory of the named argument."""
    last = arrays(result)[-1]
    holder = numpy.zeros(max(args[name].nbytes, last.nbytes + offset) + 8, dtype="uint8")
    moved = holder[: args[name].nbytes].view(args[name].dtype).reshape(args[name].shape)
    moved[...] = args[name]
    out = holder[offset : offset + last.nbytes].view(last.dtype).reshape(last.shape)
    return {**args, name: moved}, each(lambda array: out if array is last else other(array), result)


@CPU
@OPS
@DTYPES
def test_over_the_memory_of_an_argument(ops: Any, case: Case, dtype: str) -> None:
    for offset in (0, 8, 40):
        with of("offset", offset):
            check_over_memory(ops, case, dtype, offset)


def check_over_memory(ops: Any, case: Case, dtype: str, offset: int) -> None:
    args = drawn(case, 6, 40, dtype)
    expected = run(ops, case, copied(args))
    for name in [name for name, value in args.items() if isinstance(value, numpy.ndarray)]:
        mine, out = over(copied(args), name, expected, offset)
        before = [bits(ops, array) for array in arrays(out)]
        if name in case.mutates and offset < args[name].nbytes:
            with pytest.raises(ValueError, match=f"^{case.op}: out is overwritten and must share no memory with "):
                run(ops, case, {**mine, "out": out})
            assert [bits(ops, array) for array in arrays(out)] == before
        else:
            assert_written(ops, run(ops, case, {**mine, "out": out}), out, expected)


WRONG = {
    "must have shape": (lambda a: other(a[None]), ValueError),
    "must have dtype .*; got int16": (lambda a: other(a, "int16"), TypeError),
    "is overwritten and must be writable": (
        lambda a: numpy.frombuffer(other(a).tobytes(), a.dtype).reshape(a.shape),
        ValueError,
    ),
    "must have a place for each element": (lambda a: as_strided(other(a), strides=(0,) * a.ndim), ValueError),
    "must be a numpy array; got list": (lambda a: a.tolist(), TypeError),
    "must be an array without a mask": (lambda a: numpy.ma.array(other(a)), TypeError),
}


@CPU
@OPS
@DTYPES
def test_what_does_not_fit_is_refused(ops: Any, case: Case, dtype: str) -> None:
    for text in WRONG:
        with of(text):
            check_refused(ops, case, dtype, text)


def check_refused(ops: Any, case: Case, dtype: str, text: str) -> None:
    args = drawn(case, 4, 6, dtype)
    change, kind = WRONG[text]
    expected = run(ops, case, copied(args))
    several = isinstance(expected, tuple)
    bad = change(arrays(expected)[-1])
    out = (*map(other, arrays(expected)[:-1]), bad) if several else bad
    mine = copied(args)
    with pytest.raises(kind, match=rf"^{named_as(case.op)}: out(\[\d\])? .*{text}"):
        run(ops, case, {**mine, "out": out})
    for array in out if several else (out,):
        assert (numpy.asarray(array) == 77).all() or isinstance(array, list)
    assert all(bits(ops, mine[name]) == bits(ops, args[name]) for name in case.mutates)


@CPU
@DTYPES
@pytest.mark.parametrize("case", [case for case in TAKING if case.inplace], ids=ids)
def test_out_and_inplace_exclude_each_other(ops: Any, case: Case, dtype: str) -> None:
    args = drawn(case, 4, 6, dtype)
    mine, out = copied(args), numpy.full((4, 6), 77, dtype=dtype)
    with pytest.raises(ValueError, match=rf"^{named_as(case.op)}: out must be None when inplace is set"):
        run(ops, case, {**mine, "inplace": True, "out": out})
    assert (out == 77).all()
    assert bits(ops, mine[str(case.inplace)]) == bits(ops, args[str(case.inplace)])


@CPU
def test_several_arrays_come_in_a_tuple(ops: Any) -> None:
    X = numpy.arange(24, dtype="f").reshape(2, 4, 3)
    best, which = other(X[:, :, 0]), numpy.full((2, 4), 77, dtype="int32")
    for wrong, found in (([best, which], "list"), ((best,), "one of 1"), (best, "a numpy array")):
        with pytest.raises(TypeError, match=f"^maxout: out must be a tuple of 2 arrays; got {found}"):
            ops.maxout(X, out=wrong)
    with pytest.raises(ValueError, match=r"^maxout: out\[0\] is overwritten and must share no memory with out\[1\]"):
        ops.maxout(X, out=(best, best.view("int32")))
    assert (best == 77).all()
    new, result = ops.maxout(X, out=(None, which))
    assert result is which
    assert (which == 2).all()
    assert new.tolist() == X[:, :, 2].tolist()


@CPU
@pytest.mark.parametrize("name", ["affine_activation-mish", "affine_maxout_layernorm-P1"])
def test_what_is_not_returned_is_not_written(ops: Any, name: str) -> None:
    case = next(case for case in TAKING if case.name == name)
    args = drawn(case, 4, 6, "float32")
    first, *rest = out = each(other, run(ops, case, {**args, "keep": True}))
    with pytest.raises(ValueError, match=rf"^{case.op}: out\[1\] must be None"):
        run(ops, case, {**args, "keep": False, "out": out})
    assert all((array == 77).all() for array in out)
    assert run(ops, case, {**args, "keep": False, "out": (first, *[None] * len(rest))})[0] is first
    assert not (first == 77).any()


# What is left to the reference, or also computes what it does not return.
NOT_DIRECT = "softmax-axis mish-threshold backprop_mish-threshold flatten-nothing ngrams-n0 get_dropout_mask-0".split()
NOT_DIRECT += ["affine_maxout_layernorm-P3", "affine_maxout_layernorm-P4"]
NOT_DIRECT += ["backprop_sparse_affine", "backprop_sparse_affine-v1"]  # the places of weights take more than the result
NATIVE = [case for case in TAKING if getattr(NumpyOps, case.op) is not getattr(Ops, case.op)]


@pytest.mark.parametrize("case", [case for case in NATIVE if case.name not in NOT_DIRECT], ids=ids)
def test_kernels_write_into_out_themselves(case: Case) -> None:
    """No memory is asked for that could hold the result."""
    args, ops = drawn(case, 400, 1000, "float32"), NumpyOps()
    out = each(other, run(ops, case, copied(args)))
    tracemalloc.start()
    try:
        run(ops, case, {**args, "out": out})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < max(array.nbytes for array in arrays(out)) / 2
