"""Layers that convert batches of sequences or work on one kind through another."""

import numpy
import pytest

from thinc_core.backends import get_current_ops
from thinc_core.layers import (
    Linear,
    Maxout,
    array_getitem,
    chain,
    expand_window,
    list2array,
    list2padded,
    list2ragged,
    noop,
    padded2list,
    ragged2list,
    reduce_first,
    reduce_last,
    reduce_max,
    reduce_mean,
    reduce_sum,
    with_array,
    with_array2d,
    with_list,
    with_padded,
    with_ragged,
)
from thinc_core.layers.array_getitem import floats_getitem, ints_getitem
from thinc_core.types import Padded, Ragged

from .containers import assert_same, pack

SHAPES = [[], [(10, 2)], [(5, 3), (1, 3)], [(2, 3), (0, 3), (1, 3)], [(0, 3)], [(2, 4, 3), (0, 4, 3), (1, 4, 3)]]


def batch(shapes, dtype="f"):
    random = numpy.random.RandomState(0)
    return [(10 * random.normal(size=shape)).astype(dtype) for shape in shapes]


@pytest.mark.parametrize("shapes", SHAPES)
@pytest.mark.parametrize("there, back", [(list2ragged, ragged2list), (list2padded, padded2list)])
def test_round_trip(shapes, there, back):
    Xs = batch(shapes)
    model = chain(there(), back()).initialize()
    Ys, backprop = model.begin_update(Xs)
    assert_same(Ys, Xs)
    assert_same(backprop(Ys), Xs)


