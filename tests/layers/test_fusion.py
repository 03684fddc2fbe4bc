"""Tables and the Maxout that mixes them, run together: the same numbers, and only where nothing was changed."""

import functools
import sys

import numpy
import pytest
from any_backend import make_ops

from thinc_core.backends import Ops
from thinc_core.layers import (
    Dropout,
    Embed,
    HashEmbed,
    LayerNorm,
    Linear,
    Maxout,
    Relu,
    _hash_tables,
    _mixed_tables,
    _normalized_maxout,
    _steps,
    chain,
    concatenate,
    expand_window,
    noop,
    residual,
    with_array,
)
from thinc_core.layers._batches import add_up, array_of
from thinc_core.layers.array_getitem import ints_getitem
from thinc_core.layers.maxout import forward as maxout_forward
from thinc_core.types import Ragged
from thinc_core.util import fix_random_seed


def build(dropout=None, normalize=True, kind=HashEmbed):
    # Fixed, so that no near tie of two pieces is decided by rounding.
    fix_random_seed(0)
    tables = [kind(5, 40, column=i, dropout=dropout, **({"seed": i} if kind is HashEmbed else {})) for i in (2, 0, 3)]
    return chain(concatenate(*tables), Maxout(4, 15, normalize=normalize, dropout=dropout), Linear(3, 4)).initialize()


def batch(n_rows=200, n_ids=9, dtype="uint64"):
    return numpy.random.RandomState(0).randint(0, n_ids, size=(n_rows, 4)).astype(dtype)


def run(model, X, fuse, monkeypatch):
    """Everything a step computes."""
    monkeypatch.setattr(_mixed_tables, "MIN_ROWS", 0 if fuse else 10**9)
    for node in model.walk():
        for name in node.grad_names:
            node.get_grad(name).fill(0)
    fix_random_seed(0)
    Y, backprop = model.begin_update(X)
    dX = backprop(numpy.random.RandomState(1).normal(size=Y.shape).astype(Y.dtype))
    again = backprop(numpy.random.RandomState(1).normal(size=Y.shape).astype(Y.dtype))
    assert not dX.any()
    assert not again.any()
    assert dX.shape == X.shape
    assert dX.dtype == X.dtype
    gradients = [node.get_grad(name).copy() for node in model.walk() for name in node.grad_names]
    return [Y, model.predict(X), *gradients]


def is_fused(model, X):
    return isinstance(_mixed_tables.fused(model.layers, X)[0], _mixed_tables.MixedTables)


@pytest.mark.parametrize("ops, dtype", [(Ops(), "float64"), (None, "float32")])
@pytest.mark.parametrize("ids", ["uint64", "int32"])
@pytest.mark.parametrize("make", [build, lambda: build(0.3), lambda: build(kind=Embed), lambda: build(normalize=False)])
def test_same_numbers(ops, dtype, ids, make, monkeypatch):
    model = make()
    if ops is not None:
        model._to_ops(ops)
    for node in model.walk():
        for name in node.param_names:
            node.set_param(name, node.get_param(name).astype(dtype))
    X = batch(dtype=ids)
    # Dropout behind the Maxout draws one mask for all rows, in the tables one per table: the same draws either way.
    fused, apart = run(model, X, True, monkeypatch), run(model, X, False, monkeypatch)
    assert len(fused) == len(apart)
    for a, b in zip(fused, apart):
        scale = abs(b).max()  # a small sum of large terms has their roundings
        numpy.testing.assert_allclose(
            a, b, **({"rtol": 1e-11, "atol": 1e-12} if ops else {"rtol": 1e-4, "atol": 1e-6 * scale})
        )


