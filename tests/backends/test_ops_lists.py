"""Lists of sequences to one array and back."""

from __future__ import annotations

from typing import Any, List

import numpy
import pytest
from hypothesis import given, settings
from strategies import float_sequences

from thinc_core.backends import NumpyOps, Ops
from thinc_core.types import Padded

CPU = [Ops(), NumpyOps()]


def arrays(ops: Any, *rows: int, width: int = 2, dtype: str = "float32") -> List[Any]:
    """Sequences of the given lengths whose values are all different from each other and from zero."""
    total = numpy.arange(1, sum(rows) * width + 1).reshape(sum(rows), width)
    ends = numpy.cumsum(rows)
    return [ops.asarray(total[end - n : end].copy(), dtype=dtype) for n, end in zip(rows, ends)]


def same(ops: Any, lists: Any, expected: Any) -> None:
    assert len(lists) == len(expected)
    for one, other in zip(lists, expected):
        numpy.testing.assert_array_equal(ops.to_numpy(one), ops.to_numpy(other))
        assert one.dtype == other.dtype


def test_flatten(ops: Any) -> None:
    X = arrays(ops, 2, 0, 3)
    assert ops.flatten(X).tolist() == [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10]]
    assert ops.flatten(X, pad=1).tolist() == [[0, 0], [1, 2], [3, 4], [0, 0], [5, 6], [7, 8], [9, 10], [0, 0]]
    assert ops.flatten(X, dtype="float64").dtype == "float64"
    assert ops.flatten(tuple(X)).shape == (5, 2)
    assert ops.flatten(ops.asarray2f([[1, 2], [3, 4]])).tolist() == [1, 2, 3, 4]
    assert ops.flatten([ops.asarray1i([1, 2]), ops.asarray1i([3])]).tolist() == [1, 2, 3]
    assert ops.flatten([ops.asarray1i([1]), ops.asarray1f([2])]).dtype == "float64"


def test_flatten_nothing(ops: Any) -> None:
    for nothing in (None, []):
        empty = ops.flatten(nothing)
        assert empty.shape == (0, 0)
        assert empty.dtype == "float32"
    assert ops.flatten([], ndim_if_empty=3).shape == (0, 0, 0)
    assert ops.flatten([], dtype="int32").dtype == "int32"
    of_integers = ops.flatten([ops.alloc2i(0, 5), ops.alloc2i(0, 5)])
    assert of_integers.shape == (0, 5)
    assert of_integers.dtype == "int32"


def test_flatten_refuses(ops: Any) -> None:
    with pytest.raises(ValueError, match=r"flatten: X\[0\] must be a \w+ array; got list"):
        ops.flatten([[1, 2], [3, 4]])
    with pytest.raises(ValueError, match=r"flatten: all members of X must have the same trailing shape"):
        ops.flatten([ops.alloc2f(1, 2), ops.alloc2f(1, 3)])
    with pytest.raises(TypeError):
        ops.flatten(iter(()))


@pytest.mark.parametrize("pad", [0, 1, 3])
def test_unflatten_is_the_inverse(ops: Any, pad: int) -> None:
    X = arrays(ops, 2, 0, 3)
    pieces = ops.unflatten(ops.flatten(X, pad=pad), ops.asarray1i([2, 0, 3]), pad=pad)
    same(ops, pieces, X)


def test_unflatten_gives_views_and_is_tolerant(ops: Any) -> None:
    X = ops.asarray2f([[1], [2], [3]])
    first, second = ops.unflatten(X, [1, 5])
    assert ops.xp.shares_memory(first, X)
    assert second.tolist() == [[2], [3]]
    assert [piece.tolist() for piece in ops.unflatten(X, [1])] == [[[1]]]
    assert ops.unflatten(X, []) == []
    with pytest.raises(ValueError, match=r"unflatten: all sequence lengths must be >= 0; got -1 at position 1"):
        ops.unflatten(X, [1, -1])


def test_pad(ops: Any) -> None:
    padded = ops.pad(arrays(ops, 1, 3))
    assert padded.tolist() == [[[1, 2], [0, 0], [0, 0]], [[3, 4], [5, 6], [7, 8]]]
    assert padded.dtype == "float32"
    assert padded.flags["C_CONTIGUOUS"]
    assert ops.pad(arrays(ops, 1, 3), round_to=2).shape == (2, 4, 2)
    assert ops.pad(arrays(ops, 1, 4), round_to=4).shape == (2, 4, 2)
    assert ops.pad(arrays(ops, 0, 0)).shape == (2, 0, 2)
    assert ops.pad([ops.asarray1i([1]), ops.asarray1i([2, 3])]).tolist() == [[1, 0], [2, 3]]
    assert ops.pad(ops.asarray2f([[1, 2], [3, 4]])).tolist() == [[1, 2], [3, 4]]


