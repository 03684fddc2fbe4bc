"""Minibatches."""

from __future__ import annotations

import itertools
from typing import Any, List

import numpy
import pytest

from thinc_core.backends import NumpyOps
from thinc_core.types import Pairs, Ragged


def listed(batches: Any) -> List[Any]:
    return [batch.tolist() if hasattr(batch, "tolist") else batch for batch in batches]


def test_sizes_and_kinds(ops: Any) -> None:
    assert listed(ops.minibatch(2, [1, 2, 3, 4, 5])) == [[1, 2], [3, 4], [5]]
    assert listed(ops.minibatch(2, (1, 2, 3))) == [(1, 2), (3,)]
    array = ops.asarray2f([[1], [2], [3]])
    batches = list(ops.minibatch(2, array))
    assert listed(batches) == [[[1], [2]], [[3]]]
    assert all(isinstance(b, ops.xp.ndarray) for b in batches)
    assert not ops.xp.shares_memory(batches[0], array)
    assert all(b.flags["C_CONTIGUOUS"] for b in ops.minibatch(2, ops.asarray2f([[1, 2, 3], [4, 5, 6]]).T))
    assert [len(ops.minibatch(size, range(5))) for size in (1, 2, 5, 99)] == [5, 3, 1, 1]
    assert len(ops.minibatch(3, [])) == 0
    assert list(ops.minibatch(3, [])) == []


def test_items_in_their_own_order_are_cut_out(ops: Any, monkeypatch: Any) -> None:
    """Items are gathered one by one only when they are shuffled."""
    cut: List[Any] = []
    monkeypatch.setattr(type(ops), "_cut", lambda self, op, sequence, rows: cut.append(rows) or sequence[rows])
    for sequence in ([1, 2, 3], (1, 2, 3), ops.asarray1i([1, 2, 3])):
        for shuffle in (False, True):
            batches = listed(ops.minibatch(2, sequence, shuffle=shuffle))
            assert sorted(item for batch in batches for item in batch) == [1, 2, 3]
        assert cut == [slice(0, 2), slice(2, 3)]
        cut.clear()


def test_of_a_file(tmp_path: Any) -> None:
    items = numpy.memmap(tmp_path / "items", mode="w+", dtype="float32", shape=(5, 2))
    items[:] = numpy.arange(10).reshape(5, 2)
    for shuffle in (False, True):
        for batch in NumpyOps().minibatch(2, items, shuffle=shuffle):
            assert type(batch) is numpy.ndarray
            assert not numpy.shares_memory(batch, items)


def test_of_padded(ops: Any) -> None:
    """Every column is in one batch, with its own rows, length and place."""
    seqs = [ops.asarray2f([[10 * i + t] for t in range(n)]) for i, n in enumerate((2, 3, 1, 3, 2))]
    padded = ops.list2padded(seqs)
    for shuffle in (False, True):
        seen = {}
        for batch in ops.minibatch(2, padded, shuffle=shuffle):
            lengths = batch.lengths.tolist()
            assert lengths == sorted(lengths, reverse=True)
            assert batch.size_at_t.tolist() == [sum(n > t for n in lengths) for t in range(3)]
            for column, (i, n) in enumerate(zip(batch.indices.tolist(), lengths)):
                seen[i] = batch.data[:n, column].tolist()
        assert seen == {i: seq.tolist() for i, seq in enumerate(seqs)}


def test_of_ragged_and_pairs(ops: Any) -> None:
    ragged = Ragged(ops.asarray2f([[1], [2], [3], [4]]), ops.asarray1i([1, 2, 1]))
    batches = list(ops.minibatch(2, ragged))
    assert [batch.data.tolist() for batch in batches] == [[[1], [2], [3]], [[4]]]
    pairs = Pairs(ops.asarray1f([1, 2, 3]), ops.asarray1f([4, 5, 6]))
    assert [batch.two.tolist() for batch in ops.minibatch(2, pairs)] == [[4, 5], [6]]
    assert list(ops.minibatch(2, Pairs(["a", "b", "c"], (4, 5, 6)))) == [Pairs(["a", "b"], (4, 5)), Pairs(["c"], (6,))]


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("sequence", ["abc", {0: 1, 1: 2, 2: 3}], ids=repr)
def test_of_what_is_no_list_or_array(ops: Any, sequence: Any, shuffle: bool) -> None:
    with pytest.raises(TypeError, match="minibatch: a sequence must be a list, tuple, array or batch of them; got"):
        list(ops.minibatch(2, sequence, shuffle=shuffle))


