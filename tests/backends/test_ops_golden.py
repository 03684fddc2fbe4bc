"""Numbers that models and files in the field were made with."""

from __future__ import annotations

from typing import Any, List

import numpy
import pytest

INF = float("inf")
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


DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


def near(ops: Any, actual: Any, expected: Any, dtype: str = "float32") -> None:
    """Within what the last digit of the expected numbers allows, and of that dtype."""
    assert actual.dtype == dtype
    numpy.testing.assert_allclose(ops.to_numpy(actual), expected, atol=1e-6, rtol=1e-6)


def same(actual: Any, expected: Any, dtype: str) -> None:
    """Small integers: every backend has them exactly."""
    assert actual.dtype == dtype
    assert actual.tolist() == expected


def gradient_of(ops: Any, op: str, x: Any, Y: Any) -> Any:
    """For dY = 1."""
    saved = {"sigmoid": (Y,), "relu": (Y,), "swish": (x, Y)}.get(op, (x,))
    return getattr(ops, f"backprop_{op}")(ops.xp.ones_like(x), *saved)


@DTYPES
@pytest.mark.parametrize("op", ACTIVATIONS)
def test_activations(ops: Any, op: str, dtype: str) -> None:
    x = ops.asarray(X, dtype=dtype)
    values, gradients = ACTIVATIONS[op]
    Y = getattr(ops, op)(x)
    near(ops, Y, values, dtype)
    near(ops, gradient_of(ops, op, x, Y), gradients, dtype)


# op: values at -inf and inf, gradients there. NaN stays NaN, but where the line of a gradient is cut off.
ENDS = {
    "relu": ([0, INF], [0, 1]),
    "sigmoid": ([0, 1], [0, 0]),
    "hard_sigmoid": ([0, 1], [0, 0]),
    "hard_tanh": ([-1, 1], [0, 0]),
    **dict.fromkeys(
        ["swish", "hard_swish", "hard_swish_mobilenet", "dish", "gelu", "gelu_approx", "mish"], ([0, INF], [0, 1])
    ),
}


@DTYPES
@pytest.mark.parametrize("op", ENDS)
def test_activations_at_the_ends(ops: Any, op: str, dtype: str) -> None:
    x = ops.asarray([-INF, INF, numpy.nan], dtype=dtype)
    values, gradients = ENDS[op]
    with numpy.errstate(invalid="ignore"):
        Y = getattr(ops, op)(x)
        dX = gradient_of(ops, op, x, Y)
    near(ops, Y, [*values, numpy.nan], dtype)
    near(ops, dX[:2], gradients, dtype)


@DTYPES
def test_activations_of_large_numbers(ops: Any, dtype: str) -> None:
    """Nothing is clipped, and no power overflows on the way to a number that is small."""
    far = ops.asarray([-25, -1e30, 1e30], dtype=dtype)
    ones = ops.xp.ones_like(far)
    swish = ops.to_numpy(ops.swish(far))
    numpy.testing.assert_allclose(swish, [-3.4719857e-10, 0, 1e30], rtol=1e-6, atol=1e-30)
    near(ops, ops.backprop_dish(ones, far), [-0.0003986, 0, 1], dtype)
    near(ops, ops.backprop_mish(ones, far, threshold=1e9), [0, 0, 1], dtype)


@DTYPES
def test_settings_of_activations(ops: Any, dtype: str) -> None:
    x = ops.asarray([4, 5, 6], dtype=dtype)
    near(ops, ops.mish(x, threshold=5), [3.997413, 5, 6], dtype)
    near(ops, ops.backprop_mish(ops.xp.ones_like(x), x, threshold=5), [1.0044329, 1, 1], dtype)
    same(ops.relu_k(x, n=5), [4, 5, 5], dtype)
    same(ops.backprop_relu_k(ops.xp.ones_like(x), x, n=5), [1, 0, 0], dtype)


@DTYPES
@pytest.mark.parametrize("slope, values, gradients", [(-2, [1, 0.5, 0], [0, -2, 0]), (0, [0.5, 0.5, 0.5], [0, 0, 0])])
def test_lines_that_do_not_rise(ops: Any, slope: float, values: Any, gradients: Any, dtype: str) -> None:
    x = ops.asarray([-1, 0, 1], dtype=dtype)
    near(ops, ops.clipped_linear(x, slope=slope, offset=0.5), values, dtype)
    near(ops, ops.backprop_clipped_linear(ops.xp.ones_like(x), x, slope=slope, offset=0.5), gradients, dtype)


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


