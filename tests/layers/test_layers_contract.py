"""Every layer goes through the same checks; a new layer is one row of CASES."""

import copy
import pickle
from typing import Any, Dict

import numpy
import pytest

from thinc_core import layers
from thinc_core._marks import marked
from thinc_core.backends import Ops, get_current_ops
from thinc_core.config import registry
from thinc_core.layers import (
    Dropout,
    Gelu,
    LayerNorm,
    Linear,
    Maxout,
    Mish,
    Relu,
    add,
    array_getitem,
    chain,
    clone,
    concatenate,
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
    residual,
    sigmoid_activation,
    softmax_activation,
    with_array,
    with_array2d,
    with_list,
    with_padded,
    with_ragged,
)
from thinc_core.model import Model

from . import cases_dense, cases_more, cases_wrappers
from .case import EVERY, NI, NO, SEQUENCES, Case, build, dense_case, linear, lstm_case, plain_case, rows, sample
from .containers import arrays, assert_same, dot, kind_of, like, noise, step

CASES = [
    *[dense_case(make) for make in (Linear, Relu, Mish, Gelu, Maxout)],
    *[dense_case(make, normalize=True, dropout=0.0) for make in (Relu, Mish, Gelu, Maxout)],
    dense_case(Maxout, nP=2),
    Case("LayerNorm", lambda: LayerNorm(NI), square=True, config={"@layers": "LayerNorm.v1", "nI": NI}),
    plain_case(Dropout, kinds=EVERY),
    Case("noop", noop, EVERY, square=True, config={"@layers": "noop.v1", "*": []}),
    plain_case(softmax_activation, kinds=("array",)),
    plain_case(sigmoid_activation, kinds=("array",)),
    plain_case(expand_window, kinds=("array", "ragged")),
    *[plain_case(make) for make in (reduce_sum, reduce_mean)],
    *[plain_case(make, nonempty=True) for make in (reduce_max, reduce_first, reduce_last)],
    *[plain_case(make, kinds=("list",)) for make in (list2array, list2ragged, list2padded)],
    plain_case(ragged2list),
    plain_case(padded2list, kinds=("padded",)),
    *[lstm_case(**kwargs) for kwargs in ({}, {"bi": True, "depth": 2}, {"depth": 3})],
    Case("array_getitem", lambda: array_getitem((slice(0, None), [1, 1, 0])), config={}),
    Case("chain", lambda: chain(Mish(5, NI), Linear(NO)), config={}),
    Case("clone", lambda: clone(Linear(NI, NI), 3), square=True),
    Case("add", lambda: add(linear(), linear(), Mish(NO, NI))),
    Case("add_noops", lambda: add(noop(), noop(), noop()), EVERY, square=True),
    Case("add_sequences", lambda: add(noop(), rows(Linear(NI, NI)), noop()), SEQUENCES, square=True),
    Case("concatenate", lambda: concatenate(linear(), Mish(5, NI), noop())),
    Case("concatenate_noops", lambda: concatenate(noop(), noop(), noop()), EVERY),
    Case("concatenate_sequences", lambda: concatenate(rows(linear()), noop(), rows(Mish(2, NI))), SEQUENCES),
    Case("residual", lambda: residual(Mish(NI, NI)), square=True),
    Case("residual_noop", lambda: residual(noop()), EVERY, square=True),
    Case("residual_sequences", lambda: residual(rows(Linear(NI, NI))), SEQUENCES, square=True),
    Case("with_array", lambda: with_array(linear()), ("array", "list", "ragged")),
    Case("with_array_3d", lambda: with_array(sigmoid_activation()), EVERY, square=True),
    Case("with_array_pad", lambda: with_array(chain(expand_window(), Linear(NO, 3 * NI)), pad=2), ("list",)),
    Case("with_array2d", lambda: with_array2d(linear()), EVERY),
    Case("with_list", lambda: with_list(with_array(linear())), SEQUENCES),
    Case("with_padded", lambda: with_padded(rows(linear())), SEQUENCES),
    Case(
        "with_ragged",
        lambda: with_ragged(chain(expand_window(), with_array(Linear(NO, 3 * NI)))),
        (*SEQUENCES, "data_and_lengths"),
    ),
    *cases_dense.CASES,
    *cases_more.CASES,
    *cases_wrappers.CASES,
]
IDS = [case.id for case in CASES]
EACH_KIND = [pytest.param(case, kind, id=f"{case.id}-{kind}") for case in CASES for kind in case.kinds]


