import numpy
import pytest

from thinc_core.layers import CauchySimilarity, Gelu, Linear, ParametricAttention, ParametricAttention_v2, chain
from thinc_core.types import Ragged
from thinc_core.util import fix_random_seed

X = Ragged(numpy.asarray([[1, 0], [0, 1], [2, 2]], dtype="f"), numpy.asarray([2, 1], dtype="i"))
BOTH = pytest.mark.parametrize("make", [ParametricAttention, ParametricAttention_v2])


@BOTH
def test_rows_are_scaled(make):
    model = make(nO=2).initialize()
    model.set_param("Q", numpy.asarray([1, -1], dtype="f"))
    Y = model.predict(X)
    numpy.testing.assert_allclose(Y.dataXd, [[0.8807971, 0], [0, 0.1192029], [2, 2]], rtol=1e-6)
    assert Y.lengths is X.lengths


@BOTH
def test_large_scores_keep_their_order(make):
    """Scores of 30 and 20 are told apart: they are not cut off."""
    model = make(nO=2).initialize()
    model.set_param("Q", numpy.asarray([30, 20], dtype="f"))
    numpy.testing.assert_allclose(model.predict(X).dataXd[:2, :2].sum(axis=1), [1, numpy.exp(-10)], rtol=1e-4)


@BOTH
def test_query(make):
    fix_random_seed(0)
    expected = numpy.random.uniform(-0.1, 0.1, 2).astype("f")
    fix_random_seed(0)
    model = make().initialize(X)
    assert (model.name, model.dim_names, model.get_dim("nO")) == ("para-attn", ("nO",), 2)
    numpy.testing.assert_array_equal(model.get_param("Q"), expected)
    with pytest.raises(ValueError, match="'nO'"):
        make().initialize()
    with pytest.raises(TypeError, match="X must be a Ragged; got ndarray"):
        model.predict(X.dataXd)


@pytest.mark.parametrize("make_keys", [Gelu, lambda: chain(Gelu(5), Linear()), lambda: Gelu(2, 2)])
@pytest.mark.parametrize("samples", [(X,), (X, X)])
def test_widths_of_the_keys_are_found(make_keys, samples):
    model = ParametricAttention_v2(key_transform=make_keys()).initialize(*samples)
    keys = model.get_ref("key_transform")
    assert keys is model.layers[0]
    assert (keys.get_dim("nI"), keys.get_dim("nO")) == (2, 2)
    assert model.predict(X).dataXd.shape == (3, 2)


def test_widths_of_the_keys_without_samples():
    model = ParametricAttention_v2(key_transform=Gelu(), nO=2).initialize()
    assert model.get_ref("key_transform").get_param("W").shape == (2, 2)
    with pytest.raises(ValueError, match="'nO'"):
        ParametricAttention_v2(key_transform=Gelu(3), nO=2).initialize()


def test_copies_use_their_own_keys():
    model = ParametricAttention_v2(key_transform=Gelu(), nO=2).initialize()
    other = model.copy()
    assert other.get_ref("key_transform") is other.layers[0]
    assert other.layers[0] is not model.layers[0]


def test_cauchy_similarity():
    model = CauchySimilarity(2).initialize()
    pair = [numpy.asarray([row], dtype="f") for row in ([1, 2], [0, 4])]
    numpy.testing.assert_allclose(model.predict(pair), [1 / 6], rtol=1e-6)
    assert (model.name, model.dim_names, model.get_dim("nO")) == ("cauchy_similarity", ("nI", "nO"), 1)
    assert CauchySimilarity().initialize(pair).get_param("W").tolist() == [1, 1]
    with pytest.raises(ValueError, match="'nI'"):
        CauchySimilarity().initialize()
    with pytest.raises(ValueError, match=r"two arrays of one shape; got \(1, 2\) and \(2, 2\)"):
        model.predict((pair[0], numpy.ones((2, 2), dtype="f")))
    Y, backprop = model.begin_update(pair)
    dX1, dX2 = backprop(Y)
    numpy.testing.assert_array_equal(dX1, -dX2)
    with pytest.raises(ValueError, match="must have the shape of the output"):
        backprop(dX1)
