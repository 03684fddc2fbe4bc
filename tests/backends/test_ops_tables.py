"""Tables of vectors: several at once, arguments that share memory, position codes; and that threads change no bit."""

from __future__ import annotations

import math
from typing import Any, Callable, Iterator, List

import numpy
import pytest
from case_arguments import Draw, backprop_hash_embeds, hash_embeds

from thinc_core.backends import NumpyOps, Ops, cuda, get_num_threads, set_num_threads

OPS, REFERENCE = NumpyOps(), Ops()
CPU = pytest.mark.parametrize("ops", [REFERENCE, OPS], ids=["reference", "numpy"])
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


@DTYPES
@pytest.mark.parametrize("rows", [0, 1, 63, 64, 65, 300])
def test_several_tables_are_one_beside_the_other(ops: Any, rows: int, dtype: str) -> None:
    args = hash_embeds(Draw(rows, 17, dtype))
    tables, ids = [ops.asarray(table) for table in args["tables"]], ops.asarray(args["ids"])
    parts = [ops.hash_embed(t, ids[:, c], s) for t, c, s in zip(tables, args["columns"], args["seeds"])]
    Y = ops.to_numpy(ops.hash_embeds(tables, ids, args["columns"], args["seeds"]))
    numpy.testing.assert_array_equal(Y, numpy.concatenate([ops.to_numpy(part) for part in parts], axis=1))
    as_tuples = ops.hash_embeds(tuple(tables), ids, tuple(args["columns"]), tuple(args["seeds"]))
    numpy.testing.assert_array_equal(ops.to_numpy(as_tuples), Y)


@pytest.fixture
def fixed_order() -> Iterator[None]:
    """Sums on a GPU are the same bits every time."""
    before = cuda.is_deterministic()
    cuda.set_deterministic(True)
    yield
    cuda.set_deterministic(before)


@DTYPES
@pytest.mark.parametrize("rows", [0, 1, 65, 300])
@pytest.mark.usefixtures("fixed_order")
def test_several_gradients_are_one_after_the_other(ops: Any, rows: int, dtype: str) -> None:
    args = backprop_hash_embeds(Draw(rows, 17, dtype))
    dY, ids, columns, seeds = ops.asarray(args["dY"]), ops.asarray(args["ids"]), args["columns"], args["seeds"]
    one, all_ = ([ops.asarray(table.copy()) for table in args["dtables"]] for _ in range(2))
    ends = numpy.cumsum([table.shape[1] for table in one])
    for table, column, seed, end in zip(one, columns, seeds, ends):
        ops.backprop_hash_embed(dY[:, end - table.shape[1] : end], ids[:, column], seed, table)
    assert ops.backprop_hash_embeds(dY, ids, columns, seeds, all_) is None
    for a, b in zip(one, all_):
        numpy.testing.assert_array_equal(ops.to_numpy(a), ops.to_numpy(b))


def test_gradient_of_several_tables() -> None:
    """The op is linear in the tables: a change of them changes the output by as much as the gradient says."""
    args = hash_embeds(Draw(6, 5, "float64"))
    rng = numpy.random.default_rng(1)
    changes = [rng.normal(size=table.shape) for table in args["tables"]]
    moved = [table + change for table, change in zip(args["tables"], changes)]
    dY = rng.normal(size=REFERENCE.hash_embeds(**args).shape)
    dtables = [numpy.zeros_like(table) for table in changes]
    REFERENCE.backprop_hash_embeds(dY, args["ids"], args["columns"], args["seeds"], dtables)
    claimed = sum(float((dtable * change).sum()) for dtable, change in zip(dtables, changes))
    grown = REFERENCE.hash_embeds(**{**args, "tables": moved}) - REFERENCE.hash_embeds(**args)
    assert claimed == pytest.approx(float((grown * dY).sum()))


@CPU
def test_a_table_given_twice_gets_both_gradients(ops: Any) -> None:
    table, ids = numpy.zeros((3, 20), "f"), numpy.arange(8, dtype="uint64").reshape(4, 2)
    ops.backprop_hash_embeds(numpy.ones((4, 40), "f"), ids, [0, 1], [5, 5], [table, table])
    assert table.sum() == 4 * 40 * 4


