"""NumpyOps does what it is for: float32 and float64 go to kernels, which need no memory beside their results and let
other Python threads run meanwhile."""

from __future__ import annotations

import sys
import threading
import time
import tracemalloc
from types import SimpleNamespace
from typing import Any, Callable, Dict, Iterator

import numpy
import pytest
from cases import CASES, Case
from running import call, copied, drawn, with_arrays

from thinc_core.backends import NumpyOps, numpy_ops

OPS = NumpyOps()
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])
# Rows that array code computes, and why that is enough.
ARRAY_CODE = {
    "mish-threshold": "nobody lowers the threshold of mish",
    "backprop_mish-threshold": "as mish",
    "scatter_add-2d": "what is embedded has one index for each row",
    "scatter_add-skip": "a negative index is rare",
    "ngrams-n0": "there are none",
}
# Rows that need more memory than that of their results.
WORKSPACE = {
    **ARRAY_CODE,
    "softmax-axis": "a copy in which the axis is the last",
    "logloss": "array code: a number to look at, not to train with",
    **dict.fromkeys(
        [f"backprop_affine_maxout_layernorm-P{P}" for P in (1, 2, 3, 4)], "the gradient of maxout, and of dropout"
    ),
    **dict.fromkeys(
        ("lstm_forward_inference-1x1", "lstm_forward_inference-1x2", "lstm_forward_inference-3x2"), "gates"
    ),
    **{case.name: "scores of a block of queries" for case in CASES if case.op in ("attention", "backprop_attention")},
}
SMALL = 20_000  # bytes: Python objects, lengths and indices in another dtype


def without(rows: Dict[str, str]) -> Any:
    return pytest.mark.parametrize(
        "case", [case for case in CASES if case.name not in rows], ids=lambda case: case.name
    )


def test_exceptions_are_rows() -> None:
    assert set(WORKSPACE) <= {case.name for case in CASES}


