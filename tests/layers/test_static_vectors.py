"""StaticVectors: rows of a file."""

import pickle

import numpy
import pytest

from thinc_core.backends import Ops
from thinc_core.config import registry
from thinc_core.layers import StaticVectors
from thinc_core.layers._vectors_file import mapped

VECTORS = numpy.random.RandomState(0).normal(size=(5, 3)).astype("f")


@pytest.fixture
def path(tmp_path):
    numpy.save(tmp_path / "vectors.npy", VECTORS)
    return str(tmp_path / "vectors.npy")


@pytest.fixture
def keys(tmp_path):
    numpy.save(tmp_path / "keys.npy", numpy.asarray([7, 2**64 - 1, 3, 1000, 0], dtype="uint64"))
    return str(tmp_path / "keys.npy")


def test_rows_by_number(path):
    model = StaticVectors(path, project=False).initialize()
    Y, backprop = model.begin_update(numpy.asarray([4, 0, 4, 5, -1]))
    numpy.testing.assert_array_equal(Y, [VECTORS[4], VECTORS[0], VECTORS[4], [0, 0, 0], [0, 0, 0]])
    assert backprop(Y).tolist() == [0] * 5
    assert model.get_dim("nO") == 3
    assert not model.param_names


@pytest.mark.parametrize("dtype", ["uint64", "int64"])
def test_rows_by_key(path, keys, dtype):
    model = StaticVectors(path, keys=keys, column=1, project=False).initialize()
    ids = numpy.asarray([[9, 1000], [9, 2**64 - 1], [9, 8], [9, 0]], dtype="uint64").astype(dtype)
    numpy.testing.assert_array_equal(model.predict(ids), [VECTORS[3], VECTORS[1], [0, 0, 0], VECTORS[4]])
    assert model.predict(ids[:0]).shape == (0, 3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_projection(path, dtype):
    model = StaticVectors(path, 2)
    model._to_ops(Ops())
    model.initialize()
    W = numpy.random.RandomState(1).normal(size=(2, 3)).astype(dtype)
    model.set_param("W", W)
    Y, backprop = model.begin_update(numpy.asarray([1, 3, 1]))
    assert Y.dtype == dtype
    numpy.testing.assert_allclose(Y, VECTORS[[1, 3, 1]] @ W.T, rtol=1e-6)
    dY = numpy.random.RandomState(2).normal(size=Y.shape).astype(dtype)
    backprop(dY)
    numpy.testing.assert_allclose(model.get_grad("W"), dY.T @ VECTORS[[1, 3, 1]], rtol=1e-5)


def test_the_file_is_mapped_and_not_saved(path):
    assert isinstance(mapped(path), numpy.memmap)
    assert not mapped(path).flags.writeable
    model = StaticVectors(path, 2).initialize()
    ids = numpy.asarray([0, 2])
    for other in (StaticVectors(path, 2).from_bytes(model.to_bytes()), model.copy(), pickle.loads(pickle.dumps(model))):
        numpy.testing.assert_array_equal(other.predict(ids), model.predict(ids))
    assert VECTORS.tobytes()[:24] not in model.to_bytes()


def test_a_file_that_changes_is_read_anew(path):
    import os

    model = StaticVectors(path, project=False).initialize()
    before = model.predict(numpy.asarray([1]))
    numpy.save(path + ".new.npy", 2 * VECTORS)
    os.replace(path + ".new.npy", path)
    os.utime(path, ns=(1, 1))
    numpy.testing.assert_array_equal(model.predict(numpy.asarray([1])), 2 * before)


def test_from_a_config(path):
    config = {"model": {"@layers": "StaticVectors.v1", "path": path, "nO": 2}}
    assert registry.resolve(config)["model"].initialize().get_param("W").shape == (2, 3)


def test_wrong_files_and_settings(path, keys, tmp_path):
    with pytest.raises(ValueError, match="static_vectors: path must name a 2-d array of floats; got uint64"):
        StaticVectors(keys).initialize()
    with pytest.raises(ValueError, match="static_vectors: keys must name a 1-d array of integers; got float32"):
        StaticVectors(path, keys=path, project=False).initialize().predict(numpy.asarray([1]))
    numpy.save(tmp_path / "few.npy", numpy.arange(3))
    with pytest.raises(ValueError, match="static_vectors: keys must have one entry for each of the 5 vectors; got 3"):
        StaticVectors(path, keys=str(tmp_path / "few.npy"), project=False).initialize().predict(numpy.asarray([1]))
    with pytest.raises(ValueError, match="static_vectors: nO must be None without a projection; got 2"):
        StaticVectors(path, 2, project=False)
    with pytest.raises(FileNotFoundError):
        StaticVectors(str(tmp_path / "none.npy")).initialize()