@CPU
@pytest.mark.parametrize("layout", ["strided", "read-only", "big-endian"])
def test_tables_in_any_layout(ops: Any, layout: str) -> None:
    args = hash_embeds(Draw(9, 5, "float32"))
    expected = ops.hash_embeds(**args)
    change: Any = {
        "strided": lambda table: numpy.repeat(table, 2, axis=1)[:, ::2],
        "read-only": lambda table: numpy.frombuffer(table.tobytes(), "f").reshape(table.shape),
        "big-endian": lambda table: table.astype(">f4"),
    }[layout]
    args["tables"][1] = change(args["tables"][1])
    if layout == "big-endian":
        args["tables"] = [change(table) for table in args["tables"]]
    numpy.testing.assert_array_equal(ops.hash_embeds(**args), expected)


def test_more_tables_than_one_kernel_takes(ops: Any) -> None:
    """All of them, backwards too, and one without columns among them."""
    rng = numpy.random.default_rng(3)
    widths = [4, 8, 1, 4, 0, 4, 3, 8, 4]
    tables, ids = [rng.normal(size=(7, width)) for width in widths], rng.integers(0, 50, (21, 2))
    columns, seeds = [k % 2 for k in range(9)], list(range(9))
    expected = REFERENCE.hash_embeds(tables, ids, columns, seeds)
    moved = [ops.asarray(table.copy()) for table in tables]
    Y = ops.to_numpy(ops.hash_embeds(moved, ops.asarray(ids), columns, seeds))
    numpy.testing.assert_allclose(Y, expected, rtol=1e-14, atol=1e-14)
    dY = rng.normal(size=expected.shape)
    ops.backprop_hash_embeds(ops.asarray(dY), ops.asarray(ids), columns, seeds, moved)
    REFERENCE.backprop_hash_embeds(dY, ids, columns, seeds, tables)
    for table, wanted in zip(moved, tables):
        numpy.testing.assert_allclose(ops.to_numpy(table), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", ["int8", "uint16", "int32", "uint32", "int64", "uint64"])
@pytest.mark.parametrize("layout", ["C", "F", "strided", "backwards", "one id"])
def test_ids_in_any_dtype_and_layout(fast_ops: Any, kind: str, layout: str) -> None:
    ids = numpy.random.default_rng(5).integers(0, 100, (12, 4)).astype(kind)
    ids[::3] -= ids.dtype.type(101) if ids.dtype.kind == "i" else ids.dtype.type(0)  # negative ones are hashed too
    change: Any = {
        "C": lambda ids: ids,
        "F": lambda ids: ids.T,
        "strided": lambda ids: ids[::2, ::3],
        "backwards": lambda ids: ids[::-1, ::-1],
        "one id": lambda ids: ids[:1, :0:-1],
    }[layout]
    table, values = numpy.ones((5, 4), "f"), numpy.ones((len(change(ids)), 8), "f")
    moved, ids = change(fast_ops.asarray(ids)), change(ids)
    pairs = [(REFERENCE, ids, numpy.asarray), (fast_ops, moved, fast_ops.asarray)]
    results = []
    for ops, given, asarray in pairs:
        found = [ops.hash(given[:, 1], 3), ops.ngrams(1, given[:, 1]), ops.ngrams(1, given[0])]
        found += [ops.hash_embed(asarray(table), given[0], 3)]
        found += [ops.hash_embeds([asarray(table)] * 2, given, [1, 0], [4, 5])]
        ops.backprop_hash_embeds(asarray(values), given, [1, 0], [4, 5], [gradient := asarray(table.copy())] * 2)
        ops.backprop_hash_embed(asarray(values[:1, :4].repeat(given.shape[1], 0)), given[0], 3, gradient)
        results.append([ops.to_numpy(each) for each in (*found, gradient)])
    for expected, result in zip(*results):
        numpy.testing.assert_array_equal(result, expected)


# Arguments that share memory: what was there before the call is what is added.


@CPU
@DTYPES
def test_scatter_add_of_the_tables_own_rows(ops: Any, dtype: str) -> None:
    table = numpy.arange(60, dtype=dtype).reshape(6, 10)
    before = table.copy()
    ops.scatter_add(table, numpy.array([1, 2, 3], "i"), table[:3])
    numpy.testing.assert_array_equal(table[1:4], before[1:4] + before[:3])


@CPU
def test_scatter_add_with_indices_in_the_table(ops: Any) -> None:
    table = numpy.zeros((4, 4), "f")
    indices = table.reshape(-1).view("int32")[:3]
    indices[:] = [1, 2, 3]
    start = table.copy()
    ops.scatter_add(table, indices, numpy.ones((3, 4), "f"))
    numpy.testing.assert_array_equal(table[1:], start[1:] + 1)


@CPU
def test_backprop_hash_embed_of_its_own_buffer(ops: Any) -> None:
    memory = numpy.random.default_rng(0).normal(size=(12, 16)).astype("f")
    ids = numpy.arange(8, dtype="uint64")
    expected = memory.copy()
    REFERENCE.backprop_hash_embed(memory[4:].copy(), ids, 3, expected)
    ops.backprop_hash_embed(memory[4:], ids, 3, memory)
    numpy.testing.assert_allclose(memory, expected, rtol=1e-5, atol=1e-5)


@DTYPES
@pytest.mark.parametrize("width", [1, 4, 17])
@pytest.mark.usefixtures("fixed_order")
def test_sums_in_a_fixed_order_are_those_of_the_reference(fast_ops: Any, width: int, dtype: str) -> None:
    """Bit for bit: terms are added in their order."""
    rng = numpy.random.default_rng(width)
    table, values = rng.normal(size=(5, width)).astype(dtype), rng.normal(size=(90, width)).astype(dtype)
    indices, ids = rng.integers(-1, 5, 90), rng.integers(0, 20, 90)
    expected, hashed = table.copy(), table.copy()
    REFERENCE.scatter_add(expected, indices, values)
    REFERENCE.backprop_hash_embed(values, ids, 3, hashed)
    scattered, added = fast_ops.asarray(table.copy()), fast_ops.asarray(table.copy())
    fast_ops.scatter_add(scattered, fast_ops.asarray(indices), fast_ops.asarray(values))
    fast_ops.backprop_hash_embed(fast_ops.asarray(values), fast_ops.asarray(ids), 3, added)
    numpy.testing.assert_array_equal(fast_ops.to_numpy(scattered), expected)
    numpy.testing.assert_array_equal(fast_ops.to_numpy(added), hashed)
    wrong, two = fast_ops.asarray(numpy.array([0, 7], dtype="int64")), fast_ops.asarray(values[:2])
    with pytest.raises(IndexError, match=r"scatter_add: indices must be in \[0, 5\); got 7 at \[1\]"):
        fast_ops.scatter_add(scattered, wrong, two)


@CPU
@pytest.mark.parametrize("shift", [0, 1, 16])
def test_update_averages_of_overlapping_arrays(ops: Any, shift: int) -> None:
    memory = numpy.random.default_rng(0).normal(size=200)
    ema, weights = memory[shift : 100 + shift], memory[:100]
    step = 1 - 6 / 15
    expected = ema - step * (ema - weights)
    ops.update_averages(ema, weights, 5)
    numpy.testing.assert_allclose(ema, expected, rtol=1e-15, atol=1e-15)


@CPU
def test_adam_refuses_overlapping_moments(ops: Any) -> None:
    memory = numpy.linspace(0.1, 1, 300)
    with pytest.raises(ValueError, match="adam: mom1 is overwritten and must share no memory with mom2"):
        ops.adam(memory[:50], memory[50:100], memory[150:200], memory[199:249], 0.9, 0.99, 1e-8, 0.1)
    numpy.testing.assert_array_equal(memory, numpy.linspace(0.1, 1, 300))


# Indices


@CPU
@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "uint32", "int64", "uint64"])
def test_indices_that_fit_only_after_a_cast(ops: Any, kind: str) -> None:
    """An index beyond the table is refused in every dtype, also where its low bits are those of a row."""
    wrong = min(int(numpy.iinfo(kind).max), 2**32 + 1)
    indices = numpy.array([0, wrong], dtype=kind)
    table, values = numpy.zeros((3, 2), "f"), numpy.ones((2, 2), "f")
    for call in (lambda: ops.scatter_add(table, indices, values), lambda: ops.gather_add(table, indices[:, None])):
        with pytest.raises(IndexError, match=rf"must be in \[0, 3\); got {wrong} at \[1"):
            call()
    assert not table.any()