def test_when():
    model, X = build(), batch()
    assert is_fused(model, X)
    assert not is_fused(model, batch(n_rows=10))
    assert not is_fused(model, batch(n_ids=10**6))
    assert not is_fused(model, X[:, :2])
    assert not is_fused(model, list(X))
    assert is_fused(chain(model.layers[0], model.layers[1].layers[0]), X)


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model.replace_node(model.layers[1].layers[0], Relu(4, 15)),
        lambda model: model.layers[1].layers.clear(),
        lambda model: model.layers[0].layers.append(noop()),
        lambda model: model.layers[0].layers[0].layers.append(Dropout()),
        lambda model: model.layers[0].layers[1].layers[1].replace_callbacks(lambda *args: None),
        lambda model: model.layers[1].layers[0].replace_callbacks(lambda *args: None),
        lambda model: model.layers[0].layers[0].layers[0].attrs.update(index=(slice(0, None), [2])),
        lambda model: model.layers[0].layers[0].layers[0].attrs.update(index=(slice(1, None), 2)),
        lambda model: model.layers[0].layers.pop(),
        lambda model: model.layers.insert(1, LayerNorm(15)),
        lambda model: model.layers.__delitem__(slice(1, None)),
    ],
)
def test_not_when_changed(change):
    model = build()
    change(model)
    assert not is_fused(model, batch())


def test_errors_are_those_of_the_layers():
    model = chain(concatenate(HashEmbed(5, 40, column=0), HashEmbed(5, 40, column=1)), Maxout(4, 15)).initialize()
    with pytest.raises(ValueError, match="X must have width 15; got "):
        model.predict(batch())
    with pytest.raises(KeyError, match="initialize"):
        chain(concatenate(HashEmbed(5, 40, column=0), HashEmbed(5, 40, column=1)), Maxout(4, 15)).predict(batch())


def normalized_maxout(dtype="float32", dropout=None):
    fix_random_seed(0)
    model = chain(Maxout(30, 20, normalize=True, dropout=dropout), Linear(3, 30)).initialize()
    for node in model.walk():
        for name in node.param_names:
            param = node.get_param(name)
            node.set_param(name, (param + 0.1 * numpy.random.standard_normal(param.shape)).astype(dtype))
    return model


def everything(model, X):
    """What a prediction and a step compute."""
    fix_random_seed(0)
    Y, backprop = model.begin_update(X)
    dX = backprop(Y)
    gradients = [node.get_grad(name).copy() for node in model.walk() for name in node.grad_names]
    Y_predicted, late = model(X, is_train=False)
    return [model.predict(X), Y, dX, *gradients, Y_predicted, late(Y)]


@pytest.mark.parametrize("ops, dtype", [(Ops(), "float64"), (None, "float64"), (None, "float32")])
@pytest.mark.parametrize("dropout", [None, 0.3])
@pytest.mark.parametrize("n_rows", [0, 1, 150])
def test_maxout_and_layernorm(ops, dtype, dropout, n_rows, monkeypatch):
    X = numpy.random.default_rng(0).standard_normal((n_rows, 20)).astype(dtype)
    results = []
    for fuse in (True, False):
        model = normalized_maxout(dtype, dropout)
        if ops is not None:
            model._to_ops(ops)
        if not fuse:
            monkeypatch.setattr(_steps, "steps_of", lambda layers, X: layers)
        results.append(everything(model, X))
    for a, b in zip(*results):
        assert a.dtype == b.dtype == dtype
        numpy.testing.assert_allclose(a, b, rtol=1e-6 if dtype == "float32" else 1e-13)


def test_when_maxout_and_layernorm():
    layers = normalized_maxout().layers[0].layers
    assert isinstance(_normalized_maxout.normalized(layers)[0], _normalized_maxout.NormalizedMaxout)
    assert _normalized_maxout.normalized(layers[:1]) == layers[:1]
    for others in ([layers[0], Relu(30, 30)], [layers[0], LayerNorm(30)], [layers[0], LayerNorm(7).initialize()]):
        assert _normalized_maxout.normalized(others) is others
    layers[1].replace_callbacks(lambda *args: None)
    assert _normalized_maxout.normalized(layers) is layers


