"""Arrays that share memory, with each other or with themselves, and arrays that are more than their values."""

from __future__ import annotations

from typing import Any, Dict, Iterator, Tuple

import numpy
import pytest
from cases import CASES, Args, Case
from fuzzing import named_as
from numpy.lib.stride_tricks import as_strided
from running import REFERENCE, call, check, copied, drawn

from thinc_core.backends import NumpyOps, Ops

CPU = pytest.mark.parametrize("ops", [Ops(), NumpyOps()], ids=["reference", "numpy"])
FIRST = list({case.op: case for case in reversed(CASES)}.values())  # a row of each op
CHANGING = [case for case in CASES if case.inplace or case.mutates]
ACCUMULATING = {
    "backprop_affine": ("dW", "db"),
    "backprop_affine_maxout": ("dW", "db"),
    "backprop_affine_maxout_layernorm": ("dW", "db", "dG", "dshift"),
    "backprop_layernorm": ("dG", "db"),
    "adam": ("weights", "gradient", "mom1", "mom2"),
}


def ids(case: Case) -> str:
    return case.name


def changed_names(case: Case) -> Tuple[str, ...]:
    return (*case.mutates, *filter(None, [case.inplace]))


def arguments(case: Case, dtype: str = "float32", rows: int = 4, width: int = 6) -> Args:
    args = drawn(case, rows, width, dtype)
    return {**args, "inplace": True} if case.inplace else args


def at_one_place(array: Any) -> Any:
    """Writable, and all rows are the first one."""
    return as_strided(array, strides=(0, *array.strides[1:]))


