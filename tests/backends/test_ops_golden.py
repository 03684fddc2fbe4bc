"""Numbers that models and files in the field were made with."""

from __future__ import annotations

from typing import Any, List

import numpy
import pytest

X = [-3, -1, -0.5, 0, 0.5, 1, 3]
# op: values at X, gradients at X for dY = 1.
ACTIVATIONS = {
    "sigmoid": (
        [0.047426, 0.268941, 0.377541, 0.5, 0.622459, 0.731059, 0.952574],
        [0.045177, 0.196612, 0.235004, 0.25, 0.235004, 0.196612, 0.045177],
    ),
    "hard_sigmoid": ([0, 0.3, 0.4, 0.5, 0.6, 0.7, 1], [0, 0.2, 0.2, 0.2, 0.2, 0.2, 0]),
    "hard_tanh": ([-1, -1, -0.5, 0, 0.5, 1, 1], [0, 0, 1, 1, 1, 0, 0]),
    "swish": (
        [-0.142278, -0.268941, -0.18877, 0, 0.31123, 0.731059, 2.857722],
        [-0.088104, 0.072329, 0.260039, 0.5, 0.739961, 0.927671, 1.088104],
    ),
    "hard_swish": ([0, -0.3, -0.2, 0, 0.3, 0.7, 3], [0, 0.1, 0.3, 0.5, 0.7, 0.9, 1]),
    "hard_swish_mobilenet": (
        [0, -0.333333, -0.208333, 0, 0.291667, 0.666667, 3],
        [-0.5, 0.166667, 0.333333, 0.5, 0.666667, 0.833333, 1.5],
    ),
    "dish": (
        [-0.076975, -0.146447, -0.138197, 0, 0.361803, 0.853553, 2.923025],
        [-0.021776, -0.03033, 0.097508, 0.5, 0.902492, 1.03033, 1.021776],
    ),
    "gelu": (
        [-0.00405, -0.158655, -0.154269, 0, 0.345731, 0.841345, 2.99595],
        [-0.011946, -0.083315, 0.132505, 0.5, 0.867495, 1.083315, 1.011946],
    ),
    "gelu_approx": (
        [-0.003637, -0.158808, -0.154286, 0, 0.345714, 0.841192, 2.996363],
        [-0.011584, -0.082964, 0.13263, 0.5, 0.86737, 1.082964, 1.011584],
    ),
    "mish": (
        [-0.145647, -0.303401, -0.220744, 0, 0.375245, 0.865098, 2.986535],
        [-0.093393, 0.059217, 0.289511, 0.6, 0.886424, 1.049036, 1.021107],
    ),
}
HASHES = [
    ([0, 1, 2**64 - 1], 0, [
        [3428303819, 685728695, 3303603794, 4065689084],
        [4211459146, 4457399, 3547175942, 1032506804],
        [448458099, 2699342458, 1800029871, 1763775177],
    ]),
    ([2], 0, [[1819721896, 3725074592, 1401649061, 3845513878]]),
    ([1], 7, [[3089165797, 1536154270, 2023308811, 4074317197]]),
    ([1], 8, [[1161550108, 2247783286, 1742325162, 1224191281]]),
]  # fmt: skip


def near(ops: Any, actual: Any, expected: Any, atol: float = 1e-6) -> None:
    numpy.testing.assert_allclose(ops.to_numpy(actual), expected, atol=atol, rtol=0)


@pytest.mark.parametrize("dtype, atol", [("float32", 1e-5), ("float64", 1e-6)])
@pytest.mark.parametrize("op", ACTIVATIONS)
def test_activations(ops: Any, op: str, dtype: str, atol: float) -> None:
    x = ops.asarray(X, dtype=dtype)
    values, gradients = ACTIVATIONS[op]
    Y = getattr(ops, op)(x)
    near(ops, Y, values, atol)
    saved = {"sigmoid": (Y,), "swish": (x, Y)}.get(op, (x,))
    near(ops, getattr(ops, f"backprop_{op}")(ops.xp.ones_like(x), *saved), gradients, atol)


@pytest.mark.parametrize("ids, seed, words", HASHES)
def test_hash(ops: Any, ids: List[int], seed: int, words: Any) -> None:
    result = ops.to_numpy(ops.hash(ops.asarray(ids, dtype="uint64"), seed))
    assert result.dtype == "uint32"
    assert result.tolist() == words


def test_hash_rows_of_an_embedding_table(ops: Any) -> None:
    ids = ops.asarray([0, 1, 42, 2**64 - 1], dtype="uint64")
    rows = ops.to_numpy(ops.hash(ids, 1)) % 10
    assert rows.tolist() == [[8, 7, 2, 4], [4, 0, 3, 5], [9, 0, 2, 0], [6, 0, 5, 1]]


def test_ngrams(ops: Any) -> None:
    keys = ops.asarray([1, 2, 3], dtype="uint64")
    result = ops.to_numpy(ops.ngrams(2, keys))
    assert result.dtype == "uint64"
    assert result.tolist() == [2346165840139155392, 16863871380863422640]
    assert ops.ngrams(1, keys[:1]).tolist() == [10357027354812746030]


