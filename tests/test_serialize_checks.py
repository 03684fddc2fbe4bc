"""Parameters in saved models: larger than msgpack can say, and of dtypes that are no numbers."""

import tracemalloc

import numpy
import pytest
import srsly

from thinc_core import _model_io
from thinc_core.errors import ModelLoadError
from thinc_core.layers import Linear
from thinc_core.model import Model


def state(model):
    return model.to_bytes(), [each.id for each in model.walk()]


@pytest.fixture
def small_pieces(monkeypatch):
    """As if parameters of more than 40 bytes had more than 4 GiB."""
    monkeypatch.setattr(_model_io, "MOST_BYTES", 40)
    monkeypatch.setattr(_model_io, "PIECE", 24)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_parameters_larger_than_msgpack_can_say(small_pieces, dtype):
    values = numpy.random.RandomState(0).normal(size=(5, 7)).astype(dtype)
    model, fresh = Linear(5, 7), Linear(5, 7).initialize()
    for name, value in (("W", values), ("b", values[:, 0])):
        model.set_param(name, value)
    data = model.to_bytes()
    saved = srsly.msgpack_loads(data)["params"][0]["W"]
    assert len(saved["pieces"]) == -(-values.nbytes // 24)
    assert all(piece.nbytes <= 24 for piece in saved["pieces"])
    fresh.from_bytes(data)
    numpy.testing.assert_array_equal(fresh.get_param("W"), values)
    assert fresh.get_param("W").dtype == dtype
    assert fresh.get_param("W").flags.writeable
    assert Linear(5, 7).initialize().can_from_bytes(data)
    assert not Linear(6, 7).initialize().can_from_bytes(data)


def test_pieces_that_do_not_fit(small_pieces):
    good = srsly.msgpack_loads(Linear(5, 7).initialize().to_bytes())
    piece = good["params"][0]["W"]["pieces"][0]
    for change in (
        {"shape": [5, 8]},
        {"shape": 35},
        {"pieces": []},
        {"pieces": [piece.reshape(2, 3)]},
        {"pieces": [piece, piece.astype("i")]},
        {"pieces": [piece, 3]},
    ):
        model = Linear(5, 7).initialize()
        before, msg = state(model), srsly.msgpack_loads(srsly.msgpack_dumps(good))
        msg["params"][0]["W"].update(change)
        with pytest.raises(ModelLoadError, match="node 0, 'linear'"):
            model.from_dict(msg)
        assert state(model) == before


@pytest.mark.parametrize("dtype", ["U3", "i4", "c8", "M8[s]", "?"])
def test_parameters_that_are_no_floats(dtype):
    model = Linear(2, 3).initialize()
    before, msg = state(model), srsly.msgpack_loads(model.to_bytes())
    msg["params"][0]["W"] = numpy.zeros((2, 3), dtype=dtype)
    with pytest.raises(ModelLoadError, match="parameter 'W' must be an array of floats; got dtype"):
        model.from_dict(msg)
    assert state(model) == before


def test_a_parameter_that_the_layer_has_not():
    model = Linear(2, 3).initialize()
    before, msg = state(model), srsly.msgpack_loads(model.to_bytes())
    msg["params"][0]["more"] = numpy.zeros(3, dtype="f")
    with pytest.raises(ModelLoadError, match=r"parameters must be \['W', 'b'\]; got \['W', 'b', 'more'\]"):
        model.from_dict(msg)
    assert state(model) == before


def test_pieces_of_a_parameter_are_joined_into_the_one_copy_that_stays(monkeypatch):
    monkeypatch.setattr(_model_io, "MOST_BYTES", 2**16)
    monkeypatch.setattr(_model_io, "PIECE", 2**14)
    W = numpy.ones(2**20, dtype="float32")
    data = Model("large", lambda model, X, is_train: (X, None), params={"W": W}).to_bytes()
    other = Model("large", lambda model, X, is_train: (X, None), params={"W": None})
    tracemalloc.start()
    try:
        other.from_bytes(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2.5 * W.nbytes  # the pieces and the parameter
    assert numpy.array_equal(other.get_param("W"), W)