@pytest.mark.parametrize("dtype", [None, "float32", "float64"])
def test_position_encode(ops: Any, dtype: Any) -> None:
    for D, period, row in (
        (6, 10000, [0.841471, 0.540302, 0.0021544332, 0.99999768, 4.6415889e-6, 1]),
        (5, 100, [0.841471, 0.540302, 0.0251162, 0.9996845, 0.0251162]),
        (3, 10000, [0.841471, 0.540302, 0.841471]),
    ):
        out = None if dtype is None else ops.alloc2f(2, D, dtype=dtype)
        codes = ops.position_encode(2, D, period=period, out=out)
        near(ops, codes, [[0, 1, 0, 1, 0, 1][:D], row], dtype or "float32")


@DTYPES
def test_seq2col(ops: Any, dtype: str) -> None:
    seq = ops.asarray(numpy.arange(1, 16).reshape(5, 3), dtype=dtype)
    rows = [
        [0, 0, 0, 1, 2, 3, 0, 0, 0],
        [0, 0, 0, 4, 5, 6, 7, 8, 9],
        [4, 5, 6, 7, 8, 9, 10, 11, 12],
        [7, 8, 9, 10, 11, 12, 0, 0, 0],
        [0, 0, 0, 13, 14, 15, 0, 0, 0],
    ]
    same(ops.seq2col(seq, 1, lengths=ops.asarray1i([1, 3, 1])), rows, dtype)
    dY = ops.asarray(numpy.arange(0.1, 4.6, 0.1).reshape(5, 9), dtype=dtype)
    expected = [[0.4, 0.5, 0.6], [3.2, 3.4, 3.6], [6.6, 6.9, 7.2], [5.6, 5.8, 6.0], [4.0, 4.1, 4.2]]
    near(ops, ops.backprop_seq2col(dY, 1, lengths=ops.asarray1i([1, 3, 1])), expected, dtype)


@DTYPES
def test_list2padded(ops: Any, dtype: str) -> None:
    padded = ops.list2padded([ops.alloc2f(n, 2, dtype=dtype) for n in (7, 2, 4)])
    assert padded.data.dtype == dtype
    assert padded.data.shape == (7, 3, 2)
    assert padded.lengths.tolist() == [7, 4, 2]
    assert padded.indices.tolist() == [0, 2, 1]
    assert padded.size_at_t.tolist() == [3, 3, 2, 2, 1, 1, 1]
    assert ops.list2padded([ops.alloc2f(n, 2) for n in (2, 2, 3)]).indices.tolist() == [2, 1, 0]
    assert ops.list2padded([ops.alloc2f(n, 2) for n in (2, 3, 2)]).indices.tolist() == [1, 2, 0]


@DTYPES
@pytest.mark.parametrize(
    "mod_rate, weight", [(1, 0.99686991), (2, 0.99843493), (0, 1 - 0.01 * 0.14 / 1e-8)], ids=["1", "2", "0"]
)
def test_adam(ops: Any, mod_rate: float, weight: float, dtype: str) -> None:
    w, g, m, v = (ops.asarray([value], dtype=dtype) for value in (1, 0.5, 0.1, 0.2))
    assert ops.adam(w, g, m, v, 0.9, 0.999, 1e-8, 0.01, mod_rate)[0] is w
    near(ops, ops.xp.concatenate([w, m, v, g]), [weight, 0.14, 0.20005, 0], dtype)


@DTYPES
def test_softmax(ops: Any, dtype: str) -> None:
    Xs = ops.asarray([[1, 2], [3, 4], [100, -100]], dtype=dtype)
    expected = [[0.119203, 0.119203], [0.880797, 0.880797], [1, 1]]
    near(ops, ops.softmax_sequences(Xs, ops.asarray1i([2, 1])), expected, dtype)
    Y, dY = ops.asarray([[0.25, 0.75]], dtype=dtype), ops.asarray([[1, 0]], dtype=dtype)
    near(ops, ops.backprop_softmax(Y, dY, temperature=2), [[0.09375, -0.09375]], dtype)
    near(ops, ops.softmax(Xs[:2], axis=0), expected[:2], dtype)
    near(ops, ops.softmax(Xs[:2].T, temperature=2), [[0.268941, 0.731059]] * 2, dtype)


