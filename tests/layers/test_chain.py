import importlib
import tracemalloc

import numpy
import pytest

from thinc_core.layers import (
    Dropout,
    Embed,
    Linear,
    Relu,
    Softmax,
    add,
    bidirectional_v2,
    chain,
    clone,
    concatenate,
    expand_window,
    list2array,
    map_list,
    noop,
    reduce_sum,
    residual,
    with_array,
    with_array2d,
    with_list,
    with_padded,
    with_reshape,
)
from thinc_core.layers.chain import chain_no_types, init
from thinc_core.model import Model
from thinc_core.types import Ragged

X = numpy.random.RandomState(0).normal(size=(6, 4)).astype("f")
LABELS = numpy.zeros((6, 3), dtype="f")


def counting(seen, name="counting"):
    """A layer that returns its input and notes what was done with it."""

    def forward(model, X, is_train):
        seen.append("forward")
        return X, lambda dY: dY

    def initialize(model, X=None, Y=None):
        seen.append("init")

    return Model(name, forward, init=initialize)


def nested(make, depth):
    model = make()
    for _ in range(depth):
        model = chain(model, make())
    return model


def test_needs_two_layers():
    for layers in ((), (Linear(),)):
        with pytest.raises(TypeError):
            chain(*layers)
        with pytest.raises(TypeError):
            chain_no_types(*layers)
    assert len(chain_no_types(*[Linear() for _ in range(5)]).layers) == 5


def test_dims():
    model = chain(Relu(3, 4), Linear(2))
    assert model.dim_names == ("nO", "nI")
    assert (model.get_dim("nI"), model.maybe_get_dim("nO")) == (4, 2)
    assert chain(noop(), Linear(2)).dim_names == ("nO",)
    model = chain(expand_window(), Linear(2)).initialize(X)
    assert (model.get_dim("nO"), model.layers[1].get_dim("nI")) == (2, 12)
    assert chain(Linear(5), noop()).initialize(X).get_dim("nO") == 5


def test_hidden_layers_without_width_take_that_of_the_output():
    model = chain(Relu(), Relu(), Softmax()).initialize(X, LABELS)
    assert [layer.get_dim("nO") for layer in model.layers] == [3, 3, 3]


def test_widths_are_handed_down_without_data():
    model = chain(Relu(5, 4, dropout=0.1), expand_window(2), noop(), with_array(Linear(3)), Dropout(), Linear(2))
    model.initialize()
    assert [node.get_dim("nI") for node in model.walk() if node.name == "linear"] == [3, 25]
    assert model.get_dim("nO") == 2
    model = chain(Linear(), Linear())
    model.set_dim("nI", 4)
    model.set_dim("nO", 3)
    model.layers[0].set_dim("nO", 7)
    assert model.initialize().predict(X).shape == (6, 3)


def test_ids_are_no_widths():
    model = chain(Embed(4, 100, column=1), Linear(2)).initialize(numpy.asarray([[0, 50], [0, 70]]))
    assert model.get_dim("nO") == 2


@pytest.mark.parametrize("depth", [0, 1, 5, 12])
@pytest.mark.parametrize("data", [None, X])
def test_init_is_linear(depth, data):
    seen = []
    nested(lambda: counting(seen), depth).initialize(data)
    assert seen.count("init") == depth + 1
    assert seen.count("forward") == (0 if data is None or not depth else depth + 1)


def test_init_runs_every_layer_once():
    seen = []
    layer = counting(seen)
    model = chain(layer, layer).initialize(X)
    assert seen.count("forward") == 2
    model.predict(X)
    assert seen.count("forward") == 4


def test_init_is_importable_and_replaceable():
    model = chain(Relu(3), Linear(2))
    init(model, X=X)
    assert model.get_dim("nI") == 4
    seen = []
    inner = chain(Relu(3), Linear(2))
    inner.init = lambda model, X=None, Y=None: (seen.append(X), init(model, X, Y))
    chain(inner, Linear(5)).initialize(X)
    assert len(seen) == 1