def test_edits_of_a_chain_count_at_once():
    model = normalized_maxout().layers[0]
    X = numpy.random.default_rng(0).standard_normal((50, 20)).astype("f")
    fused = model.predict(X)
    mixer, norm = model.layers
    seen = []

    def watched(layer, X, is_train):
        seen.append(X)
        return maxout_forward(layer, X, is_train)

    mixer.replace_callbacks(watched)
    numpy.testing.assert_allclose(model.predict(X), fused, rtol=1e-5, atol=1e-6)
    assert len(seen) == 1
    mixer.replace_callbacks(functools.wraps(maxout_forward)(watched))  # which copies what is marked on the function
    model.begin_update(X)
    assert len(seen) == 2
    mixer.replace_callbacks(maxout_forward)
    model.layers[1] = noop()
    numpy.testing.assert_array_equal(model.predict(X), mixer.predict(X))
    model.layers[:] = [norm, noop()]
    numpy.testing.assert_array_equal(model.predict(fused), norm.predict(fused))
    model._layers = []
    assert model.predict(X) is X
    Y, backprop = model.begin_update(X)
    assert backprop(Y) is Y


def dropped_layers(**settings):
    """The layers of Maxout(normalize=True, dropout=...): a chain of Maxout and LayerNorm, and Dropout."""
    layers = normalized_maxout(dropout=0.3).layers[0].layers
    layers[1].attrs.update(settings)
    return layers


def test_when_dropout_too():
    layers = dropped_layers()
    (step,) = _normalized_maxout.normalized(layers)
    assert (step.mixer, step.norm, step.dropout) == (*layers[0].layers, layers[1])
    flat = [*layers[0].layers, layers[1], noop()]
    step, rest = _normalized_maxout.normalized(flat)
    assert (step.mixer, step.norm, step.dropout) == tuple(flat[:3])
    assert rest is flat[3]
    assert isinstance(_normalized_maxout.normalized([layers[0]]), list)
    assert _normalized_maxout.normalized([layers[0], noop()])[0] is layers[0]
    layers[0].layers.append(noop())
    assert _normalized_maxout.normalized(layers) is layers


@pytest.mark.parametrize(
    "settings, drops",
    [
        ({}, True),
        ({"is_enabled": False}, False),
        ({"dropout_rate": 0.0}, False),
        ({"dropout_rate": None}, False),
        ({"dropout_rate": 0.9}, True),
    ],
)
def test_the_attributes_of_dropout_hold(settings, drops):
    model = normalized_maxout(dropout=0.3).layers[0]
    X = numpy.random.default_rng(0).standard_normal((50, 20)).astype("f")
    model.layers[1].attrs.update(settings)
    rate = settings.get("dropout_rate", 0.3) or 0.0
    Y, backprop = model.begin_update(X)
    share = (Y == 0).mean()
    assert abs(share - (rate if drops else 0)) < 0.06
    assert not (model.predict(X) == 0).any()
    model.layers[1].attrs["dropout_rate"] = 0.5  # what the forward pass did counts, not what is set later
    dX = backprop(numpy.ones_like(Y))
    norm = model.layers[0].layers[1]
    numpy.testing.assert_allclose(norm.get_grad("b"), (Y != 0).sum(axis=0) / (1 - rate * drops), rtol=1e-5)
    assert dX.shape == X.shape


@pytest.mark.parametrize("dropout", [None, 0.3])
@pytest.mark.parametrize("name", ["reference", "numpy", "cuda_emulated"])
def test_gradient_of_the_whole_step(name, dropout, monkeypatch):
    """Of the input and of every parameter, along one direction, with the same mask on both sides."""
    ops = make_ops(name, monkeypatch)
    fix_random_seed(0)
    model = residual(chain(Linear(9, 20), Maxout(20, 9, normalize=True, dropout=dropout))).initialize()
    params = [(node, key) for node in model.walk() for key in node.param_names]
    for node, key in params:
        node.set_param(key, node.get_param(key).astype("float64"))
    model._to_ops(ops)
    random = numpy.random.default_rng(3)
    X, dY = random.standard_normal((2, 7, 20))

    start = [ops.to_numpy(node.get_param(key)) for node, key in params]

    def value(step):
        for (node, key), at, direction in zip(params, start, directions[1:]):
            node.set_param(key, ops.asarray(at + step * direction))
        fix_random_seed(2)
        Y, backprop = model.begin_update(ops.asarray(X + step * directions[0]))
        return float((ops.to_numpy(Y) * dY).sum()), backprop

    directions = [random.standard_normal(array.shape) for array in (X, *start)]
    dX = ops.to_numpy(value(0)[1](ops.asarray(dY)))
    slope = (dX * directions[0]).sum()
    slope += sum((ops.to_numpy(node.get_grad(k)) * d).sum() for (node, k), d in zip(params, directions[1:]))
    h = 1e-6
    assert (value(h)[0] - value(-h)[0]) / (2 * h) == pytest.approx(slope, rel=1e-5)