def test_softmax_sequences_tells_large_scores_apart(ops: Any) -> None:
    near(ops, ops.softmax_sequences(ops.asarray2f([[30], [25]]), ops.asarray1i([2])), [[0.993307], [0.006693]])


@DTYPES
def test_update_averages(ops: Any, dtype: str) -> None:
    ema = ops.asarray([0], dtype=dtype)
    assert ops.update_averages(ema, ops.asarray([1], dtype=dtype), 1) is None
    near(ops, ema, [0.8181818], dtype)


@DTYPES
def test_clip_gradient(ops: Any, dtype: str) -> None:
    """What has no norm is divided by none."""
    for threshold, expected in ((10, [3, 4]), (5, [3, 4]), (2.5, [1.5, 2]), (0, [0, 0])):
        near(ops, ops.clip_gradient(ops.asarray([3, 4], dtype=dtype), threshold), expected, dtype)
    near(ops, ops.clip_gradient(ops.asarray([0, 0], dtype=dtype), 0), [0, 0], dtype)


@DTYPES
def test_layernorm(ops: Any, dtype: str) -> None:
    X2, ones, zeros = (ops.asarray(values, dtype=dtype) for values in ([[1, 2, 4]], [1, 1, 1], [0, 0, 0]))
    Y, mu, rstd = ops.layernorm(X2, ones, zeros)
    near(ops, Y, [[-1.0690448, -0.2672612, 1.3363062]], dtype)
    dG, db, dY = (ops.asarray(values, dtype=dtype) for values in ([0, 0, 0], [0, 0, 0], [[1, 0, 0]]))
    dX = ops.backprop_layernorm(dY, X2, ones, mu, rstd, dG, db)
    near(ops, dX, [[0.2290811, -0.3436215, 0.1145405]], dtype)


@DTYPES
def test_gather_and_scatter_of_maxima(ops: Any, dtype: str) -> None:
    table = ops.asarray(numpy.arange(12).reshape(4, 3), dtype=dtype)
    indices = ops.asarray2i([[0, 2], [3, 1], [0, 1]])
    same(ops.gather_add(table, indices), [[6, 8, 10], [12, 14, 16], [3, 5, 7]], dtype)
    dY = ops.asarray([[1, 2], [3, 4]], dtype=dtype)
    dX = ops.backprop_maxout(dY, ops.asarray2i([[1, 0], [2, 1]]), 3)
    same(dX, [[[0, 1, 0], [2, 0, 0]], [[0, 0, 3], [0, 4, 0]]], dtype)
    d_maxes = ops.asarray(numpy.arange(1, 7).reshape(2, 3), dtype=dtype)
    dX = ops.backprop_reduce_max(d_maxes, ops.asarray2i([[2, 1, 0], [1, 0, 1]]), ops.asarray1i([3, 2]))
    same(dX, [[0, 0, 3], [0, 2, 0], [1, 0, 0], [0, 5, 0], [4, 0, 6]], dtype)


@DTYPES
def test_scatter_add_skips_negative_indices(ops: Any, dtype: str) -> None:
    table, values = ops.asarray([[1], [2], [3]], dtype=dtype), ops.asarray([[10], [20], [40]], dtype=dtype)
    for indices in (ops.asarray1i([0, -1, 0]), ops.asarray([0, -1, 0], dtype="int64")):
        assert ops.scatter_add(table, indices, values) is table
    same(table, [[101], [2], [3]], dtype)


@DTYPES
@pytest.mark.parametrize("P", [1, 2, 3, 4, 5, 9])
def test_first_nan_is_the_largest(ops: Any, P: int, dtype: str) -> None:
    """As in argmax, wherever it stands and however many pieces or rows there are; of equal ones the first is taken."""
    for place in range(P):
        pieces = numpy.ones(P, dtype)
        pieces[place:] = numpy.nan
        best, which = ops.maxout(ops.asarray(pieces.reshape(1, 1, P)))
        assert (bool(best[0, 0] == best[0, 0]), which.tolist()) == (False, [[place]])
        maxes, which = ops.reduce_max(ops.asarray(pieces.reshape(P, 1)), ops.asarray1i([P]))
        assert (bool(maxes[0, 0] == maxes[0, 0]), which.tolist()) == (False, [[place]])
    equal = ops.asarray(numpy.ones((1, 1, P), dtype))
    assert ops.maxout(equal)[1].tolist() == ops.reduce_max(equal[0].T, ops.asarray1i([P]))[1].tolist() == [[0]]
