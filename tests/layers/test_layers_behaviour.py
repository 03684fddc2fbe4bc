"""What every layer has to do besides right gradients, for every row of the table and every registered name."""

import inspect
import json

import numpy
import pytest

from thinc_core import layers
from thinc_core.api import (
    NumpyOps,
    Padded,
    Ragged,
    chain,
    get_current_ops,
    get_width,
    registry,
    residual,
    set_dropout_rate,
    with_padded,
)
from thinc_core.layers import LSTM, Dropout, Embed, HashEmbed, Linear, Maxout, concatenate, with_debug

from .case import LENGTHS, NI, build, sample
from .containers import arrays, assert_same, kind_of
from .test_layers_contract import CASES, EACH_KIND

LINEAR = {"@layers": "Linear.v1", "nO": 3, "nI": 3}
# What a layer needs to be built, by the name of the argument.
ARGUMENTS = {
    "nO": 4,
    "nI": 4,
    "nV": 10,
    "nH": 2,
    "n": 2,
    "idx": 0,
    "index": 0,
    "nOs": (2, 3),
    "mapping_table": {1: 2},
    "name": "relu",
    "path": "vectors.npy",
    "layer": LINEAR,
    "orig": LINEAR,
    "layer1": LINEAR,
    "layer2": LINEAR,
    "l2r": LINEAR,
    "similarity": LINEAR,
    "resize_layer": {"@layers": "noop.v1"},
    "ops": {"@ops": "NumpyOps"},
}


# Their first argument is a model of another framework, or of its kind, which no plain block describes.
FOREIGN = ("Jax", "MXNet", "ONNX", "PyTorch", "TensorFlow", "TorchScript", "pytorch_to", "with_signpost")


def registered():
    """The names under which our layers are registered, but for what needs another package."""
    found = registry.layers.get_all()
    ours = {name: make for name, make in found.items() if make.__module__.startswith("thinc_core.layers.")}
    return sorted(name for name in ours if not name.startswith(FOREIGN))


@pytest.mark.parametrize("name", registered())
def test_built_from_a_config(name):
    signature = inspect.signature(registry.layers.get(name))
    required = [each for each in signature.parameters.values() if each.default is each.empty]
    block = {"@layers": name}
    for each in required:
        if each.kind is each.VAR_POSITIONAL:
            block = {"@layers": name, "*": {"first": LINEAR, "second": LINEAR}}
            break
        assert each.name in ARGUMENTS, "say in ARGUMENTS what it takes"
        block[each.name] = ARGUMENTS[each.name]
    filled = registry.fill({"model": block}, validate=False)
    json.dumps(filled)
    assert set(filled["model"]) >= set(block)
    assert registry.resolve({"model": block}, validate=False)["model"].name


@pytest.mark.parametrize("case, kind", EACH_KIND)
def test_the_output_is_as_wide_as_nO_says(case, kind):
    model = build(case, dtype="float32")
    Y = model.predict(sample(case, kind, model.ops, "float32"))
    if model.has_dim("nO"):
        assert get_width(Y) == model.get_dim("nO")


class WatchingOps(NumpyOps):
    rates = ()

    def get_dropout_mask(self, shape, drop):
        self.rates = (*self.rates, drop)
        return super().get_dropout_mask(shape, drop)

    def dropout_seed(self, drop):
        self.rates = (*self.rates, drop)
        return super().dropout_seed(drop)


@pytest.mark.parametrize(
    "make",
    [lambda case=case: build(case, dtype="float32") for case in CASES]
    + [lambda: Embed(3, 9, dropout=0.0).initialize(), lambda: HashEmbed(3, 9, dropout=0.0).initialize()],
    ids=[case.id for case in CASES] + ["Embed", "HashEmbed"],
)
def test_no_dropout_in_predict(make):
    model, ops = make(), WatchingOps()
    model._to_ops(ops)
    set_dropout_rate(model, 0.5)
    case = next((case for case in CASES if case.make().name == model.name), None)
    X = numpy.arange(5) if "embed" in model.name else sample(case, case.kinds[0], ops, "float32")
    once = model.predict(X)
    assert_same(once, model.predict(X))
    assert not ops.rates
    if any("dropout_rate" in node.attrs for node in model.walk()):
        model.begin_update(X)
        assert ops.rates


def singles(ops, kind, X):
    """Every sequence, or row, of a batch as a batch of its own."""
    if kind == "list":
        return [[x] for x in X]
    if kind == "ragged":
        return [Ragged(x, ops.asarray1i([len(x)])) for x in ops.unflatten(X.dataXd, X.lengths)]
    if kind == "padded":
        return [ops.list2padded([x]) for x in ops.padded2list(X)]
    return [X[i : i + 1] for i in range(len(X))]


def pieces(ops, Y, lengths):
    """What belongs to each sequence, or row, of a batch of so many in an output."""
    if isinstance(Y, tuple):
        return list(zip(*[pieces(ops, member, lengths) for member in Y]))
    if isinstance(Y, Padded):
        return ops.padded2list(Y)
    if isinstance(Y, Ragged):
        return ops.unflatten(Y.dataXd, Y.lengths)
    if isinstance(Y, list) or len(Y) == len(lengths):
        return Y if isinstance(Y, list) else [Y[i : i + 1] for i in range(len(Y))]
    return ops.unflatten(Y, lengths)