# Position codes


def exact_code(i: int, j: int, D: int, period: float) -> float:
    pair = j - j % 2
    if D % 2 and D > 1 and j == D - 1:
        pair -= 2
    angle = i / period ** (2 * pair / D)
    return math.cos(angle) if j % 2 else math.sin(angle)


@CPU
@pytest.mark.parametrize("D", [1, 2, 3, 17, 64, 129, 300])
def test_position_codes(ops: Any, D: int) -> None:
    codes = ops.position_encode(40, D, period=1000)
    exact = [[exact_code(i, j, D, 1000) for j in range(D)] for i in range(40)]
    numpy.testing.assert_allclose(codes, exact, rtol=0, atol=6e-8)
    assert codes.dtype == "float32"
    wide = ops.position_encode(40, D, 1000, numpy.full((40, D), numpy.nan))
    numpy.testing.assert_allclose(wide, exact, rtol=0, atol=1e-14)  # powers of the period differ in the last bit


def test_position_codes_of_large_angles(isa: str) -> None:
    """Against the sine of the C library, which reduces the angle exactly."""
    N, D = 100_000, 6
    wide = OPS.position_encode(N, D, out=numpy.empty((N, D)))
    periods = OPS._periods(D, 10000).tolist()
    exact = [[f(i / p) for p in periods for f in (math.sin, math.cos)] for i in range(0, N, 7)]
    assert abs(wide[::7] - exact).max() <= 2**-52
    numpy.testing.assert_array_equal(OPS.position_encode(N, D), wide.astype("float32"))


