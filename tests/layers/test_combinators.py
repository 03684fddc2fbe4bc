"""add, concatenate, residual, clone: what the contract does not say."""

import numpy
import pytest

from thinc_core.layers import (
    Linear,
    Relu,
    Softmax,
    add,
    chain,
    clone,
    concatenate,
    expand_window,
    noop,
    residual,
    with_array,
)
from thinc_core.model import Model
from thinc_core.types import Ragged

X = numpy.random.RandomState(0).normal(size=(6, 4)).astype("f")


def wide(n):
    return numpy.zeros((6, n), dtype="f")


def test_add_needs_two_layers():
    for layers in ((), (Linear(),)):
        with pytest.raises(TypeError):
            add(*layers)


@pytest.mark.parametrize("combine", [add, concatenate])
def test_left_nesting_is_flat_and_leaves_the_first_alone(combine):
    a, b, c = Linear(3, 4), Linear(3, 4), Linear(3, 4)
    first = combine(a, b)
    both = combine(first, c)
    assert both.layers == [a, b, c]
    assert both is not first
    assert first.layers == [a, b]
    assert combine(a, combine(b, c)).layers[0] is a
    assert len(combine(a, combine(b, c)).layers) == 2


def test_operators():
    with Model.define_operators({"+": add, "|": concatenate, ">>": chain, "**": clone}):
        model = (Linear(3, 4) + Linear(3, 4) + Linear(3, 4)) >> Linear(2, 3)
        assert len(model.layers[0].layers) == 3
        assert len((Linear() | Linear() | Linear()).layers) == 3
        assert len((Linear() ** 3).layers) == 3


def test_a_layer_named_add_is_not_taken_for_one():
    model = Model("add", lambda model, X, is_train: (X, lambda dY: dY), layers=[Linear(4, 4)])
    assert len(add(model, noop()).layers) == 2


def test_add_without_layers_is_the_identity():
    model = add(noop(), noop())
    model._layers = []
    Y, backprop = model.begin_update(X)
    assert Y is X
    assert backprop(X) is X
    model.initialize(X)


@pytest.mark.parametrize("combine", [add, concatenate])
def test_dims(combine):
    assert combine(Linear(), Relu()).dim_names == ("nO", "nI")
    assert combine(Linear(), noop()).dim_names == ("nO",)
    model = combine(Linear(3), Relu(3)).initialize(X)
    assert model.get_dim("nI") == model.layers[1].get_dim("nI") == 4
    assert model.get_dim("nO") == (3 if combine is add else 6)


def test_add_inside_a_chain_keeps_the_width_of_its_branches():
    """The width of the final output is no news to hidden branches that know theirs."""
    X, Y = numpy.ones((4, 2), dtype="f"), numpy.ones((4, 3), dtype="f")
    model = chain(add(Linear(8), Linear()), Linear()).initialize(X, Y)
    assert [layer.get_dim("nO") for layer in model.walk()] == [3, 8, 3, 8, 8]
    deep = chain(Linear(5), add(chain(Linear(), Linear(3)), Linear(3))).initialize(X, Y)
    assert deep.predict(X).shape == (4, 3)


def test_add_takes_widths_from_samples():
    model = add(Linear(), Relu()).initialize(X, wide(5))
    assert [node.get_dim("nO") for node in model.walk()] == [5, 5, 5]
    assert add(noop(), noop()).initialize(X).has_dim("nO") is None


def test_concatenate_gives_the_rest_to_the_only_layer_without_width():
    model = concatenate(Linear(3), Relu(), Linear(2)).initialize(X, wide(9))
    assert model.layers[1].get_dim("nO") == 4
    assert model.get_dim("nO") == 9
    model = concatenate(with_array(Linear(3)), with_array(Relu()))
    model.initialize([X], [wide(9)])
    assert model.layers[1].get_dim("nO") == 6


def test_concatenate_does_not_guess():
    with pytest.raises(ValueError, match="'nO'"):
        concatenate(Linear(), Relu()).initialize(X, wide(9))
    with pytest.raises(ValueError, match="'nO'"):
        concatenate(Linear(9), Relu()).initialize(X, wide(9))


def test_concatenate_of_few():
    assert concatenate().name == "noop"
    assert not concatenate().layers
    layer = Linear()
    assert concatenate(layer) is layer
    assert concatenate(chain(Linear(3), Linear(2)), Softmax(3)).initialize(X).predict(X).shape == (6, 5)


def test_residual_is_as_wide_as_its_input():
    model = chain(residual(Relu()), Softmax()).initialize(X, wide(3))
    assert model.layers[0].get_dim("nO") == 4
    assert model.layers[0].dim_names == ("nO", "nI")
    model = residual(chain(expand_window(), Relu())).initialize(X)
    assert model.get_dim("nO") == 4
    assert residual(Relu(4)).initialize(X).get_dim("nI") == 4
    assert residual(noop()).initialize().has_dim("nI") is None


def test_residual_of_the_identity_does_not_touch_its_input():
    sample = Ragged(X.copy(), numpy.asarray([2, 4], dtype="i"))
    Y, backprop = residual(noop()).begin_update(sample)
    numpy.testing.assert_array_equal(Y.data, 2 * X)
    numpy.testing.assert_array_equal(sample.data, X)
    numpy.testing.assert_array_equal(backprop(sample).data, 2 * X)
    numpy.testing.assert_array_equal(sample.data, X)


def test_clone():
    orig = Linear(4, 4)
    model = clone(orig, 5)
    assert len({node.id for node in model.walk()}) == 6
    assert model.layers[0] is orig
    model.initialize()
    assert (model.layers[0].get_param("W") != model.layers[1].get_param("W")).any()
    assert clone(orig, 1) is orig
    assert clone(orig, 0).name == "noop"
    with pytest.raises(ValueError, match="n must be >= 0; got -1"):
        clone(orig, -1)


def test_noop_returns_its_input():
    model, pair = noop(Linear()), (X, X)
    assert model.predict(pair) is pair
    assert model.begin_update(pair)[1](pair) is pair
    assert len(model.layers) == 1
    model.initialize(X)
