"""Ragged sequences of lengths at which a kernel changes its way: long beside short ones, narrow and wide rows."""

from __future__ import annotations

from typing import Any, Tuple

import numpy
import pytest
from any_backend import make_ops
from cuda_emulation import build
from cuda_emulation.device import EmulatedDevice, emulated_device
from fake_cupy import FAKE

from thinc_core.backends import Ops

REFERENCE = Ops()
LENGTHS = [[1], [32], [33, 1, 100], [3, 257, 5, 31, 64], [1] * 70 + [130]]
WIDTHS = [1, 4, 7, 96, 132, 300]


def made(lengths: Any, width: int, dtype: str) -> Tuple[Any, Any]:
    """Rows with ties and NaN in them, and the lengths."""
    rng = numpy.random.default_rng(width)
    X = rng.integers(-9, 9, (sum(lengths), width)).astype(dtype)
    X[rng.random(X.shape) < 0.002] = numpy.nan
    return X, numpy.array(lengths, dtype="int32")


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("lengths", LENGTHS, ids=lambda each: f"{len(each)}x{max(each)}")
def test_reductions_of_long_and_short_sequences(fast_ops: Any, lengths: Any, width: int, dtype: str) -> None:
    X, rows = made(lengths, width, dtype)
    given, given_rows = fast_ops.asarray(X), fast_ops.asarray(rows)
    for op in ("reduce_sum", "reduce_mean", "reduce_max", "reduce_first", "reduce_last"):
        found = getattr(fast_ops, op)(given, given_rows)
        wanted = getattr(REFERENCE, op)(X, rows)
        for one, other in zip(*(each if isinstance(each, tuple) else (each,) for each in (found, wanted))):
            numpy.testing.assert_allclose(fast_ops.to_numpy(one), other, rtol=1e-3 if dtype == "float16" else 1e-6)
            assert one.dtype == other.dtype