def gradients(model: Model) -> Dict[Any, Any]:
    return {(i, name): node.get_grad(name) for i, node in enumerate(model.walk()) for name in node.grad_names}


@pytest.mark.parametrize("case, kind", EACH_KIND)
def test_gradients(case, kind):
    """Along a random direction, the input and every parameter change the output as the gradient says."""
    model = build(case, Ops())
    X, h = sample(case, kind, model.ops), 1e-6
    random = numpy.random.RandomState(2)
    Y, backprop = model.begin_update(X)
    dY = noise(Y, random)
    dX = backprop(dY)
    assert kind_of(dX) == kind_of(X)
    direction = noise(X, random)
    rise = dot(model.predict(step(X, direction, h)), dY) - dot(model.predict(step(X, direction, -h)), dY)
    assert dot(dX, direction) == pytest.approx(rise / (2 * h), rel=1e-6, abs=1e-8)
    for node in model.walk():
        assert not set(case.fixed) & set(node.grad_names)
        for name in [name for name in node.param_names if name not in case.fixed]:
            param, direction = node.get_param(name), random.normal(size=node.get_param(name).shape)
            node.set_param(name, param + h * direction)
            rise = dot(model.predict(X), dY)
            node.set_param(name, param - h * direction)
            rise -= dot(model.predict(X), dY)
            node.set_param(name, param)
            assert dot(node.get_grad(name), direction) == pytest.approx(rise / (2 * h), rel=1e-6, abs=1e-8), name


@pytest.mark.parametrize("case, kind", EACH_KIND)
def test_ops_agree(case, kind):
    """The current backend in float32 against the reference in float64."""
    results = []
    for ops, dtype in ((Ops(), "float64"), (get_current_ops(), "float32")):
        model = build(case, ops, dtype)
        Y, backprop = model.begin_update(sample(case, kind, ops, dtype))
        dX = backprop(noise(Y, numpy.random.RandomState(2)))
        results.append([Y, dX, list(gradients(model).values())])
        assert {array.dtype for array in arrays(results[-1])} == {numpy.dtype(dtype)}
    assert_same(results[0], results[1], rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("case, kind", EACH_KIND)
def test_predict_equals_forward(case, kind):
    model = build(case, dtype="float32")
    X = sample(case, kind, model.ops, "float32")
    Y = model.predict(X)
    assert_same(Y, model(X, is_train=False)[0])
    assert_same(Y, model.begin_update(X)[0])
    dY = noise(Y, numpy.random.RandomState(2))
    assert_same(model(X, is_train=False)[1](dY), model.begin_update(X)[1](dY))


@pytest.mark.parametrize("case, kind", EACH_KIND)
def test_without_the_gradient_of_the_input(case, kind):
    """The callback returns nothing; parameters get what they get with it."""
    model, other = build(case, dtype="float32"), build(case, dtype="float32")
    X = sample(case, kind, model.ops, "float32")
    Y, backprop = model.begin_update(X, needs_dX=False)
    dY = noise(Y, numpy.random.RandomState(2))
    assert backprop(dY) is None
    other.begin_update(X)[1](dY)
    for (_, gradient), (_, expected) in zip(gradients(model).items(), gradients(other).items()):
        numpy.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-6)
    assert list(gradients(model)) == list(gradients(other))