def test_pad_refuses(ops: Any) -> None:
    with pytest.raises(ValueError, match="Rounding for padding must at least be 1"):
        ops.pad(arrays(ops, 1), round_to=0)
    with pytest.raises(ValueError, match="pad: seqs must have at least one sequence"):
        ops.pad([])
    with pytest.raises(ValueError, match=r"pad: all sequences must have the same number of dimensions; got \[1, 2\]"):
        ops.pad([ops.alloc2f(1, 2), ops.alloc1f(2)])
    with pytest.raises(ValueError, match=r"pad: all sequences must have the same dtype; got .*float32.*float64"):
        ops.pad([ops.alloc2f(1, 2), ops.alloc2f(1, 2, dtype="float64")])
    with pytest.raises(
        ValueError, match=r"pad: all sequences must have the same trailing shape; got \[\(2,\), \(3,\)\]"
    ):
        ops.pad([ops.alloc2f(1, 2), ops.alloc2f(1, 3)])


def test_unpad(ops: Any) -> None:
    X = arrays(ops, 1, 3, 0)
    padded = ops.pad(X)
    pieces = ops.unpad(padded, [1, 3, 0])
    same(ops, pieces, X)
    assert ops.xp.shares_memory(pieces[0], padded)
    assert len(ops.unpad(padded, [1])) == 1
    assert ops.unpad(padded, [99])[0].shape == (3, 2)
    with pytest.raises(IndexError, match="unpad: lengths must not be more than the 3 sequences; got 4"):
        ops.unpad(padded, [1, 1, 1, 1])


def test_list2padded_and_back(ops: Any) -> None:
    X = arrays(ops, 2, 0, 3, 2)
    padded = ops.list2padded(X)
    assert padded.data.shape == (3, 4, 2)
    assert padded.data.flags["C_CONTIGUOUS"]
    assert padded.lengths.tolist() == [3, 2, 2, 0]
    assert padded.indices.tolist() == [2, 3, 0, 1]
    assert padded.size_at_t.tolist() == [3, 3, 1]
    assert {array.dtype for array in (padded.lengths, padded.indices, padded.size_at_t)} == {numpy.dtype("int32")}
    assert padded.data[2].tolist() == [X[2][2].tolist(), [0, 0], [0, 0], [0, 0]]
    same(ops, ops.padded2list(padded), X)


def test_list2padded_of_nothing_and_of_one(ops: Any) -> None:
    empty = ops.list2padded([])
    assert empty.data.shape == (0, 0, 0)
    assert empty.data.dtype == "float32"
    assert [array.shape for array in (empty.lengths, empty.indices, empty.size_at_t)] == [(0,)] * 3
    assert ops.padded2list(empty) == []
    (X,) = arrays(ops, 3)
    one = ops.list2padded([X])
    assert one.data.shape == (3, 1, 2)
    assert ops.xp.shares_memory(one.data, X)
    assert one.size_at_t.tolist() == [1, 1, 1]
    all_empty = ops.list2padded(arrays(ops, 0, 0))
    assert all_empty.data.shape == (0, 2, 2)
    assert all_empty.size_at_t.shape == (0,)
    same(ops, ops.padded2list(all_empty), arrays(ops, 0, 0))


def test_list2padded_takes_any_rank(ops: Any) -> None:
    X = [ops.asarray(numpy.arange(n * 6).reshape(n, 2, 3), dtype="int32") for n in (1, 2)]
    padded = ops.list2padded(X)
    assert padded.data.shape == (2, 2, 2, 3)
    assert padded.data.dtype == "int32"
    same(ops, ops.padded2list(padded), X)
    with pytest.raises(ValueError, match="list2padded: all sequences must have the same dtype"):
        ops.list2padded([ops.alloc2f(1, 2), ops.alloc2i(1, 2)])


@pytest.mark.parametrize("ops", CPU, ids=["reference", "numpy"])
@given(X=float_sequences())
@settings(max_examples=60, deadline=None)
def test_every_list_comes_back(ops: Any, X: List[Any]) -> None:
    lengths = [len(x) for x in X]
    for pad in (0, 2):
        if not X or any(x.size for x in X) or not pad:
            same(ops, ops.unflatten(ops.flatten(X, pad=pad), lengths, pad=pad) if X else [], X)
    if X:
        same(ops, ops.unpad(ops.pad(X, round_to=3), lengths), X)
    same(ops, ops.padded2list(ops.list2padded(X)), X)


