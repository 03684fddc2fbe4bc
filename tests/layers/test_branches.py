"""tuplify, siamese, bidirectional, uniqued, map_list, resizable: what the contract does not say."""

import numpy
import pytest

from thinc_core.api import get_current_ops, registry
from thinc_core.layers import (
    LSTM,
    Dropout,
    Embed,
    LayerNorm,
    Linear,
    Maxout,
    Relu,
    Softmax,
    bidirectional,
    bidirectional_v2,
    chain,
    map_list,
    noop,
    resizable,
    siamese,
    tuplify,
    uniqued,
    with_array,
    with_array2d,
    with_debug,
)
from thinc_core.layers.resizable import resize_linear_weighted, resize_model
from thinc_core.model import Model
from thinc_core.types import Padded
from thinc_core.util import partial

from .cases_wrappers import product
from .containers import assert_same, noise

X = numpy.random.RandomState(0).normal(size=(6, 4)).astype("f")


def wide(n):
    return numpy.zeros((6, n), dtype="f")


# name, tree and dims are what saved files of each layer have
@pytest.mark.parametrize(
    "make, name, dims, attrs",
    [
        (lambda: tuplify(Linear(2, 3), Relu(2, 3)), "tuple(linear, relu)", {"nI": None}, []),
        (lambda: siamese(Linear(2, 3), Linear(1, 2)), "siamese(linear, linear)", {"nI": 3, "nO": 1}, []),
        (lambda: bidirectional(with_array(Linear())), "biwith_array(linear)", {}, []),
        (lambda: bidirectional_v2(with_array(Linear())), "biwith_array(linear)", {}, []),
        (lambda: uniqued(Embed(2, 3, column=0)), "uniqued(ints-getitem>>embed)", {"nO": 2, "nI": None}, ["column"]),
        (lambda: map_list(Linear(2, 3)), "map_list", {}, []),
        (lambda: resizable(Linear(2, 3), len), "resizable(linear)", {"nO": 2, "nI": 3}, ["resize_layer"]),
    ],
)
def test_nodes(make, name, dims, attrs):
    model = make()
    assert (model.name, model._dims, list(model.attrs)) == (name, dims, attrs)


def test_built_from_configs():
    linear, copy = {"@layers": "Linear.v1", "nO": 2, "nI": 4}, {"@layers": "Linear.v1", "nO": 2, "nI": 4}
    blocks = [
        {"@layers": "tuplify.v1", "*": [linear, copy, {"@layers": "noop.v1", "*": []}]},
        {"@layers": "siamese.v1", "layer": linear, "similarity": copy},
        {"@layers": "bidirectional.v1", "l2r": linear},
        {"@layers": "bidirectional.v2", "l2r": linear, "r2l": copy},
        {"@layers": "uniqued.v1", "layer": linear, "column": 2},
        {"@layers": "map_list.v1", "layer": linear},
    ]
    counts = [len(list(registry.resolve({"model": block})["model"].walk())) for block in blocks]
    assert counts == [4, 3, 3, 3, 2, 2]


def test_tuplify_needs_two_layers_and_does_not_flatten():
    for layers in ((), (Linear(),)):
        with pytest.raises(TypeError):
            tuplify(*layers)
    with Model.define_operators({"&": tuplify}):
        model = Linear() & Relu() & noop()
    assert [layer.name for layer in model.layers] == ["tuple(linear, relu)", "noop"]


def test_tuplify_hands_each_layer_its_part_of_the_output():
    model = tuplify(Linear(), Relu(3), Softmax()).initialize(X, (wide(5), wide(7), wide(2)))
    assert [layer.get_dim("nO") for layer in model.layers] == [5, 3, 2]
    assert {layer.get_dim("nI") for layer in model.layers} == {model.get_dim("nI")} == {4}
    assert [Y.shape for Y in model.predict(X)] == [(6, 5), (6, 3), (6, 2)]
    model = chain(Linear(3, 4), tuplify(Linear(2), noop())).initialize()
    assert model.layers[1].get_dim("nI") == 3