def windows(array: Any) -> Any:
    """Writable, and each row begins an element after the row before."""
    return as_strided(array, strides=(array.itemsize, *array.strides[1:]) if array.ndim > 1 else (array.itemsize // 2,))


@CPU
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("shared", [at_one_place, windows])
@pytest.mark.parametrize("case", CHANGING, ids=ids)
def test_what_is_overwritten_has_a_place_for_each_element(ops: Any, case: Case, shared: Any, dtype: str) -> None:
    for name in changed_names(case):
        args = arguments(case, dtype)
        several = isinstance(args[name], list)  # of which the last one is spoilt
        apart = args[name][-1] if several else args[name]
        spoilt = shared(apart)
        if spoilt.strides == apart.strides:  # one row is all there is
            continue
        args[name] = [*args[name][:-1], spoilt] if several else spoilt
        before = spoilt.copy()
        with pytest.raises(ValueError, match=rf"^{named_as(case.op)}: .* a place for each element; got shape"):
            call(ops, case, args)
        numpy.testing.assert_array_equal(spoilt, before)


@CPU
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("case", CHANGING, ids=ids)
def test_what_is_overwritten_is_writable(ops: Any, case: Case, dtype: str) -> None:
    for name in changed_names(case):
        args = arguments(case, dtype)
        several = isinstance(args[name], list)
        frozen = args[name][-1] if several else args[name]
        frozen.flags.writeable = False
        before = frozen.copy()
        with pytest.raises(ValueError, match=rf"^{named_as(case.op)}: .* must be writable; got a read-only array"):
            call(ops, case, args)
        numpy.testing.assert_array_equal(frozen, before)


@CPU
def test_axes_may_be_threaded_through_each_other(ops: Any) -> None:
    """Addresses 0 2 4, 3 5 7: no axis lies within a step of the other, yet all elements are apart."""
    holder = numpy.arange(-4, 4, dtype="float32")
    X = as_strided(holder, (2, 3), (12, 8))
    assert ops.relu(X, inplace=True) is X
    assert holder.tolist() == [0, -3, 0, 0, 0, 1, 2, 3]


def pairs(case: Case) -> Iterator[Tuple[str, str]]:
    args = arguments(case)
    for name in ACCUMULATING[case.op]:
        for other in args:
            if other != name and isinstance(args[other], numpy.ndarray):
                yield name, other


@CPU
@pytest.mark.parametrize("op", ACCUMULATING)
def test_gradients_are_added_to_memory_of_their_own(ops: Any, op: str) -> None:
    case = next(case for case in FIRST if case.op == op)
    for name, other in pairs(case):
        for offset in (0, 1):
            args = arguments(case)
            holder = numpy.ones(args[name].size + args[other].size + 1, dtype="float32")
            args[name] = holder[offset : offset + args[name].size].reshape(args[name].shape)
            part = holder[: args[other].size].view(args[other].dtype)
            part[...] = args[other].reshape(-1)
            args[other] = part.reshape(args[other].shape)
            before = holder.copy()
            with pytest.raises(ValueError, match=rf"^{op}: \w+ is overwritten and must share no memory with \w+"):
                call(ops, case, args)
            assert (holder == before).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", [case for case in CASES if case.inplace], ids=ids)
def test_in_place_over_a_part_of_another_argument(case: Case, dtype: str) -> None:
    """The result is that for copies: every value is read before it is overwritten."""
    original = arguments(case, dtype, rows=8, width=40)
    name, size = str(case.inplace), original[str(case.inplace)].size
    others = [
        o for o, value in original.items() if o != name and isinstance(value, numpy.ndarray) and value.size == size
    ]
    for other in others:
        for offset in (0, 1, 5):
            args, holder = copied(original), numpy.zeros(size + offset, dtype=dtype)
            args[other] = holder[:size].reshape(original[other].shape)
            args[name] = holder[offset:].reshape(original[name].shape)
            args[other][...] = original[other]
            expected = call(REFERENCE, case, {**copied(args), "inplace": False})
            result = call(NumpyOps(), case, args)
            assert result is args[name]
            numpy.testing.assert_allclose(result, expected, rtol=2e-5 if dtype == "float32" else 1e-13, atol=1e-6)


def scattered() -> Dict[str, Any]:
    """Indices that lie in the table: a kernel that read them late would find what it has written."""
    table = numpy.zeros((4, 2), dtype="float32")
    table.reshape(-1).view("int32")[:4] = [0, 1, 2, 3]
    values = numpy.full((4, 2), 1e30, dtype="float32")
    return {"table": table, "indices": table.reshape(-1).view("int32")[:4], "values": values}


def hashed() -> Dict[str, Any]:
    dtable = numpy.ones((4, 2), dtype="float32")
    return {
        "dY": numpy.ones((2, 2), "float32"),
        "ids": dtable.reshape(-1).view("uint64")[:2],
        "seed": 0,
        "dtable": dtable,
    }


def normalised() -> Dict[str, Any]:
    Xs = numpy.zeros((4, 2), dtype="float32")
    Xs.reshape(-1).view("int32")[2:4] = [1, 3]
    return {"Xs": Xs, "lengths": Xs.reshape(-1).view("int32")[2:4], "inplace": True}


@pytest.mark.parametrize(
    "op, make", [("scatter_add", scattered), ("backprop_hash_embed", hashed), ("softmax_sequences", normalised)]
)
def test_indices_in_the_array_that_is_overwritten(op: str, make: Any) -> None:
    """No place is read from or written to that the indices did not name when the op was called."""
    mine, theirs, apart = (
        make(),
        make(),
        {name: numpy.copy(v) if hasattr(v, "dtype") else v for name, v in make().items()},
    )
    getattr(NumpyOps(), op)(**mine)
    getattr(REFERENCE, op)(**theirs)
    getattr(REFERENCE, op)(**apart)
    changed = {"scatter_add": "table", "backprop_hash_embed": "dtable", "softmax_sequences": "Xs"}[op]
    numpy.testing.assert_allclose(mine[changed], apart[changed], rtol=1e-6)
    numpy.testing.assert_allclose(theirs[changed], apart[changed], rtol=1e-6)


@pytest.mark.parametrize("offset", [0, 1, 7])
def test_gemm_writes_over_its_own_arguments(offset: int) -> None:
    for shared in ("x", "y"):
        holder = numpy.random.default_rng(0).normal(size=64 + offset)
        args = {"x": numpy.eye(8) + 1, "y": numpy.eye(8) + 2}
        args[shared] = holder[:64].reshape(8, 8)
        out = holder[offset:].reshape(8, 8)
        expected = args["x"] @ args["y"]
        assert NumpyOps().gemm(**args, out=out) is out
        numpy.testing.assert_allclose(out, expected, rtol=1e-12)


def arrays_of(args: Args) -> Iterator[str]:
    return (name for name, value in args.items() if isinstance(value, numpy.ndarray))


@CPU
@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("case", FIRST, ids=ids)
def test_masked_arrays_and_matrices_are_refused(ops: Any, case: Case, dtype: str) -> None:
    args = drawn(case, 3, 4, dtype)
    for name in arrays_of(args):
        with pytest.raises(TypeError, match=rf"^{named_as(case.op)}: \w+ must be an array without a mask; got Mask"):
            call(ops, case, {**copied(args), name: numpy.ma.array(args[name])})
        if args[name].ndim == 2:
            with pytest.raises(TypeError, match=rf"^{named_as(case.op)}: \w+ must be a plain array; got matrix"):
                call(ops, case, {**copied(args), name: args[name].view(numpy.matrix)})


@pytest.mark.parametrize("case", FIRST, ids=ids)
def test_memory_mapped_arrays_are_arrays(case: Case, tmp_path: Any) -> None:
    args = drawn(case, 3, 17, "float32")
    for name in arrays_of(args):
        if args[name].size:
            mapped = numpy.memmap(tmp_path / name, mode="w+", dtype=args[name].dtype, shape=args[name].shape)
            mapped[...] = args[name]
            args[name] = mapped
    check(NumpyOps(), case, args)


NO_NUMBERS = ["O", "M8[s]", "m8[s]", "S3", "c8", [("a", "f4")]]


@CPU
@pytest.mark.parametrize("kind", NO_NUMBERS, ids=str)
@pytest.mark.parametrize("case", FIRST, ids=ids)
def test_what_is_no_real_number_is_refused(ops: Any, case: Case, kind: Any) -> None:
    args = drawn(case, 3, 4, "float32")
    for name in arrays_of(args):
        if case.op == "tile":  # copies whatever it is given
            continue
        with pytest.raises(TypeError, match=rf"^{named_as(case.op)}: \w+ must "):
            call(ops, case, {**copied(args), name: numpy.zeros(args[name].shape, dtype=kind)})