def expected_padded(X: List[Any]) -> Any:
    order = sorted(range(len(X)), key=lambda i: (len(X[i]), i), reverse=True)
    data = numpy.zeros((len(X[order[0]]), len(X), *X[0].shape[1:]), X[0].dtype)
    for column, i in enumerate(order):
        data[: len(X[i]), column] = X[i]
    return data


@pytest.mark.parametrize("ops", CPU, ids=["reference", "numpy"])
@pytest.mark.parametrize("dtype", ["uint8", "bool", "int16", "float16", "float32", "float64", "complex128"])
@pytest.mark.parametrize(
    "shape", [(), (0,), (1,), (3,), (15,), (16,), (17,), (64,), (65,), (96,), (131,), (2, 5), (2100,)]
)
def test_rows_of_any_size(ops: Any, dtype: str, shape: Any) -> None:
    """Rows of 1 byte to more than a block, of numbers of every kind, in members that may be empty or read-only."""
    rng = numpy.random.default_rng(0)
    X = [(rng.random((n, *shape)) * 100).astype(dtype) for n in (3, 0, 9, 1, 5, 9, 0, 2, 4, 6, 7)]
    X[2].flags.writeable = X[5].flags.writeable = False
    lengths = [len(x) for x in X]
    flat = numpy.concatenate(X)
    if flat.size:
        numpy.testing.assert_array_equal(ops.flatten(X), flat)
        same(ops, ops.unflatten(ops.flatten(X, pad=2), lengths, pad=2), X)
    same(ops, ops.unflatten(flat, lengths), X)
    padded = ops.pad(X, round_to=4)
    assert padded.shape == (11, 12, *shape)
    numpy.testing.assert_array_equal(
        padded, [numpy.concatenate([x, numpy.zeros((12 - len(x), *shape), x.dtype)]) for x in X]
    )
    same(ops, ops.unpad(padded, numpy.array(lengths, "int8")), X)
    by_step = ops.list2padded(X)
    numpy.testing.assert_array_equal(by_step.data, expected_padded(X))
    same(ops, ops.padded2list(by_step), X)


@pytest.mark.parametrize("ops", CPU, ids=["reference", "numpy"])
def test_lengths_of_a_padded_need_no_order(ops: Any) -> None:
    data = numpy.arange(4 * 20 * 3, dtype="f").reshape(4, 20, 3)
    lengths, indices = (numpy.arange(20) * 7 % 5).astype("i"), numpy.arange(20, dtype="i")[::-1].copy()
    for j, seq in enumerate(ops.padded2list(Padded(data, numpy.zeros(4, "i"), lengths, indices))[::-1]):
        numpy.testing.assert_array_equal(seq, data[: lengths[j], j])


@pytest.mark.parametrize("ops", CPU, ids=["reference", "numpy"])
@pytest.mark.parametrize(
    "kind", [list, tuple, lambda each: numpy.array(each, "uint16"), lambda each: numpy.array(each)]
)
def test_pieces_are_views_like_any_other(ops: Any, kind: Any) -> None:
    """Of strided, read-only and reversed arrays too; they keep alive what they are views of."""
    X = numpy.arange(120.0).reshape(10, 12)
    for source in (X, X[::2], X[::-1], X[:, ::3], X.T, X[:, 0]):
        pieces = ops.unflatten(source, kind([2, 0, 3, 9]), pad=1)
        ends = [(1, 3), (3, 3), (4, 7), (8, 17)]
        same(ops, pieces, [source[start:end] for start, end in ends])
        assert all(numpy.shares_memory(piece, X) for piece in pieces if piece.size)
    for source in (X.reshape(5, 4, 6), X.reshape(5, 4, 6)[:, ::-1], X.reshape(5, 4, 6).transpose(2, 0, 1)):
        same(ops, ops.unpad(source, kind([2, 0, 99])), [source[0, :2], source[1, :0], source[2, :99]])
    frozen = X.copy()
    frozen.flags.writeable = False
    piece = ops.unflatten(frozen, kind([4, 6]))[1]
    assert not piece.flags.writeable
    assert ops.unflatten(X, kind([4, 6]))[1].flags.writeable
    last = ops.unflatten(X.copy(), kind([4, 6]))[1]
    assert last.base is not None
    assert last.sum() == X[4:].sum()


@pytest.mark.parametrize("ops", CPU, ids=["reference", "numpy"])
def test_lengths_that_are_none(ops: Any) -> None:
    X = numpy.zeros((3, 2), "f")
    for wrong in ([1, 2.5], numpy.ones(2), [[1], [2]]):
        with pytest.raises(ValueError, match="unflatten: lengths"):
            ops.unflatten(X, wrong)
    assert len(ops.unflatten(X, [2**40])[0]) <= 3