@pytest.mark.parametrize("name", ["Linear", "LSTM", "LSTM_bi_depth", "GRU", "Conv1D", "SelfAttention", "LoRA"])
def test_a_product_that_nobody_reads_is_left_out(name):
    case, kind = next(each.values for each in EACH_KIND if each.values[0].id == name)
    model = build(case, dtype="float32")
    assert marked(model._func, "skips_dX")
    Y, backprop = model(sample(case, kind, model.ops, "float32"), is_train=True)
    assert backprop(noise(Y, numpy.random.RandomState(2)), needs_dX=False) is None


@pytest.mark.parametrize("case, kind", EACH_KIND)
def test_arguments_stay_as_they_are(case, kind):
    model = build(case, dtype="float32")
    X = sample(case, kind, model.ops, "float32")
    X_before = like(X, numpy.array)
    Y, backprop = model.begin_update(X)
    dY = noise(Y, numpy.random.RandomState(2))
    Y_before, dY_before = like(Y, numpy.array), like(dY, numpy.array)
    backprop(dY)
    assert_same(X, X_before)
    assert_same(Y, Y_before)
    assert_same(dY, dY_before)


@pytest.mark.parametrize("case, kind", EACH_KIND)
def test_callback_again_accumulates(case, kind):
    model = build(case, dtype="float32")
    Y, backprop = model.begin_update(sample(case, kind, model.ops, "float32"))
    dY = noise(Y, numpy.random.RandomState(2))
    dX = like(backprop(dY), numpy.array)
    once = {key: gradient.copy() for key, gradient in gradients(model).items()}
    assert_same(backprop(dY), dX)
    for key, gradient in gradients(model).items():
        numpy.testing.assert_allclose(gradient, 2 * once[key], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "case, kind, lengths",
    [
        pytest.param(*each.values, lengths, id=f"{each.id}-{len(lengths)}")
        for each in EACH_KIND
        for lengths in ([], [0], [0, 0])
        if not (lengths and each.values[0].nonempty)
    ],
)
def test_no_rows(case, kind, lengths):
    model = build(case, dtype="float32")
    full = model.predict(sample(case, kind, model.ops, "float32"))
    X = sample(case, kind, model.ops, "float32", lengths)
    Y, backprop = model.begin_update(X)
    dX = backprop(like(Y, numpy.array))
    assert type(Y) is type(full)
    assert type(dX) is type(X)
    assert [array.shape for array in arrays(dX)] == [array.shape for array in arrays(X)] or not lengths
    if lengths and not isinstance(X, list):
        assert [array.shape[-1] for array in arrays(Y)] == [array.shape[-1] for array in arrays(full)][: len(arrays(Y))]
    assert not any(gradient.any() for gradient in gradients(model).values())


@pytest.mark.parametrize("case", CASES, ids=IDS)
@pytest.mark.parametrize(
    "duplicate",
    [
        lambda model, case: case.make().from_bytes(model.to_bytes()),
        lambda model, case: model.copy(),
        lambda model, case: copy.deepcopy(model),
        lambda model, case: pickle.loads(pickle.dumps(model)),
    ],
    ids=["bytes", "copy", "deepcopy", "pickle"],
)
def test_duplicates_predict_alike(case, duplicate):
    model = build(case, dtype="float32")
    other = duplicate(model, case)
    assert not {node.id for node in model.walk()} & {node.id for node in other.walk()}
    X = sample(case, case.kinds[0], model.ops, "float32")
    assert_same(model.predict(X), other.predict(X))
    for node in model.walk():
        for name in node.param_names:
            node.get_param(name).fill(0)
    assert_same(other.predict(X), duplicate(other, case).predict(X))