@pytest.mark.parametrize("kind", ["array", "list", "ragged"])
def test_tuplify_of_the_identity_touches_neither_input_nor_gradient(kind):
    ops = get_current_ops()
    batch = {"array": X, "list": [X, X[:2]], "ragged": None}[kind]
    if batch is None:
        batch = list_to_ragged([X, X[:2]])
    model = tuplify(noop(), noop(), noop())
    Y, backprop = model.begin_update(batch)
    assert all(each is batch for each in Y)
    before = noise(batch, numpy.random.RandomState(1))
    kept = noise(batch, numpy.random.RandomState(1))
    dX = backprop((before, before, before))
    assert_same(before, kept)
    total = noise(batch, numpy.random.RandomState(1))
    assert type(dX) is type(batch)
    first = dX[0] if kind == "list" else getattr(dX, "data", dX) if kind == "ragged" else dX
    expected = total[0] if kind == "list" else total.data if kind == "ragged" else total
    numpy.testing.assert_allclose(ops.to_numpy(first), 3 * expected, rtol=1e-6)


def list_to_ragged(Xs):
    from thinc_core.layers import list2ragged

    return list2ragged().predict(Xs)


def test_siamese_initialises_both_layers_with_and_without_samples():
    model = siamese(Linear(3, 4), product()).initialize()
    assert model.predict((X, X)).shape == (6, 3)
    model = siamese(chain(Linear(3), Relu(2)), product()).initialize((X, X))
    assert model.get_dim("nI") == 4
    Y, backprop = model.begin_update((X, 2 * X))
    assert [dX.shape for dX in backprop(Y)] == [X.shape, X.shape]
    model = siamese(noop(), product()).initialize((X, X))
    numpy.testing.assert_array_equal(model.predict((X, X)), X * X)


def padded(lengths, width=4):
    random = numpy.random.RandomState(3)
    Xs = [random.normal(size=(length, width)).astype("f") for length in lengths]
    return Xs, get_current_ops().list2padded(Xs)


def test_bidirectional_v2_reads_from_the_ends():
    """Each half is what its layer makes of the sequence, the right one of the sequence turned round."""
    ops = get_current_ops()
    model = bidirectional_v2(LSTM(3, 4)).initialize()
    assert not (model.layers[0].get_param("LSTM") == model.layers[1].get_param("LSTM")).all()
    Xs, Xp = padded([3, 0, 5, 1])
    Ys = ops.padded2list(model.predict(Xp))
    for X, Y in zip(Xs, Ys):
        left, right = (
            ops.padded2list(layer.predict(ops.list2padded([X_]))) for layer, X_ in zip(model.layers, (X, X[::-1]))
        )
        numpy.testing.assert_allclose(Y, numpy.hstack([left[0], right[0][::-1]]), atol=1e-6)


def test_bidirectional_v1_runs_both_forwards_and_each_gets_its_half_of_the_gradient():
    model = bidirectional(with_array2d(Linear(2, 4)), with_array2d(Linear(2, 4))).initialize()
    Xp = padded([3, 2])[1]
    Y, backprop = model.begin_update(Xp)
    expected = [layer.predict(Xp).data for layer in model.layers]
    numpy.testing.assert_array_equal(Y.data, numpy.concatenate(expected, axis=-1))
    dY = numpy.zeros_like(Y.data)
    dY[..., 2:] = 1
    backprop(Padded(dY, Y.size_at_t, Y.lengths, Y.indices))
    left, right = (layer.layers[0].get_grad("W") for layer in model.layers)
    assert not left.any()
    assert right.any()


def test_bidirectional_layers_get_half_of_the_output_each():
    model = bidirectional_v2(LSTM()).initialize(padded([3, 2])[1], padded([3, 2], 6)[1])
    assert [layer.get_dim("nO") for layer in model.layers] == [3, 3]
    model = chain(bidirectional_v2(LSTM(3, 4)), with_array2d(Linear(2))).initialize()
    assert model.layers[1].get_dim("nI") == 6


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint64"])
@pytest.mark.parametrize("n", [0, 1, 2, 9])
def test_uniqued_is_the_layer_itself(dtype, n):
    ids = numpy.random.RandomState(1).randint(0, 4, (n, 2)).astype(dtype)
    plain = Embed(3, 5, column=0).initialize()
    model = uniqued(plain.copy(), column=0)
    (Y1, backprop1), (Y2, backprop2) = plain.begin_update(ids), model.begin_update(ids)
    numpy.testing.assert_array_equal(Y1, Y2)
    dY = numpy.random.RandomState(2).normal(size=Y1.shape).astype("f")
    dX1, dX2 = backprop1(dY), backprop2(dY)
    numpy.testing.assert_array_equal(dX1, dX2)
    assert dX2.dtype == dX1.dtype
    numpy.testing.assert_allclose(
        plain.layers[1].get_grad("E"), model.layers[0].layers[1].get_grad("E"), rtol=1e-5, atol=1e-6
    )