class NoReference:
    """In the place of the array code that native methods fall back on."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} goes through array code")


def with_wide_integers(array: Any) -> Any:
    return array.astype("int64") if array.dtype == "int32" else array


@DTYPES
@without(ARRAY_CODE)
def test_kernels_run(case: Case, dtype: str, monkeypatch: Any) -> None:
    """Also with the integers that NumPy makes when it is not told which."""
    args = drawn(case, 60, 120, dtype)
    monkeypatch.setattr(numpy_ops, "Ops", NoReference())
    call(OPS, case, copied(args))
    call(OPS, case, with_arrays(args, with_wide_integers))


def measured(function: Callable[[], Any]) -> Any:
    """Its result, and the most bytes that it held at once."""
    tracemalloc.start()
    try:
        return function(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@DTYPES
@without(WORKSPACE)
def test_no_memory_beside_the_result(case: Case, dtype: str) -> None:
    call(OPS, case, drawn(case, 300, 200, dtype))
    args = drawn(case, 300, 200, dtype)
    result, peak = measured(lambda: call(OPS, case, args))
    given = [id(value) for value in args.values()]
    returned = result if isinstance(result, tuple) else (result,)
    own = sum(each.nbytes for each in returned if isinstance(each, numpy.ndarray) and id(each) not in given)
    assert peak <= own + SMALL


def test_products_of_views_copy_nothing() -> None:
    """Transposed matrices and columns of wider ones are read where they lie."""
    X, W = numpy.ones((700, 300), "f"), numpy.ones((400, 700), "f")
    for x, y in ((X.T, W.T), (X.T[100:], W.T), (W, X), (W[:, 100:], X[100:, 20:]), (W[:, 100:].T, W[:, :50])):
        Y, peak = measured(lambda x=x, y=y: OPS.gemm(x, y))
        assert peak <= Y.nbytes + SMALL


def test_masks_take_their_own_memory_only() -> None:
    mask, peak = measured(lambda: OPS.get_dropout_mask((1000, 300), 0.1))
    assert peak <= mask.nbytes + SMALL


# The GIL. One call of each family, on data large enough for the GIL to be released.

FAMILIES: Dict[str, Callable[[Any], Any]] = {
    "activations": lambda d: OPS.backprop_gelu(d.X, d.X),
    "gemm": lambda d: OPS.gemm(d.X, d.W),
    "affine": lambda d: OPS.affine(d.X, d.W, d.b),
    "backprop_affine": lambda d: OPS.backprop_affine(d.X, d.X, d.W, d.dW, d.b),
    "softmax": lambda d: OPS.softmax(d.X),
    "softmax_sequences": lambda d: OPS.softmax_sequences(d.X, d.lengths),
    "layernorm": lambda d: OPS.layernorm(d.X, d.b, d.b),
    "maxout": lambda d: OPS.maxout(d.pieces),
    "reduce": lambda d: OPS.reduce_max(d.X, d.lengths),
    "seq2col": lambda d: OPS.seq2col(d.X, 1),
    "gather": lambda d: OPS.gather_add(d.X, d.indices),
    "scatter": lambda d: OPS.scatter_add(d.X, d.lengths, d.X[:200]),
    "hash": lambda d: OPS.hash(d.ids, 3),
    "ngrams": lambda d: OPS.ngrams(3, d.ids),
    "hash_embed": lambda d: OPS.hash_embed(d.X, d.ids[:2000], 3),
    "position_encode": lambda d: OPS.position_encode(2000, 600),
    "flatten": lambda d: OPS.flatten(d.seqs),
    "pad": lambda d: OPS.pad(d.seqs),
    "list2padded": lambda d: OPS.list2padded(d.seqs),
    "dropout": lambda d: OPS.get_dropout_mask((2000, 600), 0.1),
    "adam": lambda d: OPS.adam(*d.moments, 0.9, 0.999, 1e-8, 0.001),
    "clip_gradient": lambda d: OPS.clip_gradient(d.X, 1e9),
    "lstm": lambda d: OPS.lstm_forward_inference(d.params, d.start, d.start, d.X, [20] * 100),
    "float16": lambda d: OPS.mish(d.half),
}


@pytest.fixture(scope="module")
def data() -> Any:
    rng = numpy.random.default_rng(0)
    X, W, params = (rng.normal(size=size).astype("f") for size in ((2000, 600), (600, 600), 4 * 50 * 652))
    return SimpleNamespace(
        X=X,
        W=W,
        dW=numpy.zeros_like(W),
        b=numpy.zeros(600, "f"),
        pieces=X.reshape(2000, 200, 3),
        lengths=numpy.full(200, 10, "i"),
        indices=rng.integers(0, 2000, (2000, 4)).astype("i"),
        ids=rng.integers(0, 2**60, 500_000).astype("uint64"),
        seqs=[X] * 3,
        params=params,
        start=numpy.zeros((1, 1, 50), "f"),
        moments=[abs(X) for _ in range(4)],
        half=X.astype("float16"),
    )


@pytest.fixture
def no_forced_switch() -> Iterator[None]:
    """Whoever has the GIL keeps it until giving it away."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    yield
    sys.setswitchinterval(before)


def runs_beside(function: Callable[[Any], Any], data: Any, calls: int = 10**9) -> bool:
    """Whether this thread ever runs Python code while another one makes calls: that many, or for a minute, because on
    a busy machine it may take a while to be woken."""
    calling, woken = threading.Event(), threading.Event()
    latest = time.monotonic() + 60

    def work() -> None:
        calling.set()
        for _ in range(calls):
            if woken.is_set() or time.monotonic() > latest:
                break
            function(data)
        calling.clear()

    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        time.sleep(0.0001)
        if calling.is_set():
            woken.set()
    thread.join()
    return woken.is_set()


@pytest.mark.usefixtures("no_forced_switch")
@pytest.mark.parametrize("family", FAMILIES)
def test_other_threads_run_meanwhile(data: Any, family: str) -> None:
    assert runs_beside(FAMILIES[family], data)


@pytest.mark.skipif(not getattr(sys, "_is_gil_enabled", lambda: True)(), reason="this Python has no GIL")
@pytest.mark.usefixtures("no_forced_switch")
def test_what_keeps_the_gil_is_noticed(data: Any) -> None:
    """The test above can fail: a sum of Python's integers never lets go."""
    assert not runs_beside(lambda d: sum(i * i for i in range(5000)), data, calls=200)