@pytest.mark.parametrize("case", [case for case in CASES if case.config], ids=lambda case: case.id)
def test_registered(case):
    model = registry.resolve({"model": case.config})["model"]
    expected = case.make()
    assert [node.name for node in model.walk()] == [node.name for node in expected.walk()]
    assert [node.dim_names for node in model.walk()] == [node.dim_names for node in expected.walk()]
    assert [node.attrs for node in model.walk()] == [node.attrs for node in expected.walk()]


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.id not in ("array_getitem",)], ids=lambda case: case.id
)
def test_gradients_go_to_a_proxy(case):
    class Proxy:
        def __init__(self, server):
            self.server, self.sums = server, {}

        def get_param(self, model_id, name):
            return self.server._params[model_id, name]

        def set_param(self, model_id, name, value): ...

        def set_grad(self, model_id, name, value): ...

        def inc_grad(self, model_id, name, value):
            self.sums[name] = self.sums.get(name, 0) + value

    model, local = build(case, dtype="float32"), build(case, dtype="float32")
    for node in model.walk():
        node._params.proxy = Proxy(node._params)
    for each in (model, local):
        Y, backprop = each.begin_update(sample(case, case.kinds[0], each.ops, "float32"))
        backprop(noise(Y, numpy.random.RandomState(2)))
    for node, other in zip(model.walk(), local.walk()):
        assert sorted(node._params.proxy.sums) == sorted(other.grad_names)
        for name, total in node._params.proxy.sums.items():
            # A layer that was run twice gets two gradients, which a buffer adds up in another order.
            numpy.testing.assert_allclose(total, other.get_grad(name), rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("make", [Linear, Relu, Mish, Gelu, Maxout, layers.Softmax, layers.Softmax_v2])
def test_dense_widths(make):
    X, Y = numpy.zeros((2, NI), dtype="f"), numpy.zeros((2, NO), dtype="f")
    model = make().initialize(X, Y)
    pieces = (3,) if make is Maxout else ()
    assert model.get_param("W").shape == (NO, *pieces, NI)
    assert model.get_param("b").shape == (NO, *pieces)
    assert not model.get_param("b").any()
    assert model.get_param("W").dtype == "float32"
    assert model.dim_names == ("nO", "nI", *(("nP",) if make is Maxout else ()))
    for sizes, missing in (({"nO": NO}, "nI"), ({"nI": NI}, "nO")):
        with pytest.raises(ValueError, match=f"'{missing}'"):
            make(**sizes).initialize()
        with pytest.raises(KeyError, match="'W'"):
            make(**sizes).predict(X)
    assert make(NO).initialize(X).get_dim("nI") == NI
    assert make(nI=NI).initialize(Y=Y).get_dim("nO") == NO


@pytest.mark.parametrize("make", [Linear, Relu, Mish, Gelu, Maxout, LayerNorm])
def test_samples_must_fit_the_dims(make):
    with pytest.raises(ValueError, match="'nI'"):
        make(nI=NI).initialize(numpy.zeros((2, NI + 1), dtype="f"))


def test_custom_initializers():
    model = Relu(
        2, 3, init_W=lambda ops, shape: ops.alloc_f(shape) + 7, init_b=lambda ops, shape: ops.alloc_f(shape) + 8
    )
    model.initialize()
    assert (model.get_param("W") == 7).all()
    assert (model.get_param("b") == 8).all()


def test_every_registered_layer_is_exported():
    exported = {getattr(layers, name) for name in layers.__all__}
    found = registry.layers.get_all()
    ours = {name: make for name, make in found.items() if make.__module__.startswith("thinc_core.layers")}
    assert ours.pop("chain.v1").__name__ == "chain_no_types"
    assert set(ours.values()) == exported - {layers.chain, layers.keras_subclass}  # which is a decorator


@pytest.mark.parametrize(
    "make, other",
    [
        (lambda: Linear(3, 4), lambda: Linear(4, 3)),
        (lambda: Maxout(3, 4, nP=2), lambda: Maxout(3, 4, nP=3)),
        (lambda: LayerNorm(4), lambda: LayerNorm(5)),
        (lambda: layers.Embed(3, 4), lambda: layers.Embed(3, 5)),
        (lambda: layers.HashEmbed(3, 4), lambda: layers.HashEmbed(3, 5)),
    ],
)
def test_saved_parameters_must_have_the_shape_of_the_dims(make, other):
    message = make().initialize().to_dict()
    message["params"] = other().initialize().to_dict()["params"]
    with pytest.raises(ValueError, match="shape"):
        make().from_dict(message)