def test_position_encode(ops: Any) -> None:
    near(ops, ops.position_encode(2, 6)[1], [0.841471, 0.540302, 0.0021544332, 0.99999768, 4.6415889e-6, 1])
    near(ops, ops.position_encode(2, 5, period=100)[1], [0.841471, 0.540302, 0.0251162, 0.9996845, 0.0251162])
    near(ops, ops.position_encode(2, 3)[1], [0.841471, 0.540302, 0.841471])


def test_seq2col(ops: Any) -> None:
    seq = ops.asarray(numpy.arange(1, 16).reshape(5, 3), dtype="float32")
    rows = [
        [0, 0, 0, 1, 2, 3, 0, 0, 0],
        [0, 0, 0, 4, 5, 6, 7, 8, 9],
        [4, 5, 6, 7, 8, 9, 10, 11, 12],
        [7, 8, 9, 10, 11, 12, 0, 0, 0],
        [0, 0, 0, 13, 14, 15, 0, 0, 0],
    ]
    near(ops, ops.seq2col(seq, 1, lengths=ops.asarray1i([1, 3, 1])), rows)
    dY = ops.asarray(numpy.arange(0.1, 4.6, 0.1).reshape(5, 9), dtype="float64")
    expected = [[0.4, 0.5, 0.6], [3.2, 3.4, 3.6], [6.6, 6.9, 7.2], [5.6, 5.8, 6.0], [4.0, 4.1, 4.2]]
    near(ops, ops.backprop_seq2col(dY, 1, lengths=ops.asarray1i([1, 3, 1])), expected)


def test_list2padded(ops: Any) -> None:
    padded = ops.list2padded([ops.alloc2f(n, 2) for n in (7, 2, 4)])
    assert padded.lengths.tolist() == [7, 4, 2]
    assert padded.indices.tolist() == [0, 2, 1]
    assert padded.size_at_t.tolist() == [3, 3, 2, 2, 1, 1, 1]
    assert ops.list2padded([ops.alloc2f(n, 2) for n in (2, 2, 3)]).indices.tolist() == [2, 1, 0]
    assert ops.list2padded([ops.alloc2f(n, 2) for n in (2, 3, 2)]).indices.tolist() == [1, 2, 0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_adam(ops: Any, dtype: str) -> None:
    w, g, m, v = (ops.asarray([value], dtype=dtype) for value in (1, 0.5, 0.1, 0.2))
    assert ops.adam(w, g, m, v, 0.9, 0.999, 1e-8, 0.01)[0] is w
    near(ops, ops.xp.concatenate([w, m, v, g]), [0.9968699, 0.14, 0.20005, 0])


def test_softmax(ops: Any) -> None:
    Xs = ops.asarray2f([[1, 2], [3, 4], [100, -100]])
    expected = [[0.119203, 0.119203], [0.880797, 0.880797], [1, 1]]
    near(ops, ops.softmax_sequences(Xs, ops.asarray1i([2, 1])), expected)
    dX = ops.backprop_softmax(ops.asarray2f([[0.25, 0.75]]), ops.asarray2f([[1, 0]]), temperature=2)
    near(ops, dX, [[0.09375, -0.09375]])


def test_softmax_sequences_tells_large_scores_apart(ops: Any) -> None:
    near(ops, ops.softmax_sequences(ops.asarray2f([[30], [25]]), ops.asarray1i([2])), [[0.993307], [0.006693]])


def test_update_averages(ops: Any) -> None:
    ema = ops.asarray1f([0])
    assert ops.update_averages(ema, ops.asarray1f([1]), 1) is None
    near(ops, ema, [0.8181818])


def test_layernorm(ops: Any) -> None:
    X2, ones, zeros = ops.asarray2f([[1, 2, 4]]), ops.asarray1f([1, 1, 1]), ops.alloc1f(3)
    Y, mu, rstd = ops.layernorm(X2, ones, zeros)
    near(ops, Y, [[-1.0690448, -0.2672612, 1.3363062]])
    dX = ops.backprop_layernorm(ops.asarray2f([[1, 0, 0]]), X2, ones, mu, rstd, ops.alloc1f(3), ops.alloc1f(3))
    near(ops, dX, [[0.2290811, -0.3436215, 0.1145405]])


def test_gather_and_scatter_of_maxima(ops: Any) -> None:
    table = ops.asarray(numpy.arange(12).reshape(4, 3), dtype="float32")
    indices = ops.asarray2i([[0, 2], [3, 1], [0, 1]])
    assert ops.gather_add(table, indices).tolist() == [[6, 8, 10], [12, 14, 16], [3, 5, 7]]
    dX = ops.backprop_maxout(ops.asarray2f([[1, 2], [3, 4]]), ops.asarray2i([[1, 0], [2, 1]]), 3)
    assert dX.tolist() == [[[0, 1, 0], [2, 0, 0]], [[0, 0, 3], [0, 4, 0]]]
    d_maxes = ops.asarray(numpy.arange(1, 7).reshape(2, 3), dtype="float32")
    dX = ops.backprop_reduce_max(d_maxes, ops.asarray2i([[2, 1, 0], [1, 0, 1]]), ops.asarray1i([3, 2]))
    assert dX.tolist() == [[0, 0, 3], [0, 2, 0], [1, 0, 0], [0, 5, 0], [4, 0, 6]]