@pytest.mark.parametrize("dropout, path", [(None, ".layers[0].layers[0]"), (0.3, ".layers[0].layers[0].layers[0]")])
def test_errors_name_the_node(dropout, path):
    model = normalized_maxout(dropout=dropout)
    with pytest.raises(
        ValueError, match=r"maxout \(1st layer of chain\): X must have width 20; got \(3, 4\)"
    ) as caught:
        model.predict(numpy.zeros((3, 4), "float32"))
    assert caught.value.__notes__[-1].endswith(f"{path} ('maxout')")
    assert len(caught.value.__notes__) == 1


def windows(dropout=None):
    """Residual layers whose sums are made by the last op of the layer, and by the first one on the way back."""
    fix_random_seed(0)
    mix = Maxout(12, 36, normalize=True, dropout=dropout)
    return residual(chain(expand_window(1), mix)), residual(chain(expand_window(1), with_array(mix)))


@pytest.mark.parametrize("dropout", [None, 0.3])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("sizes", [[7], [3, 0, 4], [0], []])
def test_sums_of_residual_layers(dropout, ragged, sizes):
    model = windows(dropout)[ragged].initialize()
    data = numpy.random.default_rng(0).standard_normal((sum(sizes), 12)).astype("f")
    X = Ragged(data, numpy.array(sizes, dtype="i")) if ragged else data
    fix_random_seed(1)
    Y, backprop = model.begin_update(X)
    dX = backprop(Y)
    dW = [node.get_grad(name).copy() for node in model.walk() for name in node.grad_names]
    for node in model.walk():
        for name in node.grad_names:
            node.get_grad(name).fill(0)
    fix_random_seed(1)
    inner, backprop = model.layers[0].begin_update(X)
    for a, b in ((Y, add_up([X, inner])), (dX, add_up([Y, backprop(Y)]))):
        numpy.testing.assert_allclose(array_of(a), array_of(b), rtol=1e-5, atol=1e-6)
    for a, b in zip(dW, [node.get_grad(name) for node in model.walk() for name in node.grad_names]):
        numpy.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    numpy.testing.assert_array_equal(array_of(X), data)
    predicted, late = model(X, is_train=False)
    numpy.testing.assert_allclose(array_of(model.predict(X)), array_of(predicted), rtol=1e-6)
    assert array_of(late(predicted)).shape == data.shape


def test_a_function_that_wraps_a_layers_is_called():
    """Also when it has that one's attributes: on the way out and on the way back."""
    called = []

    def wrapped(forward):
        @functools.wraps(forward)
        def run(model, X, is_train):
            Y, backprop = forward(model, X, is_train)
            called.append(model.name)
            return Y, lambda dY: (called.append(f"d {model.name}"), backprop(dY))[1]

        return run

    model = windows(0.3)[1].initialize()
    X = Ragged(numpy.ones((5, 12), "f"), numpy.array([2, 3], dtype="i"))
    expected = len(list(model.walk()))
    for node in model.walk():
        node.replace_callbacks(wrapped(node._func), init=node.init)
    Y, backprop = model.begin_update(X)
    backprop(Y)
    assert len(called) == 2 * expected


def test_an_empty_chain_in_a_residual_layer():
    model = residual(chain(noop(), noop()))
    model.layers[0].layers.clear()
    X = numpy.ones((3, 4), "f")
    Y, backprop = model.begin_update(X)
    for found in (Y, backprop(X), model.predict(X)):
        numpy.testing.assert_array_equal(found, 2 * X)


