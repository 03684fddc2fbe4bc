"""Kernels that work along rows or columns, at sizes that the tables of cases do not reach, and in bfloat16.

Rows too wide for a warp, matrices with more rows than one share has, unaligned rows, a sequence longer than a warp.
"""

from __future__ import annotations

from typing import Any, Dict, Tuple

import numpy
import pytest
from any_backend import make_ops
from cuda_emulation import build
from cuda_emulation.device import emulated_device
from fake_cupy import FAKE, Ledger, wrap
from tolerances import assert_close, largest

from thinc_core.backends import Ops

WIDTHS = (256, 257, 300, 1024, 1027, 1100, 2056)
DTYPES = pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])


def floats(shape: Tuple[int, ...], seed: int = 0, dtype: str = "float32") -> Any:
    return numpy.random.default_rng(seed).normal(size=shape).astype(dtype)


def agree(ops: Any, op: str, dtype: str, args: Dict[str, Any], changes: Tuple[str, ...] = ()) -> None:
    """The op gives what the reference gives in double, and does to its arguments what the reference does."""
    mine = {name: ops.asarray(X.copy()) if isinstance(X, numpy.ndarray) else X for name, X in args.items()}
    wide = {
        name: X.astype("float64") if isinstance(X, numpy.ndarray) and X.dtype.kind == "f" else X
        for name, X in args.items()
    }
    actual, expected = getattr(ops, op)(**mine), getattr(Ops(), op)(**wide)
    pairs = list(zip(actual, expected)) if isinstance(actual, tuple) else [(actual, expected)]
    for given, wanted in pairs + [(mine[name], wide[name]) for name in changes]:
        host = ops.to_numpy(given)
        assert_close(host, wanted, 64, largest(wanted) if wanted.dtype.kind == "f" else 0, f"{op} {dtype}")