@pytest.mark.parametrize("index", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_lengths_of_every_integer_dtype_and_layout(fast_ops: Any, index: str) -> None:
    X, rows = made([3, 0, 2, 41], 5, "float32")
    wide = fast_ops.asarray(numpy.repeat(rows, 2).astype(index))[::2]
    given = fast_ops.asarray(X)
    for lengths in (wide, rows.astype(index), rows.tolist(), tuple(rows.tolist())):
        sums = fast_ops.to_numpy(fast_ops.reduce_sum(given, lengths))
        numpy.testing.assert_allclose(sums, REFERENCE.reduce_sum(X, rows), rtol=1e-6)
        dX = fast_ops.to_numpy(fast_ops.backprop_reduce_sum(fast_ops.asarray(sums), lengths))
        numpy.testing.assert_array_equal(dX, REFERENCE.backprop_reduce_sum(sums, rows))
        windows = fast_ops.to_numpy(fast_ops.seq2col(given, 2, lengths=lengths))
        numpy.testing.assert_array_equal(windows, REFERENCE.seq2col(X, 2, lengths=rows))


@pytest.mark.parametrize("n_rows", [5, 7])
def test_out_with_other_rows_than_the_lengths_say(ops: Any, n_rows: int) -> None:
    d, lengths, which = ops.alloc2f(2, 3), ops.asarray1i([2, 4]), ops.alloc2i(2, 3)
    out = ops.alloc2f(n_rows, 3)
    text = rf"out must have shape \(6, 3\); got \({n_rows}, 3\)"
    for op, args in (("sum", (d,)), ("mean", (d,)), ("max", (d, which))):
        with pytest.raises(ValueError, match=f"backprop_reduce_{op}: {text}"):
            getattr(ops, f"backprop_reduce_{op}")(*args, lengths, out=out)
        with pytest.raises(ValueError, match="all sequence lengths must be >"):
            getattr(ops, f"backprop_reduce_{op}")(*args, ops.asarray1i([n_rows + 1, -1]), out=out)


@pytest.mark.skipif(build.problem() is not None, reason=str(build.problem()))
@pytest.mark.parametrize("lengths", [[-3, 50], [2**40, 1], [40, -40, 5], [5, 2**62]], ids=str)
def test_wrong_lengths_leave_no_array_and_are_raised_later(monkeypatch: Any, lengths: Any) -> None:
    """Kernels run on with what they made of wrong lengths, when nobody waits for the error."""
    ops, device = make_ops("cuda_emulated", monkeypatch), EmulatedDevice(at_once=False)
    monkeypatch.setattr(ops, "_device", lambda: device)
    X, given = ops.asarray(made([5], 3, "float32")[0]), ops.asarray(numpy.array(lengths, dtype="int64"))
    d, which = X[: len(lengths)], ops.alloc2i(len(lengths), 3)
    calls = [lambda op=op: getattr(ops, f"reduce_{op}")(X, given) for op in ("sum", "mean", "max", "first", "last")]
    calls.append(lambda: ops.seq2col(X, 1, lengths=given))
    calls.append(lambda: ops.backprop_seq2col(ops.alloc2f(5, 9), 1, lengths=given))
    calls.append(lambda: ops.backprop_reduce_max(d, which, given, out=ops.alloc2f(5, 3)))

    def look_after(call: Any) -> None:
        call()  # the second kernel that checks looks at what the first one has found
        device.errors.look()

    for call in calls:
        with pytest.raises((ValueError, IndexError), match=r"length|out must have shape"):
            look_after(call)
        device.errors.look()


def test_lengths_whose_sum_begins_again_below_zero(ops: Any) -> None:
    """In 64 bits these add up to the number of rows."""
    lengths = numpy.array([5, 2**63 - 1, 2**63 - 1, 3], dtype="int64")
    assert int(lengths.sum()) == 6
    X, d = ops.asarray(made([6], 3, "float32")[0]), ops.alloc2f(4, 3)
    wrong = r"lengths must sum up to the number of rows; got a sum of 92233720368547758\d\d for 6 rows"
    for given in (lengths, ops.asarray(lengths)):
        for op in ("sum", "mean", "max", "first", "last"):
            with pytest.raises(IndexError, match=f"^reduce_{op}: {wrong}"):
                getattr(ops, f"reduce_{op}")(X, given)
        with pytest.raises(IndexError, match=f"^seq2col: {wrong}"):
            ops.seq2col(X, 1, lengths=given)
        with pytest.raises(IndexError, match=r"a number of rows below 2\^63; got a sum of 9223372036854775812"):
            ops.backprop_reduce_sum(d, given)
        with pytest.raises((IndexError, ValueError), match=r"below 2\^63|out must have shape"):
            ops.backprop_reduce_sum(d, given, out=ops.alloc2f(6, 3))


def bits(X: Any) -> Any:
    """float32 values as bfloat16, rounded half to even, on the emulated device."""
    words = numpy.ascontiguousarray(X, dtype="float32").view("uint32")
    return FAKE.asarray(((words + 0x7FFF + (words >> 16 & 1)) >> 16).astype("uint16"))


def floats(Y: Any) -> Any:
    return (Y.get().astype("uint32") << 16).view("float32")


@pytest.mark.skipif(build.problem() is not None, reason=str(build.problem()))
@pytest.mark.parametrize("width", [3, 8, 40])
def test_bfloat16_kernels(width: int) -> None:
    device, lengths = emulated_device(), numpy.array([2, 50, 7])
    X = numpy.random.default_rng(0).integers(-100, 100, (59, width)).astype("float32")
    starts = FAKE.asarray(numpy.append(0, numpy.cumsum(lengths)))
    Y, which = FAKE.empty((3, width), dtype="uint16"), FAKE.empty((3, width), dtype="int32")
    device.launch_blocks("reduce", "reduce_max_bf16", 3, Y, which, None, bits(X), starts, 3, width, 59, 59)
    maxes, places = REFERENCE.reduce_max(X, lengths)
    numpy.testing.assert_array_equal(floats(Y), maxes)
    numpy.testing.assert_array_equal(which.get(), places)
    device.launch_blocks("reduce", "reduce_mean_bf16", 3, Y, None, bits(X), starts, 3, width, 59, 59)
    numpy.testing.assert_array_equal(Y.get(), bits(REFERENCE.reduce_mean(X, lengths)).get())
    windows = FAKE.empty((59, 3 * width), dtype="uint16")
    device.launch("seq2col", "seq2col_bf16", 300, windows, bits(X), starts, 3, 59, width, 1)
    numpy.testing.assert_array_equal(floats(windows), REFERENCE.seq2col(X, 1, lengths=lengths))
    dX = FAKE.empty((59, width), dtype="uint16")
    device.launch("seq2col", "backprop_seq2col_bf16", 300, dX, windows, None, starts, 3, 59, width, 1)
    sums = REFERENCE.backprop_seq2col(floats(windows), 1, lengths=lengths)
    numpy.testing.assert_array_equal(dX.get(), bits(sums).get())


def refuse(value: int, position: int, limit: int) -> Exception:
    return AssertionError(f"{value} at {position} was reported")


@pytest.mark.skipif(build.problem() is not None, reason=str(build.problem()))
@pytest.mark.parametrize("P", [1, 2, 3, 4, 5])
def test_bfloat16_maxout(P: int) -> None:
    device, n = emulated_device(), 83
    X = numpy.random.default_rng(P).integers(-9, 9, (1, n, P)).astype("float32")
    Y, which = FAKE.empty((1, n), dtype="uint16"), FAKE.empty((1, n), dtype="int32")
    device.launch("maxout", "maxout_bf16", n, Y, which, bits(X), n, P)
    best, places = REFERENCE.maxout(X)
    numpy.testing.assert_array_equal(floats(Y), best)
    numpy.testing.assert_array_equal(which.get(), places)
    dX = FAKE.empty((1, n, P), dtype="uint16")
    device.launch_checking("maxout", "backprop_maxout_bf16_i32", n, refuse, dX, Y, which, n, P)
    numpy.testing.assert_array_equal(floats(dX), REFERENCE.backprop_maxout(best, places, P))
