import numpy
import pytest

from thinc_core.backends import Ops, get_current_ops
from thinc_core.layers import Embed, HashEmbed
from thinc_core.model import Model

IDS = numpy.asarray([1, 4, 1, 0])


def table(n_rows, width):
    return numpy.random.RandomState(0).normal(size=(n_rows, width)).astype("f")


def both_ops(make):
    for ops in (Ops(), get_current_ops()):
        model = make().initialize()
        model._to_ops(ops)
        yield model


def core(model: Model) -> Model:
    return model.layers[-1] if model.layers else model


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint64", "uint8"])
@pytest.mark.parametrize("column", [None, 1])
def test_lookup(dtype, column):
    for model in both_ops(lambda: Embed(3, 5, column=column)):
        E = core(model).get_param("E")
        ids = IDS.astype(dtype) if column is None else numpy.stack([IDS * 0, IDS], axis=1).astype(dtype)
        Y, backprop = model.begin_update(ids)
        numpy.testing.assert_array_equal(Y, E[IDS])
        dY = table(4, 3)
        dX = backprop(dY)
        assert dX.shape == ids.shape
        assert not dX.any()
        expected = numpy.zeros((5, 3), dtype="f")
        numpy.add.at(expected, IDS, dY)
        numpy.testing.assert_allclose(core(model).get_grad("E"), expected, rtol=1e-6)


def test_negative_and_wrong_ids():
    model = Embed(3, 5).initialize()
    Y, backprop = model.begin_update(numpy.asarray([-1]))
    backprop(Y)
    numpy.testing.assert_array_equal(model.get_grad("E")[4], Y[0])
    with pytest.raises(IndexError):
        model.predict(numpy.asarray([5]))


def test_dims():
    assert Embed(nV=5).initialize(Y=numpy.zeros((2, 7), dtype="f")).get_dim("nO") == 7
    with pytest.raises(ValueError, match="'nV'"):
        Embed(3).initialize()
    with pytest.raises(ValueError, match="'nO'"):
        Embed(nV=3).initialize()
    assert Embed(3, 5, column=2).attrs == {"column": 2}
    assert Embed(3, 5, dropout=0.1).attrs == {"column": None, "dropout_rate": 0.1}


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint64"])
@pytest.mark.parametrize("column", [None, 1])
def test_hashed_lookup(dtype, column):
    ids = numpy.asarray([1, 2**31 - 1, 1, 0]).astype(dtype)
    rows = Ops().hash(ids.astype("uint64"), 7) % 5
    for model in both_ops(lambda: HashEmbed(3, 5, seed=7, column=column)):
        E = core(model).get_param("E")
        X = ids if column is None else numpy.stack([ids * 0, ids], axis=1)
        Y, backprop = model.begin_update(X)
        numpy.testing.assert_allclose(Y, E[rows].sum(axis=1), rtol=1e-5, atol=1e-7)
        dY = table(4, 3)
        dX = backprop(dY)
        assert dX.shape == X.shape
        assert not dX.any()
        expected = numpy.zeros((5, 3), dtype="f")
        for each in rows.T:
            numpy.add.at(expected, each, dY)
        numpy.testing.assert_allclose(core(model).get_grad("E"), expected, rtol=1e-5, atol=1e-6)


def test_negative_ids_wrap():
    model = HashEmbed(3, 50).initialize()
    wrapped = model.predict(numpy.asarray([2**64 - 1], dtype="uint64"))
    numpy.testing.assert_array_equal(model.predict(numpy.asarray([-1])), wrapped)


@pytest.mark.parametrize("make", [Embed, HashEmbed])
@pytest.mark.parametrize("shape", [(0,), (0, 0), (0, 2)])
def test_no_ids(make, shape):
    model = make(3, 5, column=1 if len(shape) == 2 else None).initialize()
    Y, backprop = model.begin_update(numpy.zeros(shape, dtype="uint64"))
    assert Y.shape == (0, 3)
    assert len(backprop(Y)) == 0
    assert not core(model).maybe_get_grad("E").any()


def test_seed():
    ids = numpy.arange(9)
    first, second = HashEmbed(3, 500, seed=1).initialize(), HashEmbed(3, 500, seed=2).initialize()
    second.set_param("E", first.get_param("E"))
    assert (first.predict(ids) != second.predict(ids)).any()
    other = HashEmbed(3, 500).initialize()
    loaded = HashEmbed(3, 500).from_bytes(other.to_bytes())
    assert loaded.attrs["seed"] == other.attrs["seed"]
    assert other.copy().attrs["seed"] == other.attrs["seed"]
    with pytest.raises(OverflowError, match="seed must be in"):
        HashEmbed(3, 5, seed=2**32).initialize().predict(ids)


def test_gradients_go_straight_to_the_buffer():
    """Once there is a gradient, a step allocates nothing of the size of the table."""
    model = HashEmbed(3, 5).initialize()
    Y, backprop = model.begin_update(numpy.arange(4))
    backprop(Y)
    buffer = model.get_grad("E")
    backprop(Y)
    assert model.get_grad("E") is buffer