@DTYPES
@pytest.mark.parametrize("width", WIDTHS)
def test_softmax_of_wide_rows(ops: Any, dtype: str, width: int) -> None:
    X, dY = floats((5, width), 0, dtype) * 5, floats((5, width), 1, dtype)
    X[1, width // 2] = -numpy.inf
    agree(ops, "softmax", dtype, {"x": X})
    agree(ops, "backprop_softmax", dtype, {"Y": numpy.exp(dY) * dY.dtype.type(0.01), "dY": dY, "temperature": 0.5})


@pytest.mark.parametrize("width", [3, 1100])
def test_affine_softmax_adds_the_bias_before_it_rounds(ops: Any, width: int) -> None:
    """2049, the product of the first column, is none of the numbers of 16 bits; 2049 - 2048 is."""
    X, W, b = numpy.ones((5, 2), "float16"), numpy.zeros((width, 2), "float16"), numpy.zeros(width, "float16")
    W[0], b[0] = (2048, 1), -2048
    agree(ops, "affine_softmax", "float16", {"X": X, "W": W, "b": b})


def test_a_wide_row_that_is_not_finite_is_nan(ops: Any) -> None:
    for value in (numpy.nan, numpy.inf):
        X = floats((3, 1100))
        X[1, 700] = value
        Y = ops.to_numpy(ops.softmax(ops.asarray(X)))
        assert numpy.isnan(Y).all(axis=1).tolist() == [False, True, False]
    X[1] = -numpy.inf
    Y = ops.to_numpy(ops.softmax(ops.asarray(X)))
    assert numpy.isnan(Y).all(axis=1).tolist() == [False, True, False]


@DTYPES
@pytest.mark.parametrize("axis", [0, 1])
def test_softmax_of_other_axes(ops: Any, dtype: str, axis: int) -> None:
    X, dY = floats((3, 70, 37), 0, dtype), floats((3, 70, 37), 1, dtype)
    agree(ops, "softmax", dtype, {"x": X, "axis": axis, "temperature": 2.0})
    agree(ops, "backprop_softmax", dtype, {"Y": X, "dY": dY, "axis": axis})


@DTYPES
@pytest.mark.parametrize("width", [1, 3, 40])
@pytest.mark.parametrize("where", ["device", "host", "list"])
def test_softmax_of_many_and_long_sequences(ops: Any, dtype: str, width: int, where: str) -> None:
    sizes = numpy.random.default_rng(0).integers(0, 5, size=150)
    sizes[3] = 130
    X, Y = floats((int(sizes.sum()), width), 0, dtype), floats((int(sizes.sum()), width), 1, dtype)
    lengths = {"device": sizes.astype("int32"), "host": sizes, "list": sizes.tolist()}[where]
    if where == "host":
        ops_lengths = sizes  # stays on the host: agree() would move it
        actual = ops.to_numpy(ops.softmax_sequences(ops.asarray(X), ops_lengths))
        wanted = Ops().softmax_sequences(X.astype("float64"), sizes)
        assert_close(actual, wanted, 64, largest(wanted), "softmax_sequences")
        return
    agree(ops, "softmax_sequences", dtype, {"Xs": X, "lengths": lengths})
    agree(ops, "backprop_softmax_sequences", dtype, {"dY": X, "Y": Y, "lengths": lengths})


LONG_SIZES = (3, 200, 1, 65, 64, 131, 1, 1, 80)  # 64 rows are what one block adds up in the emulator


@DTYPES
@pytest.mark.parametrize("width", [1, 8, 37, 300])
@pytest.mark.parametrize("op", ["reduce_sum", "reduce_mean", "reduce_max"])
def test_long_sequences_are_added_up_in_parts(ops: Any, op: str, dtype: str, width: int) -> None:
    X = numpy.random.default_rng(0).integers(-3, 4, (sum(LONG_SIZES), width)).astype(dtype)  # with many a largest one
    X[100, 0] = X[230, -1] = numpy.nan if op == "reduce_max" else 1
    agree(ops, op, dtype, {"X": X, "lengths": numpy.array(LONG_SIZES)})
    agree(ops, op, dtype, {"X": X[1:], "lengths": [len(X) - 1]})


@DTYPES
@pytest.mark.parametrize("width", [1, 8, 37])
@pytest.mark.parametrize("inplace", [False, True])
def test_softmax_of_long_sequences_is_made_of_parts(ops: Any, dtype: str, width: int, inplace: bool) -> None:
    X, dY = (floats((sum(LONG_SIZES), width), k, dtype) for k in range(2))
    lengths = numpy.array(LONG_SIZES)
    agree(ops, "backprop_softmax_sequences", dtype, {"dY": dY, "Y": X, "lengths": lengths})
    agree(ops, "softmax", dtype, {"x": dY.reshape(2, -1, width), "axis": 1, "inplace": inplace, "temperature": 0.5})
    X[100, 0] = numpy.inf
    X[220:300, -1] = -numpy.inf
    agree(ops, "softmax_sequences", dtype, {"Xs": X, "lengths": lengths, "inplace": inplace})


@pytest.mark.parametrize("schedule", ["forward", "reverse", "random"])
def test_parts_are_added_up_in_one_order(schedule: str, monkeypatch: Any) -> None:
    """The same bits whatever the schedule, in one launch more than for sequences that are known to be short."""
    ops, device, X = make_ops("cuda_emulated", monkeypatch), emulated_device(), floats((sum(LONG_SIZES), 20))
    found, given = [], (ops._batch_lengths(LONG_SIZES), ops.asarray1i(LONG_SIZES))
    for each in ("forward", schedule):
        device.set_schedule(each)
        for lengths in given:
            with Ledger() as ledger:
                found.append(ops.reduce_sum(ops.asarray(X), lengths).get().tobytes())
            assert ledger.launches["merge_sum_f32"] == 1
    assert len(set(found)) == 1
    with Ledger() as ledger:
        ops.reduce_sum(ops.asarray(X), ops._batch_lengths([1, 45] * (len(X) // 46) + [len(X) % 46]))
    assert dict(ledger.launches) == {"reduce_sum_f32": 1}
    device.set_schedule(device.schedule)


@pytest.mark.parametrize("change, kind", [((100, -3), ValueError), ((149, 1000), IndexError), ((2, -2), IndexError)])
def test_the_first_wrong_length_is_reported(ops: Any, change: Tuple[int, int], kind: type) -> None:
    """Of many, so that several threads look for it: the text is the reference's."""
    sizes = numpy.full(150, 4)
    rows = int(sizes.sum())
    sizes[change[0]] += change[1] if kind is IndexError else change[1] - 4
    X = floats((rows, 2))
    with pytest.raises(kind) as expected:
        Ops().softmax_sequences(X, sizes)
    with pytest.raises(kind) as actual:
        ops.softmax_sequences(ops.asarray(X), ops.asarray(sizes))
    assert str(actual.value) == str(expected.value)


@DTYPES
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("rows", [5, 130])
def test_layernorm_of_wide_rows(ops: Any, dtype: str, width: int, rows: int) -> None:
    X, dY = floats((rows, width), 0, dtype), floats((rows, width), 1, dtype)
    G, b, mu = floats((width,), 2, dtype), floats((width,), 3, dtype), floats((rows,), 4, dtype)
    rstd = abs(floats((rows,), 5, dtype))
    agree(ops, "layernorm", dtype, {"X": X, "G": G, "b": b, "eps": 1e-5})
    args = {"dY": dY, "X": X, "G": G, "mu": mu, "rstd": rstd, "dG": G.copy(), "db": b.copy()}
    agree(ops, "backprop_layernorm", dtype, args, ("dG", "db"))
    agree(ops, "rmsnorm", dtype, {"X": X, "G": G, "eps": 1e-5})
    agree(ops, "backprop_rmsnorm", dtype, {"dY": dY, "X": X, "G": G, "rstd": rstd, "dG": G.copy()}, ("dG",))


@DTYPES
@pytest.mark.parametrize("inplace", [False, True])
def test_rotary_of_whole_pieces(ops: Any, dtype: str, inplace: bool) -> None:
    """Two heads that are cut into pieces of 16 bytes, and what is behind them."""
    lengths = numpy.asarray([0, 37, 0, 1, 12], dtype="int32")
    args = {"lengths": lengths, "n_heads": 2, "D": 32, "inplace": inplace}
    agree(ops, "rotary", dtype, {"X": floats((50, 80), 0, dtype), **args})
    agree(ops, "backprop_rotary", dtype, {"dY": floats((50, 80), 1, dtype), **args})


def test_rotary_reads_no_lengths(monkeypatch: Any) -> None:
    """Though only the device knows them."""
    ops = make_ops("cuda_emulated", monkeypatch)
    X, lengths = ops.asarray(floats((9, 16))), ops.asarray1i([4, 5])
    with Ledger() as ledger:
        ops.backprop_rotary(ops.rotary(X, lengths, 2, 8), lengths, 2, 8)
    assert (ledger.waits, ledger.launches["rotary_f32"]) == ({}, 2)


@DTYPES
@pytest.mark.parametrize("width", [96, 300, 1030])
def test_affine_maxout_layernorm_of_wide_rows(ops: Any, dtype: str, width: int) -> None:
    X, W, b = floats((3, 2), 0, dtype), floats((width, 3, 2), 1, dtype), floats((width, 3), 2, dtype)
    G, shift = floats((width,), 3, dtype), floats((width,), 4, dtype)
    agree(ops, "affine_maxout_layernorm", dtype, {"X": X, "W": W, "b": b, "G": G, "shift": shift})


def normed_arguments(B: int, width: int, P: int, dtype: str) -> Dict[str, Any]:
    """Of affine_maxout_layernorm, with dropout and something to add."""
    X, W, b = floats((B, 2), 0, dtype), floats((width, P, 2), 1, dtype), floats((width, P), 2, dtype)
    norm = {"G": floats((width,), 3, dtype), "shift": floats((width,), 4, dtype), "eps": 1e-3}
    return {"X": X, "W": W, "b": b, **norm, "drop": 0.4, "seed": 2**50 + 1, "plus": floats((B, width), 5, dtype)}


def normed_gradient(B: int, width: int, P: int, dtype: str) -> Dict[str, Any]:
    which = numpy.random.default_rng(9).integers(0, P, size=(B, width)).astype("int32")
    args = {"dY": floats((B, width), 0, dtype), "best": floats((B, width), 1, dtype), "which": which}
    args.update(mu=floats((B,), 2, dtype), rstd=abs(floats((B,), 3, dtype)) + 1, X=floats((B, 2), 4, dtype))
    args.update(W=floats((width, P, 2), 5, dtype), G=floats((width,), 6, dtype), drop=0.4, seed=77)
    args.update(dW=floats((width, P, 2), 7, dtype), db=floats((width, P), 8, dtype))
    return {**args, "dG": floats((width,), 9, dtype), "dshift": floats((width,), 10, dtype)}


CHANGED = ("dW", "db", "dG", "dshift")


@DTYPES
@pytest.mark.parametrize("width", [1, 33, 96, 200, 300, 1030])
def test_dropout_in_affine_maxout_layernorm(ops: Any, dtype: str, width: int) -> None:
    agree(ops, "affine_maxout_layernorm", dtype, normed_arguments(5, width, 3, dtype))


@DTYPES
@pytest.mark.parametrize("B, width, P", [(5, 33, 1), (70, 96, 3), (140, 128, 2), (9, 200, 4), (3, 257, 3), (4, 40, 5)])
def test_gradient_of_affine_maxout_layernorm(ops: Any, dtype: str, B: int, width: int, P: int) -> None:
    """Several shares of rows; each of the kernels; what no kernel takes."""
    agree(ops, "backprop_affine_maxout_layernorm", dtype, normed_gradient(B, width, P, dtype), CHANGED)


@pytest.mark.skipif(build.problem() is not None, reason="kernels cannot be emulated here")
@pytest.mark.parametrize("schedule", ["forward", "reverse", "random"])
@pytest.mark.parametrize(
    "width, threads, team", [(100, 64, "4"), (200, 64, "8"), (300, 256, "wide"), (1000, 256, "wide")]
)
def test_teams_of_the_gradient(width: int, threads: int, team: str, schedule: str, monkeypatch: Any) -> None:
    """A warp for a row, or a block, whose barriers are met in every order."""
    ops, device = make_ops("cuda_emulated", monkeypatch), emulated_device()
    monkeypatch.setattr(device, "threads", threads)
    device.set_schedule(schedule)
    try:
        with Ledger() as ledger:
            args = normed_gradient(70 if width < 300 else 6, width, 3, "float32")
            agree(ops, "backprop_affine_maxout_layernorm", "float32", args, CHANGED)
    finally:
        device.set_schedule(device.schedule)
    assert ledger.launches[f"backprop_affine_maxout_layernorm_{team}_f32"] == 1
    assert sum(ledger.launches.values()) == 4


def test_wrong_pieces_are_reported(ops: Any) -> None:
    args = normed_gradient(4, 10, 3, "float32")
    args["which"][2, 5] = 3
    args = {name: ops.asarray(X) if isinstance(X, numpy.ndarray) else X for name, X in args.items()}
    with pytest.raises(
        IndexError, match=r"^backprop_affine_maxout_layernorm: which must be in \[0, 3\); got 3 at \[2, 5\]$"
    ):
        ops.backprop_affine_maxout_layernorm(**args)


def test_dropped_rows_are_those_of_dropout(ops: Any) -> None:
    """The fused step drops the elements that dropout of its result would: the same numbers for the same seed."""
    args = {
        name: ops.asarray(X) if isinstance(X, numpy.ndarray) else X
        for name, X in normed_arguments(70, 96, 3, "float32").items()
    }
    plus, drop, seed = args.pop("plus"), args.pop("drop"), args.pop("seed")
    Y = ops.affine_maxout_layernorm(**args)[0]
    dropped = ops.affine_maxout_layernorm(**args, drop=drop, seed=seed)[0]
    numpy.testing.assert_array_equal(ops.to_numpy(dropped), ops.to_numpy(ops.dropout(Y, drop, seed)))
    added = ops.affine_maxout_layernorm(**args, drop=drop, seed=seed, plus=plus)[0]
    numpy.testing.assert_array_equal(ops.to_numpy(added), ops.to_numpy(dropped + plus))


@DTYPES
@pytest.mark.parametrize("width", [7, 96, 1100])
def test_affine_softmax_of_wide_rows(ops: Any, dtype: str, width: int) -> None:
    X, W, b = floats((5, 3), 0, dtype), floats((width, 3), 1, dtype), floats((width,), 2, dtype)
    agree(ops, "affine_softmax", dtype, {"X": X, "W": W, "b": b, "temperature": 2.0})


@DTYPES
def test_bias_gradient_of_many_rows(ops: Any, dtype: str) -> None:
    dY, X, W = floats((700, 33), 0, dtype), floats((700, 3), 1, dtype), floats((33, 3), 2, dtype)
    args = {"dY": dY, "X": X, "W": W, "dW": W.copy(), "db": W[:, 0].copy()}
    agree(ops, "backprop_affine", dtype, args, ("dW", "db"))


def test_sums_of_columns_are_the_same_each_time(ops: Any) -> None:
    dY, X, W = (ops.asarray(floats(shape, i)) for i, shape in enumerate([(999, 33), (999, 3), (33, 3)]))
    found = set()
    for _ in range(3):
        db = ops.alloc1f(33)
        ops.backprop_affine(dY, X, W, ops.alloc2f(33, 3), db)
        found.add(ops.to_numpy(db).tobytes())
    assert len(found) == 1


# bfloat16: NumPy has it only with ml_dtypes, so the kernels are launched on its bits. They compute in float32, so they
# give what the kernels for float32 give, rounded.


def to_bf16(X: Any) -> Any:
    bits = X.view("uint32").astype("uint64")
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("uint16")


def from_bf16(bits: Any) -> Any:
    return (bits.astype("uint32") << 16).view("float32")


R, C = 37, 48
IN = {
    "X": floats((R, C)),
    "dY": floats((R, C), 1),
    "G": floats((C,), 2),
    "b": floats((C,), 3),
    "mu": floats((R,), 4),
    "rstd": abs(floats((R,), 5)),
    "units": floats((R, 6 * C), 6),
    "gates": floats((R, 4 * C), 7),
    "bias3": floats((3 * C,), 8),
    "bias4": floats((4 * C,), 9),
}
Z = floats((R, 3 * C), 10)  # in float32 for both
Y, WHICH, NULL = ("out", (R, C)), ("which", (R, C)), None
ROW = ("out", (R,))
PIECES = numpy.random.default_rng(11).integers(0, 3, size=(R, C)).astype("int32")
TURNS = (2.0 ** (63 - 2 * numpy.arange(8))).astype("uint64")
NORMED = (
    "gemm",
    (("out", (R, 3 * C)), ("parts", (1, 5 * C)), "dY", "X", PIECES, "mu", "rstd", "G")
    + (R, C, 3, R, 5, 20000, 1.25, NULL, 1),
)
KERNELS = {
    "dropout": ("dropout", (Y, "X", R * C, 5, 20000, 1.25)),
    **{f"backprop_affine_maxout_layernorm_{team}": NORMED for team in ("4", "8", "wide")},
    "softmax": ("softmax", (Y, "X", R, C, 1.0)),
    "softmax_wide": ("softmax", (Y, "X", R, C, 2.0)),
    "softmax_columns": ("softmax", (Y, NULL, "X", NULL, 1, R, R, 64, C, 32, 1.0)),
    "backprop_softmax": ("softmax", (Y, "dY", "X", R, C, 1.0)),
    "backprop_softmax_wide": ("softmax", (Y, "dY", "X", R, C, 1.0)),
    "backprop_softmax_columns": ("softmax", (Y, NULL, "dY", "X", NULL, 1, R, R, 64, C, 32, 1.0)),
    "layernorm_8": ("layernorm", (Y, ROW, ROW, "X", "G", "b", R, C, 1e-5)),
    "layernorm_32": ("layernorm", (Y, ROW, ROW, "X", "G", "b", R, C, 1e-5)),
    "layernorm_wide": ("layernorm", (Y, ROW, ROW, "X", "G", "b", R, C, 1e-5)),
    "backprop_layernorm": ("layernorm", (Y, ("parts", (1, 2, C)), "dY", "X", "G", "mu", "rstd", R, C, R)),
    "backprop_layernorm_wide": ("layernorm", (Y, ("parts", (1, 2, C)), "dY", "X", "G", "mu", "rstd", R, C, R)),
    **{f"rmsnorm_{team}": ("layernorm", (Y, ROW, "X", "G", R, C, 1e-5)) for team in ("8", "32", "wide")},
    "backprop_rmsnorm": ("layernorm", (Y, ("parts", (1, C)), "dY", "X", "G", "rstd", R, C, R)),
    "backprop_rmsnorm_wide": ("layernorm", (Y, ("parts", (1, C)), "dY", "X", "G", "rstd", R, C, R)),
    "rotary": ("attention", (Y, "X", TURNS, numpy.array([0, 5, R]), 2, R, C, 2, 16, 1.0)),
    "affine_maxout": ("gemm", (Y, WHICH, Z, "bias3", R * C, C, 3)),
    "affine_maxout_layernorm_8": (
        "gemm",
        (Y, Y, WHICH, ROW, ROW, Z, "bias3", "G", "b", "X", R, C, 3, 5, 20000, 1e-5, 1.25),
    ),
    "affine_maxout_layernorm_32": (
        "gemm",
        (Y, Y, WHICH, ROW, ROW, Z, "bias3", "G", "b", "X", R, C, 3, 5, 20000, 1e-5, 1.25),
    ),
    "column_parts": ("gemm", (("parts", (2, C)), "X", R, C, 20)),
    "biased_gelu": ("activations", (Y, Y, IN["X"], "b", R * C, C)),
    "lstm_step": (
        "lstm",
        (Y, Y, NULL, "gates", "bias4", "bias4", "gates", "bias4", "X", "b", R, 20, C, C),
    ),
    "backprop_lstm_step": (
        "lstm",
        (("out", (R, 4 * C)), Y, ("zero", (R, C)), "X", "dY", "units", "units", "b", "G", R, 20, C, C),
    ),
}


def launched(name: str, kind: str) -> Any:
    """What the kernel writes, as float32 or int32."""
    stem, arguments = KERNELS[name]
    written, args = [], []
    for each in arguments:
        if isinstance(each, str):
            args.append(wrap(to_bf16(IN[each]) if kind == "bf16" else from_bf16(to_bf16(IN[each]))))
        elif isinstance(each, tuple):
            dtype = {"which": "int32", "parts": "float32"}.get(each[0], "uint16" if kind == "bf16" else "float32")
            args.append((FAKE.zeros if each[0] == "zero" else FAKE.empty)(each[1], dtype=dtype))
            written.append(args[-1])
        else:
            args.append(wrap(each) if isinstance(each, numpy.ndarray) else each)
    emulated_device().launch(stem, f"{name}_{kind}", R * C, *args)
    return [from_bf16(X.get()) if X.dtype == "uint16" else X.get() for X in written]


@pytest.mark.skipif(build.problem() is not None, reason="kernels cannot be emulated here")
@pytest.mark.parametrize("name", KERNELS)
def test_bfloat16_is_float32_rounded(name: str) -> None:
    for actual, wide in zip(launched(name, "bf16"), launched(name, "f32")):
        assert not numpy.isnan(actual).any()
        rounded = wide if wide.dtype == "int32" or actual.shape[-1] == 0 else from_bf16(to_bf16(wide))
        same = actual == wide if (actual == wide).all() else actual == rounded
        assert same.all(), f"{name}: {(~same).sum()} of {same.size} differ"


def test_known_lengths_are_like_others(ops: Any) -> None:
    """Those that the host knows of, from the array it made, give the same; wrong ones raise the same."""
    X = ops.asarray(floats((6, 5)))
    for sizes in ([3, 0, 2, 1], [6], [1, 2, 3], [3, 0, 2], [7, -1], []):
        for op in ("reduce_sum", "reduce_mean", "reduce_max", "reduce_first", "reduce_last", "softmax_sequences"):
            found = []
            for lengths in (ops._batch_lengths(sizes), ops._known(sizes), ops.asarray1i(sizes)):
                try:
                    result = getattr(ops, op)(X, lengths)
                    found.append(
                        [ops.to_numpy(each).tolist() for each in (result if type(result) is tuple else [result])]
                    )
                except (ValueError, IndexError) as error:
                    found.append([str(error)])
            assert found[0] == found[1] == found[2], f"{op} {sizes}"


def test_places_of_rows_are_checked_on_the_device(ops: Any) -> None:
    d = ops.asarray(floats((3, 5)))
    for op, good, bad in (
        ("backprop_reduce_first", [0, 2, 3, 6], ([0, 3, 2, 6], [-1, 2, 3, 6], [0, 2, 6, 6], [0, 2, 3, 5])),
        ("backprop_reduce_last", [1, 2, 5], ([2, 1, 5], [-1, 2, 5], [1, 2, 4], [1, 5, 5], [1, 2, 6])),
    ):
        out = ops.alloc2f(6, 5)
        getattr(ops, op)(d, ops.asarray1i(good), out=out)
        numpy.testing.assert_array_equal(ops.to_numpy(out), Ops().to_numpy(getattr(Ops(), op)(ops.to_numpy(d), good)))
        for places in bad:
            with pytest.raises(ValueError, match=f"^{op}: "):
                getattr(ops, op)(d, ops.asarray1i(places), out=ops.alloc2f(6, 5))