@pytest.mark.parametrize("shapes", SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint64"])
@pytest.mark.parametrize("make", [list2array, list2ragged])
def test_dtypes(shapes, dtype, make):
    Xs = batch(shapes, dtype)
    Y, backprop = make().begin_update(Xs)
    data = Y.dataXd if isinstance(Y, Ragged) else Y
    assert len(data) == sum(map(len, Xs))
    if isinstance(Y, Ragged):
        assert Y.lengths.dtype == "int32"
    if Xs:
        assert data.dtype == dtype
        assert data.shape[1:] == Xs[0].shape[1:]
    dXs = backprop(Y)
    assert [dX.shape for dX in dXs] == [X.shape for X in Xs]
    for X, dX in zip(Xs, dXs):
        numpy.testing.assert_array_equal(X, dX)


@pytest.mark.parametrize("shapes", SHAPES[:-1])
@pytest.mark.parametrize(
    "wrapper, kind",
    [
        *[
            (wrapper, kind)
            for wrapper in (with_array, with_array2d, with_list, with_padded, with_ragged)
            for kind in ("list", "ragged", "padded")
        ],
        (with_ragged, "data_and_lengths"),
        (with_padded, "array3d"),
        (with_padded, "padded_data"),
    ],
)
def test_wrapped_noop_changes_nothing(shapes, wrapper, kind):
    ops, Xs = get_current_ops(), batch(shapes)
    if kind == "array3d":
        X = ops.list2padded(Xs).data
    elif kind == "padded_data":
        padded = ops.list2padded(Xs)
        X = (padded.data, padded.size_at_t, padded.lengths, padded.indices)
    else:
        X = pack(ops, kind, Xs, numpy.zeros((0, 0), dtype="f"))
    model = wrapper(noop()).initialize()
    Y, backprop = model.begin_update(X)
    assert_same(Y, X)
    assert_same(backprop(Y), X)
    assert_same(model.predict(X), X)


@pytest.mark.parametrize("wrapper", [with_array, with_array2d, with_list, with_padded])
def test_dims_follow_the_child(wrapper):
    inner = Linear(3) if wrapper in (with_array, with_array2d) else with_array2d(Linear(3))
    model = wrapper(inner)
    assert model.dim_names == ("nO", "nI")
    model.initialize(batch([(5, 4), (2, 4)]))
    assert (model.get_dim("nO"), model.get_dim("nI")) == (3, 4)
    model = wrapper(Linear() if wrapper in (with_array, with_array2d) else with_array2d(Linear()))
    model.initialize(batch([(5, 4), (2, 4)]), batch([(5, 7), (2, 7)]))
    assert model.get_dim("nO") == 7
    model = wrapper(Linear() if wrapper in (with_array, with_array2d) else with_array2d(Linear()))
    model.set_dim("nI", 4)
    model.set_dim("nO", 2)
    assert [Y.shape for Y in model.initialize().predict(batch([(5, 4), (0, 4)]))] == [(5, 2), (0, 2)]


def test_with_ragged_has_no_dims_and_hands_widths_on():
    model = chain(with_ragged(chain(expand_window(), with_array(Linear(3, 12)))), with_array(Linear(2)))
    assert model.initialize().layers[0].dim_names == ()
    assert model.layers[1].get_dim("nI") == 3


@pytest.mark.parametrize("Xs", [[], batch([(0, 4)]), batch([(0, 4), (0, 4)])])
@pytest.mark.parametrize(
    "model",
    [
        with_array(Maxout(3, 4, normalize=True)),
        with_array2d(Linear(3, 4), pad=1),
        with_list(with_array(Linear(3, 4))),
        with_padded(with_array2d(Linear(3, 4))),
        with_ragged(chain(expand_window(), with_array(Maxout(3, 12)))),
        chain(list2ragged(), with_array(Linear(3, 4)), ragged2list()),
    ],
)
def test_no_rows(model, Xs):
    Ys, backprop = model.initialize().begin_update(Xs)
    assert [Y.shape for Y in Ys] == [(0, 3)] * len(Xs)
    assert [dX.shape for dX in backprop(Ys)] == [(0, 4)] * len(Xs)


def test_empty_texts_through_a_classifier():
    model = chain(list2ragged(), with_array(Linear(3, 4)), reduce_sum(), Linear(2)).initialize()
    for Xs in ([], batch([(0, 4)]), batch([(0, 4), (3, 4)])):
        Y, backprop = model.begin_update(Xs)
        assert Y.shape == (len(Xs), 2)
        assert [dX.shape for dX in backprop(Y)] == [X.shape for X in Xs]


def test_pad_keeps_windows_apart():
    Xs = batch([(3, 2), (1, 2), (4, 2)])
    expected = [expand_window(1).predict(X) for X in Xs]
    padded = with_array(expand_window(1), pad=1).predict(Xs)
    ragged = with_ragged(expand_window(1)).predict(Xs)
    assert_same(padded, expected)
    assert_same(ragged, expected)
    crossing = with_array(expand_window(1)).predict(Xs)
    assert (crossing[0][-1, 4:] == Xs[1][0]).all()


def test_a_pair_of_sequences_is_not_data_and_lengths():
    pair = tuple(batch([(3, 2), (2, 2)]))
    Ys = with_ragged(with_array(noop())).predict(pair)
    assert_same(list(Ys), list(pair))


def test_padded_keeps_its_own_order_and_steps():
    """Columns of equal length may stand in any order, and there may be more steps than the longest needs."""
    data = numpy.arange(2 * 3 * 2, dtype="f").reshape(3, 2, 2)
    data[2] = 0
    as_int = numpy.asarray
    X = Padded(data, as_int([2, 2, 0], dtype="i"), as_int([2, 2], dtype="i"), as_int([0, 1], dtype="i"))
    for model in (with_list(noop()), with_ragged(noop())):
        assert_same(model.predict(X), X)
    Ys, backprop = padded2list().begin_update(X)
    assert_same(backprop(Ys), X)


def test_gradient_of_a_ragged_may_be_flat():
    Xs = batch([(2, 4, 3), (1, 4, 3)])
    Y, backprop = list2ragged().begin_update(Xs)
    flat = Ragged(Y.data.reshape(3, 12), Y.lengths)
    assert_same(backprop(flat), Xs)


@pytest.mark.parametrize("make", [reduce_sum, reduce_mean, reduce_max, reduce_first, reduce_last])
def test_reductions_check_gradients_and_lengths(make):
    X = Ragged(batch([(5, 3)])[0], numpy.asarray([2, 3], dtype="i"))
    Y, backprop = make().begin_update(X)
    with pytest.raises(ValueError, match=r"shape of the output \(2, 3\); got \(1, 3\)"):
        backprop(Y[:1])
    with pytest.raises(ValueError, match="dtype"):
        backprop(Y.astype("d"))
    for dtype in ("int64", "uint8"):
        X.lengths = X.lengths.astype(dtype)
        numpy.testing.assert_array_equal(make().predict(X), Y)
    for lengths in ([2, 2], [3, 3]):
        with pytest.raises(IndexError):
            make().predict(Ragged(X.data, numpy.asarray(lengths, dtype="i")))


@pytest.mark.parametrize(
    "make, reduce",
    [
        (reduce_sum, lambda X: X.sum(0)),
        (reduce_mean, lambda X: X.mean(0)),
        (reduce_max, lambda X: X.max(0)),
        (reduce_first, lambda X: X[0]),
        (reduce_last, lambda X: X[-1]),
    ],
)
def test_reductions(make, reduce):
    Xs = batch([(3, 2), (1, 2), (4, 2)])
    Y = make().predict(pack(None, "ragged", Xs, None))
    numpy.testing.assert_allclose(Y, [reduce(X) for X in Xs], rtol=1e-6)


@pytest.mark.parametrize("make", [reduce_sum, reduce_mean, reduce_max, reduce_first, reduce_last])
def test_reductions_of_what_is_no_ragged_say_so(make):
    with pytest.raises(TypeError, match=f"{make().name}: X must be a Ragged; got ndarray"):
        make().predict(numpy.zeros((2, 3), dtype="f"))


@pytest.mark.parametrize("make", [reduce_max, reduce_first, reduce_last])
def test_reductions_of_nothing(make):
    with pytest.raises(ValueError, match="length"):
        make().predict(pack(None, "ragged", batch([(2, 3), (0, 3)]), None))


@pytest.mark.parametrize(
    "index", [1, -1, slice(1, 3), (slice(0, None), 2), (slice(None), [0, 0, 2]), [1, 1, 0], (0, 1), Ellipsis]
)
@pytest.mark.parametrize("make", [array_getitem, floats_getitem, ints_getitem])
def test_getitem(index, make):
    X = batch([(4, 3)])[0] if make is not ints_getitem else numpy.arange(12, dtype="uint64").reshape(4, 3)
    Y, backprop = make(index).begin_update(X)
    numpy.testing.assert_array_equal(Y, X[index])
    dX = backprop(numpy.ones_like(Y))
    assert dX.dtype == X.dtype
    expected = numpy.zeros_like(X)
    numpy.add.at(expected, index, 1)
    numpy.testing.assert_array_equal(dX, expected)


@pytest.mark.parametrize("shape", [(0, 3), (0, 0)])
@pytest.mark.parametrize("column", [1, -2, slice(0, 2)])
def test_getitem_of_no_rows(shape, column):
    Y, backprop = array_getitem((slice(0, None), column)).begin_update(numpy.zeros(shape, dtype="f"))
    assert Y.shape[0] == backprop(Y).shape[0] == 0
    assert Y.ndim == (1 if isinstance(column, int) else 2)


def test_getitem_is_saved_without_its_index():
    model = ints_getitem((slice(0, None), 1))
    model.from_bytes(model.to_bytes())
    assert model.attrs["index"] == (slice(0, None), 1)


@pytest.mark.parametrize(
    "model",
    [
        *[make() for make in (reduce_sum, reduce_mean, reduce_max, reduce_first, reduce_last)],
        expand_window(1),
        with_array2d(noop()),
        with_array2d(Linear(5, 12).initialize()),
        with_list(noop()),
    ],
    ids=lambda model: model.name,
)
def test_gradients_of_rank_3(model):
    """The gradient of a Ragged has the axes that the Ragged was made from."""
    X = Ragged(batch([(5, 4, 3)])[0], numpy.asarray([2, 3], dtype="i"))
    Y, backprop = model.begin_update(X)
    assert backprop(Y).dataXd.shape == (5, 4, 3)