@pytest.mark.parametrize(
    "make_size, sizes",
    [
        (lambda: numpy.int64(2), [2, 2, 1]),
        (lambda: [1, 3, 9], [1, 3, 1]),
        (lambda: iter([1.9, 4.2]), [1, 4]),
        (lambda: itertools.count(1), [1, 2, 2]),
        (lambda: [2, 0, 3], [2, 0, 3]),
    ],
)
def test_sizes_may_be_anything_that_gives_numbers(ops: Any, make_size: Any, sizes: Any) -> None:
    batches = ops.minibatch(make_size(), list(range(5)))
    assert [len(batch) for batch in batches] == sizes == [len(batch) for batch in batches]


def test_size_may_be_a_schedule(ops: Any) -> None:
    class Schedule:
        def to_generator(self) -> Any:
            return iter([1, 2, 3])

    assert [len(batch) for batch in ops.minibatch(Schedule(), list(range(5)))] == [1, 2, 2]


@pytest.mark.parametrize(
    "size, text",
    [
        (0, "minibatch: size must be >= 1; got 0"),
        (-3, "minibatch: size must be >= 1; got -3"),
        ([1, 2], "minibatch: the sizes must cover the 5 items; got 3 in 2 batches"),
        ([1, -2], "minibatch: every size must be >= 0; got -2 in batch 1"),
    ],
)
def test_sizes_that_cannot_be_used(ops: Any, size: Any, text: str) -> None:
    with pytest.raises(ValueError) as caught:
        ops.minibatch(size, list(range(5)))
    assert str(caught.value) == text


def test_sequences_without_a_length(ops: Any) -> None:
    with pytest.raises(ValueError, match="minibatch: sequence must have a length; got generator"):
        ops.minibatch(2, (i for i in range(5)))
    with pytest.raises(ValueError, match="multibatch: every sequence must have a length; got generator"):
        ops.multibatch(2, [1, 2], (i for i in range(5)))


def test_shuffle_is_governed_by_the_global_seed(ops: Any) -> None:
    numpy.random.seed(0)
    assert listed(ops.minibatch(2, list(range(5)), shuffle=True)) == [[2, 0], [1, 3], [4]]


def test_shuffle_is_new_each_time_and_complete(ops: Any) -> None:
    numpy.random.seed(1)
    batches = ops.minibatch(3, list(range(50)), shuffle=True)
    epochs = [[item for batch in batches for item in batch] for _ in range(2)]
    assert epochs[0] != epochs[1]
    assert all(sorted(epoch) == list(range(50)) for epoch in epochs)


@pytest.mark.parametrize("buffer", [1, 2, 3, 99])
def test_buffer_changes_nothing_but_the_time(ops: Any, buffer: int) -> None:
    assert listed(ops.minibatch(2, list(range(5)), buffer=buffer)) == [[0, 1], [2, 3], [4]]


def test_multibatch(ops: Any) -> None:
    numpy.random.seed(0)
    X, Y = list(range(5)), ops.asarray1i([0, 10, 20, 30, 40])
    batches = ops.multibatch(2, X, Y, shuffle=True)
    assert len(batches) == 3
    for x, y in batches:
        assert isinstance(x, list)
        assert y.tolist() == [10 * i for i in x]
    assert [type(batch) for batch in batches] == [list] * 3
    with pytest.raises(IndexError):
        list(ops.multibatch(2, X, Y[:3]))
    for shorter in (X[:3], tuple(X[:3]), Y[:3]):
        with pytest.raises(IndexError, match=r"^multibatch: sequences must be as long as the first, 4 or more; got 3$"):
            list(ops.multibatch(2, X, shorter))
    assert list(ops.multibatch(9, X, X)) == [[X, X]]


def test_a_generator_governs_the_order(ops: Any) -> None:
    """Two generators of one seed give one order, whatever the global state, which stays as it was."""
    numpy.random.seed(1)
    state = numpy.random.get_state()[1].tolist()
    items = list(range(30))
    epochs = [
        listed(batches)
        for seed in (5, 5, 6)
        for batches in [ops.minibatch(4, items, shuffle=True, rng=numpy.random.default_rng(seed))]
    ]
    assert epochs[0] == epochs[1] != epochs[2]
    assert sorted(item for batch in epochs[0] for item in batch) == items
    pairs = listed(ops.multibatch(4, items, items, shuffle=True, rng=numpy.random.default_rng(5)))
    assert [batch[0] for batch in pairs] == [batch[1] for batch in pairs] == epochs[0]
    assert numpy.random.get_state()[1].tolist() == state


@pytest.mark.parametrize("op", ["minibatch", "multibatch"])
def test_what_is_no_generator(ops: Any, op: str) -> None:
    with pytest.raises(TypeError, match=rf"^{op}: rng must be a numpy.random.Generator; got int$"):
        getattr(ops, op)(2, [1, 2], shuffle=True, rng=3)