def test_init_takes_things_without_a_width():
    def forward(model, Xs, is_train):
        return [numpy.ones((len(text), 4), dtype="f") for text in Xs], lambda dYs: []

    model = chain(Model("lengths", forward), with_array(Linear(2))).initialize(["abc", "d"])
    assert model.get_dim("nO") == 2


def test_layers_may_go():
    model = chain(Linear(4, 4), Linear(4, 4)).initialize()
    model.layers.clear()
    Y, backprop = model.begin_update(X)
    assert Y is X
    assert backprop(X) is X
    assert model.predict(X) is X
    model.initialize(X)


def test_errors_name_the_layer():
    model = chain(Linear(5, 4), chain(Relu(5, 5), Linear(3, 9)))
    model.layers[0].initialize()
    for layer in model.layers[1].layers:
        layer.initialize()
    for run in (model.predict, model.begin_update):
        path = r"^chain > chain > linear \(2nd layer of chain\): X must have width 9; got \(6, 5\)"
        with pytest.raises(ValueError, match=path) as caught:
            run(X)
        assert "layers[1].layers[1] ('linear')" in caught.value.__notes__[-1]


def test_errors_of_initialize_name_the_layer():
    model = chain(chain(Relu(3), chain(Relu(4), Linear(5, 9))), Linear(2))
    with pytest.raises(
        ValueError, match=r"^chain > chain > chain > linear \(2nd layer of chain\): dim 'nI' is 9 already"
    ) as caught:
        model.initialize(X)
    assert ".layers[0].layers[1].layers[1] ('linear')" in caught.value.__notes__[-1]


@pytest.mark.parametrize("bad", [[1.0, 2.0], 3.0, None, numpy.float32(3), Ragged(X, numpy.asarray([len(X)]))])
def test_inputs_of_the_wrong_kind_are_named(bad):
    with pytest.raises(TypeError, match=f"^linear: X must be a numpy array; got {type(bad).__name__}"):
        Linear(2, 4).initialize().predict(bad)


def test_predict_frees_activations():
    """The peak must not grow with the number of layers."""
    rows = numpy.zeros((512, 256), dtype="f")
    peaks = []
    for n_layers in (4, 20):
        model = clone(Relu(256, 256), n_layers).initialize()
        model = chain(model, chain(Relu(256, 256), Relu(256, 256)).initialize())
        tracemalloc.start()
        model.predict(rows)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] <= 1.1 * peaks[0]
    assert peaks[1] <= 3.1 * rows.nbytes


def test_callback_of_predict_still_works():
    model = chain(Relu(3, 4), with_array2d(Linear(2, 3))).initialize()
    Y, backprop = model(X, is_train=False)
    _, expected = model.begin_update(X)
    numpy.testing.assert_array_equal(backprop(Y), expected(Y))


def test_empty_batches_of_unknown_width():
    assert chain(list2array(), Linear(3, 4)).initialize().predict([]).shape == (0, 3)
    assert reduce_sum().name == "reduce_sum"


@pytest.mark.parametrize(
    "make, width",
    [
        (lambda: with_array(noop()), 3),
        (lambda: with_array2d(with_array(Dropout())), 3),
        (lambda: with_list(noop()), 3),
        (lambda: with_padded(noop()), 3),
        (lambda: residual(with_array(Dropout())), 3),
        (lambda: add(with_array(Dropout()), noop()), 3),
        (lambda: concatenate(with_array(Dropout()), noop(), with_array(expand_window())), 15),
        (lambda: bidirectional_v2(noop()), 6),
        (lambda: map_list(noop()), 3),
        (lambda: with_reshape(Dropout()), 3),
    ],
)
def test_widths_pass_through_layers_around_layers_without_data(make, width):
    model = chain(with_array(Linear(3, 4)), make(), with_array(Linear(2))).initialize()
    assert model.layers[2].get_dim("nI") == width


def test_forward_is_found_by_its_name() -> None:
    """By pickle and by to_onnx."""
    forward = chain(noop(), noop())._func
    assert getattr(importlib.import_module(forward.__module__), forward.__qualname__) is forward
    assert (forward.__module__, forward.__qualname__) == ("thinc_core.layers.chain", "forward")