@CPU
def test_position_codes_beyond_the_kernel(ops: Any) -> None:
    """Angles too large for it, periods below 1 and no numbers: array code."""
    assert ops.position_encode(3, 4, period=1e-9).shape == (3, 4)
    with numpy.errstate(all="ignore"):
        assert numpy.isnan(ops.position_encode(2, 4, period=0)[1, 2:]).all()
    strided = numpy.zeros((6, 8), "f")[::2, ::2]
    assert ops.position_encode(3, 4, out=strided) is strided
    numpy.testing.assert_allclose(strided, ops.position_encode(3, 4), atol=1e-7)
    half = ops.position_encode(3, 4, out=numpy.zeros((3, 4), "float16"))
    assert half.dtype == "float16"


@CPU
def test_position_codes_into_a_wrong_array(ops: Any) -> None:
    with pytest.raises(AssertionError, match=r"position_encode: out must have shape \(3, 4\); got \(3, 5\)"):
        ops.position_encode(3, 4, out=numpy.zeros((3, 5), "f"))
    with pytest.raises(ValueError, match="position_encode: out must have a float dtype; got int32"):
        ops.position_encode(3, 4, out=numpy.zeros((3, 4), "i"))


# Clipping


@DTYPES
@pytest.mark.parametrize("scale", [1e-30, 1e-18, 1.0, 1e18, 1e30])
@pytest.mark.parametrize("n", [511, 512, 5000, 40_000])
def test_norm_of_large_and_small_gradients(ops: Any, n: int, scale: float, dtype: str) -> None:
    """Squares that a float cannot hold do no harm."""
    gradient = (numpy.random.default_rng(n).normal(size=n) * scale).astype(dtype)
    gradient[: n // 2] *= dtype == "float64" or scale != 1e-30  # half of it zeros
    norm = math.sqrt(math.fsum((gradient.astype("float64") ** 2).tolist()))
    clipped = ops.to_numpy(ops.clip_gradient(ops.asarray(gradient.copy()), norm / 4))
    tolerance = 4 * numpy.finfo(dtype).eps
    numpy.testing.assert_allclose(clipped.astype("float64"), gradient.astype("float64") / 4, rtol=tolerance)


def test_norm_of_gradients_that_are_no_numbers(ops: Any) -> None:
    for value, expected in ((numpy.inf, 0.0), (numpy.nan, 1.0)):
        gradient = numpy.ones(30_000, "f")
        gradient[12_345] = value
        with numpy.errstate(all="ignore"):
            gradient = ops.to_numpy(ops.clip_gradient(ops.asarray(gradient), 1.0))
        assert gradient[0] == expected
        assert numpy.isnan(gradient[12_345])


# Threads


def large(dtype: str) -> Iterator[Callable[[], List[Any]]]:
    """Calls that are worth dividing, each of which makes what it changes."""
    rng, W = numpy.random.default_rng(2), 100
    table, values = rng.normal(size=(50, W)).astype(dtype), rng.normal(size=(3000, W)).astype(dtype)
    ids = rng.integers(0, 2**63, (3000, 2)).astype("uint64")
    indices, key = rng.integers(0, 50, (3000, 3)).astype("i"), numpy.repeat(ids[:, 0], 20)
    seqs = numpy.split(values, numpy.cumsum(rng.integers(0, 60, 90)))
    padded = OPS.list2padded(seqs)
    long = rng.normal(size=1_500_000).astype(dtype)

    def changed(op: Callable[..., Any], *arrays: Any) -> List[Any]:
        copies = [array.copy() for array in arrays]
        op(*copies)
        return copies

    yield lambda: [OPS.gather_add(table, indices)]
    yield lambda: changed(lambda t: OPS.scatter_add(t, indices[:, 0], values), table)
    yield lambda: [OPS.hash(key, 3), OPS.ngrams(1, key), OPS.ngrams(3, key), OPS.ngrams(70, key)]
    yield lambda: [OPS.hash_embed(table, ids[:, 0], 3), OPS.hash_embeds([table, table], ids, [1, 0], [1, 2])]
    yield lambda: changed(lambda t: OPS.backprop_hash_embed(values, ids[:, 0], 3, t), table)
    yield lambda: changed(
        lambda t, u: OPS.backprop_hash_embeds(numpy.repeat(values, 2, axis=1), ids, [1, 0], [1, 2], [t, u]),
        table,
        table,
    )
    yield lambda: [OPS.position_encode(3000, W)]
    yield lambda: [OPS.flatten(seqs), OPS.flatten(seqs, pad=2), OPS.pad(seqs), OPS.list2padded(seqs).data]
    yield lambda: OPS.padded2list(padded)
    yield lambda: [OPS.clip_gradient(long.copy(), 1.0), OPS.clip_gradient(values.copy(), 1.0)]
    yield lambda: changed(lambda a: OPS.update_averages(a, long, 7), long[::-1])
    yield lambda: changed(lambda w, g, m, v: OPS.adam(w, g, m, v, 0.9, 0.99, 1e-8, 0.1), long, long, long, abs(long))


@DTYPES
def test_threads_change_no_bit(dtype: str, isa: str) -> None:
    before = get_num_threads()
    try:
        for call in large(dtype):
            set_num_threads(1)
            expected = call()
            for n in (2, 3, 7):
                set_num_threads(n)
                for a, b in zip(call(), expected):
                    numpy.testing.assert_array_equal(a, b)
    finally:
        set_num_threads(before)


@pytest.mark.parametrize("V", [1, 2, 3, 7, 1000, 65_537, 2**20 + 1])
def test_hashes_are_taken_modulo_the_rows(ops: Any, V: int) -> None:
    """Small hashes too, the quotient of which is 0: that of id 0 with seed 8 is 0 in every word."""
    table = numpy.arange(V, dtype="float64")[:, None]
    ids = numpy.random.default_rng(V).integers(0, 2**64, 60_000, dtype="uint64")
    ids[:3] = 0
    words = NumpyOps().hash(ids, 8)
    assert not words[0].any()
    expected = (words % numpy.uint32(V)).astype("float64").sum(axis=1, keepdims=True)
    numpy.testing.assert_array_equal(ops.to_numpy(ops.hash_embed(ops.asarray(table), ops.asarray(ids), 8)), expected)
