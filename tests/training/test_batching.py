"""Splits and batches."""

from __future__ import annotations

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thinc_core.training.batching import Split, batches_by_items, batches_by_words, epoch_order, make_batches
from thinc_core.training.errors import UserError
from thinc_core.types import Ragged


def sentences(lengths: list[int]) -> Split:
    n = sum(lengths)
    rows = numpy.arange(n)
    return Split(numpy.stack([rows, -rows], axis=1), rows.astype("int32"), numpy.array(lengths, dtype="int32"))


def test_a_batch_holds_the_rows_of_its_items_in_order() -> None:
    batch = sentences([2, 0, 3, 1]).take(numpy.array([2, 0, 1]))
    assert isinstance(batch.X, Ragged)
    assert batch.X.lengths.tolist() == [3, 2, 0]
    assert batch.Y.tolist() == [2, 3, 4, 0, 1]
    assert batch.X.data[:, 1].tolist() == [-2, -3, -4, 0, -1]
    assert batch.n_rows == 5


def test_rows_are_items_without_lengths() -> None:
    split = Split(numpy.eye(4, dtype="float32"), numpy.arange(4, dtype="int32"))
    assert len(split) == split.n_rows == 4
    assert split.take(numpy.array([3, 1])).Y.tolist() == [3, 1]
    assert len(split.head(2)) == 2
    assert split.head(0) is split


def test_head_keeps_whole_items() -> None:
    head = sentences([2, 0, 3, 1]).head(3)
    assert (len(head), head.n_rows) == (3, 5)


def test_wrong_splits_are_refused() -> None:
    with pytest.raises(ValueError, match="as many rows"):
        Split(numpy.zeros((2, 1)), numpy.zeros(3))
    with pytest.raises(ValueError, match="lengths must sum"):
        Split(numpy.zeros((2, 1)), numpy.zeros(2), numpy.array([1]))


@given(st.lists(st.integers(0, 9), max_size=30), st.integers(1, 12), st.integers(0, 5))
def test_every_item_is_in_one_batch_whatever_the_unit(lengths: list[int], size: int, seed: int) -> None:
    order = epoch_order(len(lengths), seed, epoch=1)
    assert sorted(order) == list(range(len(lengths)))
    by_words = batches_by_words(order, lengths, size)
    assert [item for batch in by_words for item in batch] == list(order)
    assert all(len(batch) == 1 or sum(lengths[i] for i in batch) <= size for batch in by_words)
    by_items = batches_by_items(order, size)
    assert [item for batch in by_items for item in batch] == list(order)
    assert all(len(batch) == size for batch in by_items[:-1])


def test_orders_depend_on_seed_and_epoch_only() -> None:
    numpy.random.seed(1)
    first = epoch_order(50, 0, 0).tolist()
    numpy.random.seed(2)
    assert epoch_order(50, 0, 0).tolist() == first
    assert epoch_order(50, 0, 1).tolist() != first
    assert epoch_order(50, 1, 0).tolist() != first


def test_batch_settings_are_checked() -> None:
    split = sentences([1, 2])
    with pytest.raises(UserError, match="must be >= 1; got 0"):
        make_batches(split, numpy.arange(2), 0)
    with pytest.raises(UserError, match='must be one of items, words; got "sentences"'):
        make_batches(split, numpy.arange(2), 1, "sentences")
    assert len(make_batches(split, numpy.arange(2), 2, "words")) == 2
