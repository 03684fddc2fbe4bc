"""Shapes that nobody thought of: fast backends against the reference, on shapes that Hypothesis makes up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict

import numpy
import pytest
from cases import CASES
from hypothesis import given, settings
from hypothesis import strategies as st
from running import check
from strategies import index_tables, matrices, ragged, values

from thinc_core.backends import NumpyOps, get_num_threads, numpy_ops, set_num_threads

OPS = NumpyOps()
ROWS = {case.op: case for case in reversed(CASES)}  # the first row of each op
EXAMPLES = settings(max_examples=60, deadline=None)


def agrees(op: str, **args: Any) -> Any:
    """Run one op on arguments made up here, as exactly as its row of cases.py demands."""
    result, _ = check(OPS, ROWS[op], args)
    return result


@given(ragged())
@EXAMPLES
def test_reductions(made: Any) -> None:
    X, lengths = made
    for op in ("reduce_sum", "reduce_mean"):
        result = agrees(op, X=X, lengths=lengths)
        agrees(f"backprop_{op}", **{f"d_{op[7:]}s": result, "lengths": lengths})
    agrees("softmax_sequences", Xs=X, lengths=lengths)


@given(ragged(minimum=1))
@EXAMPLES
def test_reductions_without_empty_sequences(made: Any) -> None:
    X, lengths = made
    maxes, which = agrees("reduce_max", X=X, lengths=lengths)
    agrees("backprop_reduce_max", d_maxes=maxes, which=which, lengths=lengths)
    firsts, starts_ends = agrees("reduce_first", X=X, lengths=lengths)
    agrees("backprop_reduce_first", d_firsts=firsts, starts_ends=starts_ends)
    lasts, rows = agrees("reduce_last", X=X, lengths=lengths)
    agrees("backprop_reduce_last", d_lasts=lasts, lasts=rows)


@given(ragged(), st.integers(0, 4), st.booleans())
@EXAMPLES
def test_windows(made: Any, nW: int, split: bool) -> None:
    seq, lengths = made
    given_lengths = lengths if split else None
    cols = agrees("seq2col", seq=seq, nW=nW, lengths=given_lengths)
    agrees("backprop_seq2col", dY=cols, nW=nW, lengths=given_lengths)


@given(matrices(), st.booleans(), st.booleans())
@EXAMPLES
def test_gemm(made: Any, accumulate: bool, strided_out: bool) -> None:
    x, y, trans1, trans2 = made
    args: Dict[str, Any] = {"x": x, "y": y, "trans1": trans1, "trans2": trans2}
    result = agrees("gemm", **args)
    holder = values((result.shape[0], result.shape[1] * 2), str(x.dtype), 3)
    out = holder[:, ::2] if strided_out else holder[:, : result.shape[1]].copy()
    case = replace(ROWS["gemm"], mutates=("out",))
    returned, _ = check(OPS, case, {**args, "out": out, "accumulate": accumulate})
    assert returned is out


@given(index_tables(), st.integers(0, 2**32 - 1))
@EXAMPLES
def test_tables(made: Any, seed: int) -> None:
    table, indices = made
    agrees("gather_add", table=table, indices=indices)
    agrees(
        "scatter_add",
        table=table.copy(),
        indices=indices,
        values=values((*indices.shape, table.shape[1]), str(table.dtype), seed),
    )
    ids = indices.reshape(-1).astype("uint64")
    agrees("hash", ids=ids, seed=seed)
    agrees("hash_embed", table=table, ids=ids, seed=seed)


@given(st.integers(0, 9), st.integers(0, 40), st.integers(1, 9), st.sampled_from(["float32", "float64"]))
@EXAMPLES
def test_maxout(B: int, O: int, P: int, dtype: str) -> None:  # noqa: E741
    X = numpy.round(values((B, O, P), dtype, B * 1000 + O), 0)  # few values, so that there are ties
    best, which = agrees("maxout", X=X)
    agrees("backprop_maxout", dY=best, which=which, P=P)


@given(st.lists(st.integers(0, 9), min_size=0, max_size=4), st.sampled_from(["float32", "float64"]))
@EXAMPLES
@pytest.mark.parametrize("op", ["relu", "mish", "gelu", "softmax"])
def test_any_rank(op: str, shape: Any, dtype: str) -> None:
    X = values(tuple(shape), dtype, 5)
    if op == "softmax":
        if shape:
            agrees(op, x=X)
        return
    Y = agrees(op, X=X)
    agrees(f"backprop_{op}", **{"dY": X, ("Y" if op == "relu" else "X"): Y if op == "relu" else X})


@pytest.mark.parametrize("width", [1, 15, 17, 33, 100])
def test_one_long_sequence_on_two_threads(width: int) -> None:
    """Its columns are shared out, whatever their number."""
    rows = 131072 // width + 1
    X = numpy.random.default_rng(0).standard_normal((rows, width)).astype("float32")
    lengths = numpy.asarray([0, rows], dtype="int32")
    calls = [
        lambda: (OPS.softmax_sequences(X, lengths), OPS.backprop_softmax_sequences(X, X, lengths)),
        lambda: (OPS.reduce_sum(X, lengths), OPS.reduce_mean(X, lengths), *OPS.reduce_max(X, lengths[1:])),
    ]
    before = get_num_threads()
    try:
        for call in calls:
            set_num_threads(1)
            alone = call()
            set_num_threads(2)
            for one, two in zip(alone, call()):
                numpy.testing.assert_array_equal(one, two)
    finally:
        set_num_threads(before)


def test_more_rows_than_int32_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """They go to the reference, which counts in 64 bits."""
    for op in ("seq2col", "backprop_seq2col"):
        monkeypatch.setattr(numpy_ops.Ops, op, lambda *args, **kwargs: "reference")
        assert getattr(OPS, op)(numpy.empty((2**31, 0), dtype="float32"), 1) == "reference"