def test_uniqued_runs_equal_rows_once():
    rows = []
    model = uniqued(with_debug(Embed(3, 5, column=0), on_forward=lambda model, X, is_train: rows.append(len(X))))
    model.initialize()
    model.predict(numpy.asarray([[1, 7], [2, 8], [1, 7], [1, 7]]))
    assert rows == [2]


def test_uniqued_tells_rows_apart_that_are_equal_in_its_column_only():
    ids = numpy.asarray([[1, 2], [1, 3], [1, 2], [0, 3]])
    layer = Embed(3, 5, column=1).initialize()
    numpy.testing.assert_array_equal(uniqued(layer, column=0).predict(ids), layer.predict(ids))


def test_uniqued_shares_gradients_of_floats_among_equal_rows():
    layer = Linear(2, 2).initialize()
    rows = numpy.asarray([[1, 2], [3, 4], [1, 2]], dtype="f")
    dX = uniqued(layer).begin_update(rows)[1](numpy.asarray([[1, 0], [0, 1], [3, 0]], dtype="f"))
    W = layer.get_param("W")
    numpy.testing.assert_allclose(dX, [2 * W[0], W[1], 2 * W[0]], rtol=1e-6)
    assert dX.dtype == "float32"


def test_uniqued_knows_its_width_after_initialize():
    model = uniqued(Embed(nV=5, column=0)).initialize(Y=wide(3))
    assert model.get_dim("nO") == 3


def test_map_list_calls_the_layer_for_each_item():
    model = map_list(Linear()).initialize([X, X], [wide(2), wide(2)])
    Y, backprop = model.begin_update([X, X[:2], X[:0]])
    assert [each.shape for each in Y] == [(6, 2), (2, 2), (0, 2)]
    assert [each.shape for each in backprop(Y)] == [(6, 4), (2, 4), (0, 4)]
    with pytest.raises(ValueError, match="map_list: dY must have 3 items, as the output has; got 2"):
        backprop(Y[:2])


@pytest.mark.parametrize("make", [Linear, Maxout, Softmax])
@pytest.mark.parametrize("new_nO", [1, 3, 5])
def test_resize_keeps_the_weights(make, new_nO):
    old = make(3, 4).initialize()
    old.set_param("b", old.get_param("b") + 2)
    new = resize_linear_weighted(old, new_nO, fill_defaults={"b": -100})
    assert (new is old) == (new_nO == 3)
    kept = min(3, new_nO)
    for name, fill in (("W", 0), ("b", -100)):
        param = new.get_param(name)
        assert len(param) == new_nO
        numpy.testing.assert_array_equal(param[:kept], old.get_param(name)[:kept])
        assert (param[kept:] == fill).all()
    assert (new.get_dim("nO"), old.get_dim("nO")) == (new_nO, 3)
    assert (new.name, new.attrs) == (old.name, old.attrs)
    assert new.predict(X).shape == (6, new_nO)


def test_resize_before_initialize_sets_the_dim():
    for layer in (Linear(), Linear(3), Linear(3, 4)):
        assert resize_linear_weighted(layer, 5) is layer
        assert layer.initialize(X).get_dim("nO") == 5


def test_resize_says_what_it_cannot_resize():
    with pytest.raises(ValueError, match="single node without layers"):
        resize_linear_weighted(chain(Linear(3, 4), Dropout()), 5)
    with pytest.raises(ValueError, match="first axis of every parameter of 'lstm' must be nO=3"):
        resize_linear_weighted(LSTM(3, 4).initialize(), 5)
    with pytest.raises(ValueError, match="'nO' must be a positive int"):
        resize_linear_weighted(LayerNorm(4).initialize(), 0)


def test_resize_model():
    model = resizable(Softmax(), partial(resize_linear_weighted, fill_defaults={"b": -1}))
    model.initialize(X, wide(3))
    assert (model.get_dim("nO"), model.get_dim("nI")) == (3, 4)
    assert resize_model(model, 5) is model
    assert model.get_dim("nO") == 5
    assert model.layers[0].get_param("b").tolist() == [0, 0, 0, -1, -1]
    assert model.predict(X).shape == (6, 5)
    other = resizable(Softmax(), partial(resize_linear_weighted)).from_bytes(model.to_bytes())
    numpy.testing.assert_array_equal(other.predict(X), model.predict(X))
