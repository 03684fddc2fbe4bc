"""Parameters as safetensors files: round trips, names, other programs' files, and files that do not fit."""

import json
import subprocess
import sys

import numpy
import pytest

from thinc_core.errors import ModelLoadError
from thinc_core.layers import Linear, Relu, chain, residual
from thinc_core.model import Model
from thinc_core.safetensors_file import from_safetensors, load_safetensors, places, save_safetensors, to_safetensors
from thinc_core.shims import Shim

library = pytest.importorskip("safetensors.numpy", reason="writes safetensors files")
NAMES = ["layers.0.layers.0.W", "layers.0.layers.0.b", "layers.1.W", "layers.1.b"]


def make():
    return chain(residual(Relu(4, 4)), Linear(3, 4))


def made(seed=0):
    numpy.random.seed(seed)
    model = make().initialize()
    for node in model.walk():
        for name in node.param_names:
            node.set_param(name, numpy.random.normal(size=node.get_param(name).shape).astype("f"))
    return model


def state(model):
    return [(node.name, dict(node._dims), {n: node.maybe_get_param(n) for n in node.param_names}, dict(node.attrs))
            for node in model.walk()]  # fmt: skip


def equal(one, other):
    numpy.testing.assert_equal(state(one), state(other))


def tensors(model):
    return library.load(to_safetensors(model))


def test_round_trip(tmp_path):
    model = made()
    save_safetensors(model, tmp_path / "model.safetensors")
    for fresh in (make(), made(1)):
        assert load_safetensors(fresh, tmp_path / "model.safetensors") is fresh
        equal(fresh, model)
        before = fresh.layers[1].get_param("W")
        assert before.flags.writeable
    assert model.to_bytes() == fresh.to_bytes()


def test_names_are_places_in_the_tree():
    model = made()
    found = tensors(model)
    assert sorted(found) == NAMES
    numpy.testing.assert_array_equal(found["layers.1.W"], model.layers[1].get_param("W"))
    assert sorted(tensors(model.layers[1])) == ["W", "b"]
    shared = Linear(4, 4).initialize()
    twice = chain(shared, Relu(4, 4).initialize(), shared)
    assert sorted(tensors(twice)) == ["layers.0.W", "layers.0.b", "layers.1.W", "layers.1.b"]
    assert [place for place, _ in places(twice)] == ["", "layers.0.", "layers.1."]


def test_names_of_layers_do_not_matter_and_attributes_stay():
    model, other = made(), made(1)
    other.layers[1].name = "renamed"
    other.layers[1].attrs["note"] = "mine"
    from_safetensors(other, to_safetensors(model))
    numpy.testing.assert_array_equal(other.layers[1].get_param("W"), model.layers[1].get_param("W"))
    assert (other.layers[1].name, other.layers[1].attrs["note"]) == ("renamed", "mine")


def test_files_of_other_programs():
    random = numpy.random.RandomState(0)
    data = library.save({"weight": random.normal(size=(3, 4)), "bias": random.normal(size=3).astype("f")})
    model = Linear(3, 4)
    from_safetensors(model, data, rename={"W": "weight", "b": "bias"})
    assert model.get_param("W").dtype == "float64"
    assert model.get_param("b").shape == (3,)
    with pytest.raises(ValueError, match="rename must have names of the model; got 'V'"):
        from_safetensors(model, data, rename={"V": "weight"})


def test_not_strict():
    model, other = made(), made(1)
    kept = other.layers[1].get_param("b").copy()
    some = {name: value for name, value in tensors(model).items() if name != "layers.1.b"}
    data = library.save({**some, "more": numpy.zeros(2)})
    with pytest.raises(ModelLoadError, match=r"it lacks layers\.1\.b and has besides more"):
        from_safetensors(other, data)
    from_safetensors(other, data, strict=False)
    numpy.testing.assert_array_equal(other.layers[1].get_param("W"), model.layers[1].get_param("W"))
    numpy.testing.assert_array_equal(other.layers[1].get_param("b"), kept)


@pytest.mark.parametrize(
    "change, message",
    [
        (
            {"layers.1.W": numpy.zeros((3, 5), "f")},
            r"layers\[1\].*parameter 'W' must have shape \(3, 4\); got \(3, 5\)",
        ),
        ({"layers.1.W": numpy.zeros((3, 4), "i")}, "parameter 'W' must be an array of floats; got dtype int32"),
    ],
)
def test_what_does_not_fit_changes_nothing(change, message):
    model, other = made(1), made(1)
    with pytest.raises(ModelLoadError, match=message):
        from_safetensors(model, library.save({**tensors(made()), **change}))
    equal(model, other)


@pytest.mark.parametrize("dims", ["[1]", "{", '{"": 3}', '{"layers.1.": {"nO": 99}}', '{"layers.1.": {"nX": 1}}'])
def test_damaged_dims(dims):
    model, other = made(1), made(1)
    data = library.save(tensors(made()), metadata={"format": "thinc_core.1", "dims": dims})
    with pytest.raises(ModelLoadError):
        from_safetensors(model, data)
    equal(model, other)


def test_damaged_files(tmp_path):
    data, model, other = to_safetensors(made()), made(1), made(1)
    for bad in (b"", b"hello", data[:-1], data[:40], b"\xff" * 8 + data[8:], data + b"x"):
        (tmp_path / "bad.safetensors").write_bytes(bad)
        with pytest.raises(ModelLoadError, match=r"bad\.safetensors: from_safetensors: must be a safetensors file"):
            load_safetensors(model, tmp_path / "bad.safetensors")
    equal(model, other)


def test_unallocated_parameters_are_named():
    with pytest.raises(ValueError, match=r"every parameter must be allocated; got 'W' of .*layers\[1\].* without one"):
        to_safetensors(make())


class Counter(Shim):
    """A shim of one number."""

    def to_bytes(self):
        return json.dumps(self._model).encode()

    def from_bytes(self, data):
        self._model = json.loads(bytes(data))
        return self


def test_shims():
    def wrapped(number):
        return chain(Linear(2, 2).initialize(), Model("shimmed", lambda *_: None, shims=[Counter(number)]))

    model, other = wrapped(7), wrapped(8)
    data = to_safetensors(model)
    assert sorted(library.load(data)) == ["layers.0.W", "layers.0.b", "layers.1.shims.0"]
    from_safetensors(other, data)
    assert other.layers[1].shims[0]._model == 7
    from_safetensors(wrapped(9), library.save({}), strict=False)


def test_without_the_package():
    code = """
import sys
sys.modules["safetensors"] = None
from thinc_core.api import Linear, save_safetensors
try:
    save_safetensors(Linear(2, 2).initialize(), "x")
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("(pip install 'thinc_core[safetensors]')")
