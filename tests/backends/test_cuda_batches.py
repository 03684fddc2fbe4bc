"""What layers ask of the GPU's ops while a batch goes through them: views in the place of copies, lengths known on both
sides."""

from typing import Any

import numpy
import pytest
from any_backend import make_ops
from fake_cupy import Ledger

from thinc_core.backends.cuda import _hosts
from thinc_core.layers import Dropout, Linear, chain, list2ragged, ragged2list, reduce_mean, with_array
from thinc_core.types import Ragged


@pytest.fixture
def ops(monkeypatch: Any) -> Any:
    return make_ops("cuda_emulated", monkeypatch)


def numbered(ops: Any, rows: int, columns: int = 3) -> Any:
    return ops.asarray(numpy.arange(rows * columns, dtype="f").reshape(rows, columns))


@pytest.mark.parametrize("start, sizes", [(0, [2, 3, 1]), (4, [1, 1]), (2, [5])])
def test_neighbours_are_joined_by_a_view(ops: Any, start: int, sizes: Any) -> None:
    whole = numbered(ops, 12)
    ends = start + numpy.cumsum(sizes)
    seqs = [whole[end - n : end] for n, end in zip(sizes, ends.tolist())]
    with Ledger() as ledger:
        joined = ops._joined(seqs)
    assert not ledger.launches
    assert joined.data.ptr == seqs[0].data.ptr
    numpy.testing.assert_array_equal(ops.to_numpy(joined), ops.to_numpy(ops.flatten(seqs)))


def test_others_are_copied(ops: Any) -> None:
    whole, other = numbered(ops, 12), numbered(ops, 2)
    for seqs in (
        [whole[0:2], whole[3:5]],  # a gap
        [whole[2:4], whole[0:2]],  # the other way round
        [whole[0:2], other],
        [whole[0:2], whole[2:2], whole[2:4]],
        [whole[0:2, :2], whole[2:4, :2]],
        [whole.T[0:2], whole.T[2:3]],
        [whole[0:2], whole[1:3]],
    ):
        joined = ops._joined(seqs)
        assert joined.data.ptr not in (whole.data.ptr, other.data.ptr)
        numpy.testing.assert_array_equal(ops.to_numpy(joined), ops.to_numpy(ops.flatten(seqs)))
    assert ops._joined([whole[0:2], whole[2:4]], pad=1).shape == (7, 3)
    with pytest.raises(ValueError, match="flatten"):
        ops._joined([whole, ops.asarray(numpy.zeros((1, 2), "f"))])


def test_flatten_gives_an_array_of_the_callers(ops: Any) -> None:
    whole = numbered(ops, 4)
    ops.flatten([whole[:2], whole[2:]])[...] = 0
    assert ops.to_numpy(whole).any()


@pytest.mark.parametrize("sizes", [[3], [2, 0, 4], [1] * 9])
def test_lengths_of_a_batch(ops: Any, sizes: Any) -> None:
    """Are the numbers, and known on the host and with their starts for as long as they live, but not longer."""
    lengths = ops._batch_lengths(sizes)
    assert lengths.dtype == "int32"
    assert ops.to_numpy(lengths).tolist() == sizes == _hosts.known(lengths).values.tolist()
    X = numbered(ops, sum(sizes))
    with Ledger() as ledger:
        sums = ops.reduce_sum(X, lengths)
    assert not ledger.waits
    assert not ledger.copies
    assert list(ledger.launches) == ["reduce_sum_f32"]
    numpy.testing.assert_array_equal(ops.to_numpy(sums), ops.to_numpy(ops.reduce_sum(X, ops.asarray1i(sizes))))
    assert ops._batch_lengths(sizes) is lengths
    assert ops._batch_lengths([*sizes, 1]) is not lengths
    before = len(_hosts._known)
    del lengths
    assert len(_hosts._known) == before - 1


def test_wrong_lengths_are_still_found(ops: Any) -> None:
    lengths = ops._batch_lengths([2, 0, 3])
    with pytest.raises(IndexError, match="reduce_sum"):
        ops.reduce_sum(numbered(ops, 6), lengths)
    with pytest.raises(ValueError, match="all sequence lengths must be > 0"):
        ops.reduce_max(numbered(ops, 5), lengths)


def test_lengths_of_callers_are_read_each_time(ops: Any) -> None:
    lengths, X = ops.asarray1i([2, 3]), numbered(ops, 5)
    first = ops.to_numpy(ops.reduce_sum(X, lengths))
    lengths[...] = ops.asarray1i([4, 1])
    second = ops.to_numpy(ops.reduce_sum(X, lengths))
    assert (first != second).any()
    assert _hosts.known(lengths) is None


def test_a_model_on_lists_does_not_wait(ops: Any) -> None:
    """Lengths go to the device once, and nothing comes back."""
    model: Any = chain(list2ragged(), with_array(chain(Linear(3, 3), Dropout(0.2))), ragged2list()).initialize()
    pooled: Any = chain(list2ragged(), reduce_mean()).initialize()
    for each in (model, pooled):
        each._to_ops(ops)
    Xs = [numbered(ops, n) for n in (2, 1, 4)]
    with Ledger() as ledger:
        Ys, backprop = model.begin_update(Xs)
        dXs = backprop(Ys)
        means, backprop = pooled.begin_update(Xs)
        backprop(means)
    assert not ledger.waits, ledger
    assert [dX.shape for dX in dXs] == [(2, 3), (1, 3), (4, 3)]


def test_changed_lengths_of_a_ragged(ops: Any) -> None:
    """A Ragged that is made of other lengths is what these say."""
    X = numbered(ops, 5)
    made = Ragged(X, ops._batch_lengths([2, 3]))
    other = Ragged(X, ops.asarray1i([1, 4]))
    assert (ops.to_numpy(ops.reduce_sum(X, made.lengths)) != ops.to_numpy(ops.reduce_sum(X, other.lengths))).any()
