"""Layers that replace ids and words by numbers."""

import copy
import pickle

import numpy
import pytest

from thinc_core.config import registry
from thinc_core.layers import premap_ids, remap_ids, remap_ids_v2, strings2arrays

TABLE = {7: 3, 2**64 - 1: 8, 0: 5, 2**40: 2}
IDS = numpy.asarray([0, 7, 9, 2**40])
WANTED = [[5], [3], [1], [2]]
MAKERS = pytest.mark.parametrize("make", [premap_ids, remap_ids, remap_ids_v2])
WITH_COLUMNS = pytest.mark.parametrize("make", [premap_ids, remap_ids_v2])
# What an older library saves of premap_ids({...}, 3, column=1): everything but the table.
OLD_FILE = (
    "84a56e6f6465739184a5696e64657800a46e616d65aa7072656d61705f696473a464696d7380a47265667380a561747472739182a764656661"
    "756c74c40103a6636f6c756d6ec40101a6706172616d739180a57368696d739190"
)


@MAKERS
@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_lookup(make, dtype):
    Y, backprop = make(TABLE, 1).begin_update(IDS.astype(dtype))
    assert (Y.tolist(), Y.dtype) == (WANTED, "int32")
    dX = backprop(Y.astype("f"))
    assert (dX.shape, dX.dtype, dX.any()) == (IDS.shape, dtype, False)


@WITH_COLUMNS
def test_column(make):
    X = numpy.stack([IDS * 0, IDS], axis=1)
    Y, backprop = make(TABLE, 1, column=1).begin_update(X)
    assert Y.tolist() == WANTED
    assert (backprop(Y).shape, backprop(Y).dtype, backprop(Y).any()) == (X.shape, X.dtype, False)
    with pytest.raises(TypeError, match=r"X must have 1 dimension \(or say which column\); got shape \(4, 2\)"):
        make(TABLE).predict(X)
    with pytest.raises(TypeError, match="X must have 2 dimensions to take column 1; got shape"):
        make(TABLE, column=1).predict(IDS)


@MAKERS
def test_nothing_to_look_up(make):
    Y, backprop = make({}, 4).begin_update(IDS)
    assert (Y == 4).all()
    Y, backprop = make(TABLE).begin_update(IDS[:0])
    assert (Y.shape, backprop(Y).shape) == ((0, 1), (0,))


@WITH_COLUMNS
@pytest.mark.parametrize("shape", [(0, 0), (0, 2)])
def test_no_rows(make, shape):
    Y, backprop = make(TABLE, column=1).begin_update(numpy.zeros(shape, dtype="int64"))
    assert (Y.shape, backprop(Y).shape) == ((0, 1), shape)


@MAKERS
@pytest.mark.parametrize(
    "duplicate",
    [
        lambda model, make: make({}).from_bytes(model.to_bytes()),
        lambda model, make: model.copy(),
        lambda model, make: copy.deepcopy(model),
        lambda model, make: pickle.loads(pickle.dumps(model)),
    ],
    ids=["bytes", "copy", "deepcopy", "pickle"],
)
def test_the_table_is_kept(make, duplicate):
    model = make(TABLE, 1)
    model.predict(IDS)
    assert duplicate(model, make).predict(IDS).tolist() == WANTED


def test_a_file_without_a_table_leaves_the_one_there_is():
    model = premap_ids({7: 4}).from_bytes(bytes.fromhex(OLD_FILE))
    assert model.predict(numpy.asarray([[0, 7], [0, 8]])).tolist() == [[4], [3]]


@pytest.mark.parametrize(
    "table, error, message",
    [
        ({1: "a"}, ValueError, r"must map int to int; got 1 \(int\) and 'a' \(str\)"),
        ({1.0: 2}, ValueError, r"got 1.0 \(float\)"),
        ({-1: 2}, OverflowError, r"got -1 and 2"),
        ({1: 2**31}, OverflowError, "got 1 and 2147483648"),
    ],
)
def test_what_can_be_mapped_beforehand(table, error, message):
    with pytest.raises(error, match=message):
        premap_ids(table)


def test_wrong_ids():
    with pytest.raises(ValueError, match="integer dtype; got float32"):
        premap_ids(TABLE).predict(IDS.astype("f"))


def test_negative_ids_are_unsigned_ones():
    assert premap_ids(TABLE).predict(numpy.asarray([-1])).tolist() == [[8]]


@pytest.mark.parametrize("make", [remap_ids, remap_ids_v2])
def test_items_of_any_kind(make):
    model = make({"a": 2, 5: 7, "b": 1}, 9)
    Y, backprop = model.begin_update(["b", 5, "c", "a"])
    assert (Y.tolist(), backprop(Y)) == ([[1], [7], [9], [2]], [])
    assert model.predict(numpy.asarray(["a", "z"])).tolist() == [[2], [9]]
    assert model.predict([]).shape == (0, 1)


def test_dtype_of_the_first_version():
    model = remap_ids({1: 2}, dtype="float64")
    assert model.predict([1, 2]).dtype == "float64"
    assert model.attrs == {"mapping_table": {1: 2}, "dtype": "float64", "default": 0}


def test_tables_that_are_filled_later():
    first, second = remap_ids(), remap_ids()
    first.attrs["mapping_table"]["a"] = 3
    assert second.predict(["a"]).tolist() == [[0]]
    table = {}
    model = remap_ids(table)
    table["a"] = 4
    assert model.predict(["a"]).tolist() == [[4]]
    model = remap_ids_v2()
    with pytest.raises(ValueError, match="mapping_table must be set before use"):
        model.predict([1])
    model.attrs["mapping_table"] = {1: 5}
    assert model.predict([1]).tolist() == [[5]]


def test_hashes_of_words():
    model = strings2arrays()
    Ys, backprop = model.begin_update([["hello", "world", "", "a", "naïve 漢字"], []])
    assert Ys[0].tolist() == [[613153351], [18446744073635511547], [0], [1009084850], [306007716]]
    assert [(Y.shape, Y.dtype) for Y in Ys] == [((5, 1), "uint64"), ((0, 1), "uint64")]
    assert backprop(Ys) == []
    assert model.predict([]) == []


@pytest.mark.parametrize(
    "config, name",
    [
        ({"@layers": "premap_ids.v1", "mapping_table": {1: 2}, "default": 3, "column": 1}, "premap_ids"),
        ({"@layers": "remap_ids.v1", "mapping_table": {"a": 2}, "default": 3, "dtype": "i"}, "remap_ids"),
        ({"@layers": "remap_ids.v1"}, "remap_ids"),
        ({"@layers": "remap_ids.v2", "mapping_table": {"a": 2}, "default": 3, "column": 1}, "remap_ids"),
        ({"@layers": "strings2arrays.v1"}, "strings2arrays"),
    ],
)
def test_registered(config, name):
    assert registry.resolve({"model": config})["model"].name == name
