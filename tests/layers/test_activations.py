"""Dense layers with an activation welded to them: curves, trees, initial values."""

import numpy
import pytest

from thinc_core import layers
from thinc_core.initializers import zero_init
from thinc_core.layers import ClippedLinear, HardSigmoid, HardTanh, Logistic, ReluK, Sigmoid, sigmoid_activation

X = numpy.asarray([[-3], [-1], [1], [2.5]], dtype="f")
CURVES = {
    "ClippedLinear": [0, 0, 1, 1],
    "Dish": [-0.076975, -0.146447, 0.853553, 2.410596],
    "HardSigmoid": [0, 0.3, 0.7, 1],
    "HardSwish": [0, -0.3, 0.7, 2.5],
    "HardSwishMobilenet": [0, -0.333333, 0.666667, 2.291667],
    "HardTanh": [-1, -1, 1, 1],
    "ReluK": [0, 0, 1, 2.5],
    "Sigmoid": [0.047426, 0.268941, 0.731059, 0.924142],
    "Swish": [-0.142278, -0.268941, 0.731059, 2.310354],
}
NODES = {
    **{name: name.lower() for name in CURVES},
    **dict.fromkeys(("ClippedLinear", "HardSigmoid", "HardTanh", "ReluK"), "clipped_linear"),
}
EACH = pytest.mark.parametrize("name", CURVES)


def identity(make, **kwargs):
    """The layer with one weight of 1."""
    return make(1, 1, init_W=lambda ops, shape: ops.alloc_f(shape) + 1, **kwargs).initialize()


@EACH
def test_curve(name):
    model = identity(getattr(layers, name))
    for is_train in (False, True):
        numpy.testing.assert_allclose(model(X, is_train)[0][:, 0], CURVES[name], atol=1e-6)


@EACH
def test_names(name):
    make = getattr(layers, name)
    assert make().name == NODES[name]
    if name == "Sigmoid":
        return
    names = [node.name for node in make(normalize=True, dropout=0.1).walk()]
    core = NODES[name]
    assert names == [f"{core}>>layernorm>>dropout", f"{core}>>layernorm", "dropout", core, "layernorm"]


@EACH
def test_widths_and_initial_values(name):
    make = getattr(layers, name)
    samples = numpy.zeros((2, 4), dtype="f"), numpy.zeros((2, 3), dtype="f")
    model = make().initialize(*samples)
    assert model.dim_names == ("nO", "nI")
    assert (model.get_param("W").shape, model.get_param("b").shape) == ((3, 4), (3,))
    assert model.get_param("W").any() == (name != "Sigmoid")
    assert not model.get_param("b").any()
    for sizes, missing in (({"nO": 3}, "nI"), ({"nI": 4}, "nO")):
        with pytest.raises(ValueError, match=f"'{missing}'"):
            make(**sizes).initialize()
    if name == "Sigmoid":
        assert make(3, 4).initialize(X, X).get_dim("nI") == 4
    else:
        with pytest.raises(ValueError, match="'nI'"):
            make(3, 4).initialize(X)


@EACH
def test_both_initializers_count(name):
    """The bias starts where it is told to, also in the layers that are made of a ClippedLinear."""
    settings = {"init_W": zero_init, "init_b": lambda ops, shape: ops.alloc_f(shape) + 8}
    model = getattr(layers, name)(2, 3, **settings).initialize()
    assert not model.get_param("W").any()
    assert (model.get_param("b") == 8).all()


def test_a_line_can_be_changed_later():
    model = identity(ClippedLinear, slope=0.5, offset=0.25, min_val=-1.0, max_val=1.0)
    assert model.attrs == {"slope": 0.5, "offset": 0.25, "min_val": -1.0, "max_val": 1.0}
    numpy.testing.assert_allclose(model.predict(X)[:, 0], [-1, -0.25, 0.75, 1])
    model.attrs.update(slope=-2.0, max_val=3.0)
    Y, backprop = model.begin_update(X)
    numpy.testing.assert_allclose(Y[:, 0], [3, 2.25, -1, -1])
    numpy.testing.assert_allclose(backprop(numpy.ones_like(Y))[:, 0], [0, -2, 0, 0])


@pytest.mark.parametrize(
    "make, line",
    [(HardSigmoid, (0.2, 0.5, 0.0, 1.0)), (HardTanh, (1.0, 0.0, -1.0, 1.0)), (ReluK, (1.0, 0.0, 0.0, 6.0))],
)
def test_settings_are_saved(make, line):
    model = make(1, 1).initialize()
    assert tuple(model.attrs.values()) == line
    loaded = ClippedLinear(1, 1).from_bytes(model.to_bytes())
    assert loaded.attrs == model.attrs
    numpy.testing.assert_array_equal(loaded.predict(X), model.predict(X))


def test_sigmoids_are_one_curve():
    expected = sigmoid_activation().predict(X)
    numpy.testing.assert_array_equal(Logistic().predict(X), expected)
    numpy.testing.assert_allclose(identity(Sigmoid).predict(X), expected, rtol=1e-6)
    assert Logistic().name == "logistic"