@pytest.mark.parametrize(
    "case, kind", [each for each in EACH_KIND if each.values[1] in ("array", "list", "ragged", "padded")]
)
def test_sequences_and_rows_do_not_see_each_other(case, kind):
    """Predicted one by one they give what they give together; windows over an array do see its rows."""
    if kind == "array" and case.id.startswith(("expand_window", "Conv1D")):
        return
    model = build(case, dtype="float32")
    ops, lengths = model.ops, [length or 1 for length in LENGTHS]
    X = sample(case, kind, ops, "float32", lengths)
    lengths = [1] * len(X) if kind == "array" else lengths
    together = pieces(ops, model.predict(X), lengths)
    for i, single in enumerate(singles(ops, kind, X)):
        (alone,) = pieces(ops, model.predict(single), lengths[i : i + 1])
        assert_same(together[i], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case, kind", EACH_KIND)
def test_parameters_edited_in_place_are_seen_at_once(case, kind):
    """No copy of a parameter, packed or converted, may outlive an edit of the live array."""
    model, other = build(case, dtype="float32"), build(case, dtype="float32")
    X = sample(case, kind, model.ops, "float32")
    for run in (model.predict, lambda X: model.begin_update(X)[0]):
        run(X)
        for node, same in zip(model.walk(), other.walk()):
            for name in node.param_names:
                node.get_param(name)[...] *= 0.5
                same.set_param(name, same.get_param(name) * numpy.float32(0.5))
        assert_same(run(X), other.predict(X))


def test_parameters_edited_in_place_are_seen_by_fused_layers():
    model = chain(
        concatenate(HashEmbed(8, 50, column=0, seed=1), HashEmbed(8, 50, column=1, seed=2)),
        Maxout(6, 16, normalize=True, dropout=0.0),
        Linear(2, 6),
    ).initialize()
    ids = numpy.random.RandomState(0).randint(0, 20, (200, 2)).astype("uint64")
    before = model.predict(ids)
    for node in model.walk():
        for name in node.param_names:
            changed = model.copy()
            node.get_param(name)[...] += 1
            assert (model.predict(ids) != changed.predict(ids)).any(), (node.name, name)
    assert (model.predict(ids) != before).any()


def test_an_optimizer_may_edit_what_get_gradients_gives():
    model = Linear(2, 4).initialize()
    X = numpy.ones((3, 4), dtype="f")
    Y, backprop = model.begin_update(X)
    backprop(Y)
    before = model.predict(X)
    for param, gradient in model.get_gradients().values():
        param -= 0.01 * gradient
        gradient[...] = 0
    assert (model.predict(X) != before).any()
    assert not model.get_grad("W").any()


DENSE = [case for case in CASES if case.config.get("nO") and case.kinds == ("array",)]


@pytest.mark.parametrize("case", DENSE, ids=lambda case: case.id)
def test_residual_around_every_dense_layer(case):
    model = residual(registry.resolve({"layer": {**case.config, "nO": NI}})["layer"]).initialize()
    X = sample(case, "array", model.ops, "float32")
    Y, backprop = model.begin_update(X)
    assert backprop(Y).shape == X.shape
    numpy.testing.assert_allclose(Y - X, model.layers[0].predict(X), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bi", [False, True])
def test_residual_around_an_lstm(bi):
    model = residual(with_padded(LSTM(NI, bi=bi, depth=2)))
    Xs = [numpy.ones((n, NI), dtype="f") for n in (3, 1, 2)]
    Y, backprop = model.initialize(Xs).begin_update(Xs)
    assert kind_of(backprop(Y)) == kind_of(Xs)
    assert [each.shape for each in Y] == [X.shape for X in Xs]


def test_a_layer_that_stands_twice_runs_twice():
    """Initialising a chain of it runs it twice, predicting twice more, and both times on the same parameters."""
    seen = []
    layer = with_debug(Linear(), on_forward=lambda model, X, is_train: seen.append(model.id))
    X = numpy.ones((2, 4), dtype="f")
    model = chain(layer, layer).initialize(X, X)
    model.predict(X)
    assert seen == [layer.id] * 4
    Y, backprop = model.begin_update(X)
    backprop(Y)
    assert len(model.get_gradients()) == 2
    assert len(list(model.walk())) == 2


def test_dropout_of_arrays_of_integers_stays_what_it_is_in_predict():
    ids = numpy.arange(6).reshape(3, 2)
    assert Dropout(0.5).predict(ids) is ids


def test_width_is_told_by_the_shape():
    class Labels:
        """What get_width may look at: not every array library has ndim."""

        shape = (3,)

        def max(self):
            return 6

    assert get_width(Labels()) == 7
    assert arrays(get_current_ops().alloc2f(1, 1))


def test_every_layer_of_the_list_of_names_is_here():
    names = """add bidirectional chain clone concatenate expand_window list2array list2padded list2ragged noop
    padded2list ragged2list reduce_first reduce_last reduce_max reduce_mean reduce_sum residual resizable
    siamese sigmoid_activation softmax_activation tuplify uniqued with_array with_array2d with_cpu
    with_flatten with_getitem with_list with_padded with_ragged with_reshape Dropout Embed Gelu HashEmbed
    LSTM LayerNorm Linear Maxout Mish Relu Softmax""".split()
    versions = [f"{name}.v1" for name in names] + ["Softmax.v2", "bidirectional.v2", "with_flatten.v2"]
    assert not set(versions) - set(registered())
    assert {"array_getitem", "map_list", "with_debug", "with_nvtx_range", "with_signpost_interval"} <= set(
        layers.__all__
    )
