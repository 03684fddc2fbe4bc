"""check_gradients and check_finite: right models pass, and what is wrong is named."""

import numpy
import pytest
from layers.case import build, sample
from layers.test_layers_contract import EACH_KIND

from thinc_core.api import Model, Ragged, Softmax, chain, check_finite, check_gradients, residual
from thinc_core.layers import Dropout, Embed, Linear, Relu, reduce_mean, with_array

X = numpy.random.RandomState(0).normal(size=(6, 4)).astype("f")


@pytest.mark.parametrize("case, kind", EACH_KIND)
def test_right_gradients_pass(case, kind):
    model = build(case, dtype="float32")
    frozen = {"BatchNorm": ("mean", "var"), "LoRA": ("W", "b")}.get(case.id, ())
    check_gradients(model, sample(case, kind, model.ops, "float32"), frozen=frozen)


def twice(factor):
    """Y = 2 X, with a gradient that is right if factor is 2."""
    return Model("twice", lambda model, X, is_train: (2 * X, lambda dY: factor * dY))


def forgetful():
    """Y = X * w, whose gradient of w is missing."""

    def forward(model, X, is_train):
        w = model.get_param("w")
        return X * w, lambda dY: dY * w

    return Model("forgetful", forward, params={"w": numpy.ones(3, dtype="f")})


def test_wrong_gradients_are_named():
    check_gradients(chain(Linear(3, 4), twice(2)).initialize(), X)
    with pytest.raises(ValueError, match="gradients must be those of the output") as caught:
        check_gradients(chain(Linear(3, 4), twice(3)).initialize(), X)
    for what in ("X: ", r"W of 'linear>>twice'.layers[0] ('linear'): ", "b of "):
        assert what in str(caught.value)
    model = chain(Linear(3, 4), forgetful(), Linear(2, 3)).initialize()
    with pytest.raises(ValueError, match=r"w of .*layers\[1\] \('forgetful'\): 0, and a step") as caught:
        check_gradients(model, X)
    assert len(str(caught.value).splitlines()) == 2


def test_parameters_without_a_gradient_may_be_left_out():
    check_gradients(chain(forgetful(), Relu(2, 3)).initialize(), X[:, :3], frozen=["w"])


def test_the_model_stays_as_it_is():
    model = chain(Dropout(0.5), Linear(3, 4)).initialize()
    before = model.to_bytes()
    check_gradients(model, X)
    check_finite(model, X, numpy.ones((6, 3), dtype="f"))
    assert model.to_bytes() == before
    assert not list(model.layers[1].grad_names)


def test_a_loss_for_softmax():
    model, truth = Softmax(3, 4).initialize(), numpy.eye(3)[[0, 1, 2, 0, 1, 2]]
    check_gradients(model, X, loss=lambda Y: (-(truth * numpy.log(Y)).sum(), Y - truth))
    with pytest.raises(ValueError, match="W of 'softmax'"):
        check_gradients(model, X)


def test_integers_have_no_gradient():
    ids = numpy.asarray([1, 2, 1], dtype="uint64")
    check_gradients(Embed(3, 9).initialize(), ids)


def test_the_first_layer_with_a_nan_is_named():
    model = chain(Relu(3, 4), residual(Linear(3, 3)), Linear(2, 3)).initialize()
    check_finite(model, X, numpy.ones((6, 2), dtype="f"))
    model.layers[1].layers[0].get_param("b")[1] = numpy.nan
    with pytest.raises(FloatingPointError, match=r"^chain > residual > linear: Y must be finite; got 6 of 18 values"):
        check_finite(model, X)


def test_gradients_with_a_nan_are_named():
    model = chain(Linear(3, 4), Linear(2, 3)).initialize()
    dY = numpy.ones((6, 2), dtype="f")
    dY[0] = numpy.inf
    with pytest.raises(
        FloatingPointError, match=r"^chain > linear \(2nd layer of chain\): the gradient of W must be finite"
    ):
        check_finite(model, X + 10, dY)


def test_containers_are_looked_into():
    model = chain(with_array(Linear(3, 4)), reduce_mean()).initialize()
    bad = X.copy()
    bad[5] = numpy.inf
    with pytest.raises(FloatingPointError, match=r"with_array > linear: Y must be finite"):
        check_finite(model, Ragged(bad, numpy.asarray([2, 4], dtype="i")))