def test_errors_in_a_residual_layer_name_the_node():
    model = windows()[0].initialize()
    with pytest.raises(ValueError) as caught:
        model.predict(numpy.zeros((3, 5), "float32"))
    assert caught.value.__notes__[-1].endswith(".layers[0].layers[1].layers[0] ('maxout')")


# HashEmbed tables side by side


def side_by_side(dropout=None, widths=(5, 3, 4)):
    fix_random_seed(0)
    tables = [HashEmbed(nO, 40, column=c, dropout=dropout, seed=c) for nO, c in zip(widths, (2, 0, 3))]
    return concatenate(*tables).initialize()


def looked_up_apart(model, X, monkeypatch):
    monkeypatch.setattr(sys.modules["thinc_core.layers.concatenate"], "hash_tables", lambda model, X: None)
    return run(model, X, True, monkeypatch)


@pytest.mark.parametrize("ops, dtype", [(Ops(), "float64"), (None, "float32"), (None, "float64")])
@pytest.mark.parametrize("ids", ["uint64", "int32"])
@pytest.mark.parametrize("dropout", [None, 0.3])
@pytest.mark.parametrize("n_rows", [0, 1, 200])
def test_tables_side_by_side(ops, dtype, ids, dropout, n_rows, monkeypatch):
    model = side_by_side(dropout)
    if ops is not None:
        model._to_ops(ops)
    for node in model.walk():
        for name in node.param_names:
            node.set_param(name, node.get_param(name).astype(dtype))
    X = batch(n_rows, n_ids=1000, dtype=ids)
    assert _hash_tables.hash_tables(model, X) is not None
    together = run(model, X, True, monkeypatch)
    with monkeypatch.context() as patch:
        apart = looked_up_apart(model, X, patch)
    assert len(together) == len(apart) == 2 + 3
    for a, b in zip(together, apart):
        numpy.testing.assert_allclose(a, b, **({"rtol": 1e-12} if dtype == "float64" else {"rtol": 1e-5, "atol": 1e-6}))


def test_dropout_in_one_table_only(monkeypatch):
    model = side_by_side()
    model.layers[1].layers[1].attrs["dropout_rate"] = 0.5
    together = run(model, batch(), True, monkeypatch)
    with monkeypatch.context() as patch:
        apart = looked_up_apart(model, batch(), patch)
    for a, b in zip(together, apart):
        numpy.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_a_table_in_two_branches_gets_both_gradients(monkeypatch):
    fix_random_seed(0)
    table = HashEmbed(5, 40, seed=1)
    model = concatenate(*[chain(ints_getitem((slice(0, None), c)), table) for c in (0, 1)]).initialize()
    assert _hash_tables.hash_tables(model, batch()) is not None
    together = run(model, batch(), True, monkeypatch)
    with monkeypatch.context() as patch:
        apart = looked_up_apart(model, batch(), patch)
    for a, b in zip(together, apart):
        numpy.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        lambda model: model.layers.append(noop()),
        lambda model: model.layers.append(chain(ints_getitem((slice(0, None), 0)), Embed(3, 1000)).initialize()),
        lambda model: model.layers[0].layers.append(Dropout()),
        lambda model: model.layers[0].layers[1].replace_callbacks(lambda *args: None),
        lambda model: model.layers[0].layers[0].attrs.update(index=(slice(0, None), -1)),
        lambda model: model.layers[0].layers[0].attrs.update(index=(slice(0, None), 4)),
        lambda model: model.layers.append(HashEmbed(3, 10, column=0)),
        lambda model: model.layers[0].layers[1].set_param("E", numpy.ones((40, 5))),
    ],
)
def test_tables_are_looked_up_apart_when_changed(change):
    model = side_by_side()
    change(model)
    assert _hash_tables.hash_tables(model, batch()) is None


def test_tables_are_looked_up_apart_in_other_inputs():
    model = side_by_side()
    assert _hash_tables.hash_tables(model, [batch()]) is None
    assert _hash_tables.hash_tables(model, batch()[0]) is None
    assert _hash_tables.hash_tables(model, batch(dtype="float32")) is None
    assert _hash_tables.hash_tables(model, numpy.zeros((0, 0), "uint64")) is None
