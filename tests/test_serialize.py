"""Saving and loading: the wire format byte for byte, files of the original, and what happens to bad ones."""

import base64
import gc
import json
import pathlib
import threading

import numpy
import pytest
import srsly

from thinc_core import layers
from thinc_core.errors import ModelLoadError
from thinc_core.layers import Dropout, Linear, Relu, chain, noop
from thinc_core.model import Model, deserialize_attr, serialize_attr
from thinc_core.shims import Shim
from thinc_core.types import Ragged, Unserializable

DROPOUT_HEX = (
    "84a56e6f6465739184a5696e64657800a46e616d65a764726f706f7574a464696d7380a47265667380a561747472739182ac64726f70"
    "6f75745f72617465c409cb3fc999999999999aaa69735f656e61626c6564c401c3a6706172616d739180a57368696d739190"
)
LINEAR_HEX = (
    "84a56e6f6465739184a5696e64657800a46e616d65a66c696e656172a464696d7382a26e4f01a26e4902a47265667380a5617474727391"
    "80a6706172616d739182a15785c4026e64c3c40474797065a33c6634c4046b696e64c400c4057368617065920102c40464617461c40800"
    "00803f00000040a16285c4026e64c3c40474797065a33c6634c4046b696e64c400c40573686170659101c40464617461c4040000404"
    "0a57368696d739190"
)
SAVED = json.loads((pathlib.Path(__file__).parent / "data" / "saved_models.json").read_text())
INPUTS = SAVED.pop("_inputs")


def forward(model, X, is_train):
    return X, lambda dY: dY


def node(name="node", **kwargs):
    return Model(name, forward, **kwargs)


def linear():
    W, b = numpy.array([[1, 2]], dtype="f"), numpy.array([3], dtype="f")
    model = Linear(1, 2)
    model.set_param("W", W)
    model.set_param("b", b)
    return model


# The format.


def test_golden_bytes():
    assert Dropout(0.2).to_bytes().hex() == DROPOUT_HEX
    assert linear().to_bytes().hex() == LINEAR_HEX
    assert Linear().from_bytes(bytes.fromhex(LINEAR_HEX)).get_param("W").tolist() == [[1, 2]]


def test_dict_layout():
    inner = linear()
    model = node("outer", layers=[inner, noop()], attrs={"a": 1, "f": len, "none": None}, refs={"x": inner, "y": None})
    msg = model.to_dict()
    assert list(msg) == ["nodes", "attrs", "params", "shims"]
    assert msg["nodes"][0] == {"index": 0, "name": "outer", "dims": {}, "refs": {"x": 1, "y": None}}
    assert msg["nodes"][1] == {"index": 1, "name": "linear", "dims": {"nO": 1, "nI": 2}, "refs": {}}
    assert msg["attrs"][0] == {"a": b"\x01", "none": b"\xc0"}
    assert msg["params"][1]["W"] is inner.get_param("W")
    assert msg["shims"] == [[], [], []]


def test_big_endian_and_strided_parameters_are_saved_in_the_standard_form():
    model = Linear(1, 2)
    model.set_param("W", numpy.array([[1, 9, 2, 9]], dtype=">f4")[:, ::2])
    model.set_param("b", numpy.array([3], dtype=">f4"))
    assert model.to_bytes().hex() == LINEAR_HEX


@pytest.mark.parametrize("dtype", ["float64", "float16", "int64", "uint8", "bool"])
def test_dtypes_survive(dtype):
    model = node(params={"p": numpy.array([[1, 0]], dtype=dtype)})
    again = node(params={"p": None}).from_bytes(model.to_bytes())
    assert again.get_param("p").dtype == dtype
    assert again.get_param("p").flags.writeable
    numpy.testing.assert_array_equal(again.get_param("p"), model.get_param("p"))


def test_object_arrays_are_refused():
    with pytest.raises(TypeError, match="'p' of 'node' with dtype object"):
        node(params={"p": numpy.array([{}], dtype=object)}).to_bytes()


# Files of the original.

BUILD = {
    "Linear": lambda: layers.Linear(4, 5),
    "Relu": lambda: layers.Relu(4, 5, dropout=0.2),
    "Mish": lambda: layers.Mish(4, 5, normalize=True),
    "Gelu": lambda: layers.Gelu(4, 5),
    "Maxout": lambda: layers.Maxout(4, 5, nP=3, normalize=True, dropout=0.1),
    "Softmax": lambda: layers.Softmax(4, 5),
    "Softmax_v2": lambda: layers.Softmax_v2(4, 5),
    "LayerNorm": lambda: layers.LayerNorm(5),
    "Embed": lambda: layers.Embed(4, 20),
    "HashEmbed": lambda: layers.HashEmbed(4, 30, seed=3, column=1),
    "chain": lambda: chain(Relu(4, 5), Relu(4, 4), layers.Softmax(3, 4)),
    "concatenate": lambda: layers.concatenate(Linear(2, 5), chain(Relu(3, 5), Linear(2, 3))),
    "residual": lambda: layers.residual(Relu(5, 5, normalize=True)),
    "add": lambda: layers.add(Linear(3, 5), Linear(3, 5)),
    "with_array": lambda: layers.with_array(Linear(3, 5)),
    "with_padded": lambda: layers.with_padded(noop()),
    "list2ragged": lambda: chain(layers.list2ragged(), layers.reduce_mean(), Linear(3, 5)),
    "ragged": lambda: chain(layers.with_array(Linear(3, 5)), layers.ragged2list()),
    "reduce": lambda: chain(
        layers.list2ragged(),
        layers.concatenate(
            layers.reduce_max(), layers.reduce_sum(), layers.reduce_mean(), layers.reduce_first(), layers.reduce_last()
        ),
    ),
    "cnn": lambda: cnn(),
}


def cnn():
    embed = layers.concatenate(layers.HashEmbed(8, 50, column=0, seed=1), layers.HashEmbed(8, 40, column=1, seed=2))
    maxout = layers.Maxout(nO=8, nI=24, nP=3, normalize=True, dropout=0.1)
    encode = layers.clone(layers.residual(chain(layers.expand_window(1), maxout)), 2)
    return chain(
        layers.with_array(chain(embed, layers.Maxout(8, 16, nP=3, normalize=True), encode)),
        layers.with_array(layers.Softmax(4, 8)),
    )


def inputs(name):
    X = numpy.array(INPUTS["X"], dtype="f")
    ids, keys = numpy.array(INPUTS["ids"], dtype="i"), numpy.array(INPUTS["keys"], dtype="uint64")
    ends = numpy.cumsum(INPUTS["lengths"])[:-1]
    if name in ("with_array", "with_padded", "list2ragged", "reduce"):
        return numpy.split(X, ends)
    special = {
        "Embed": ids,
        "HashEmbed": keys,
        "cnn": numpy.split(keys, ends),
        "ragged": Ragged(X, numpy.array(INPUTS["lengths"], dtype="i")),
    }
    return special.get(name, X)


def flat(Y):
    if isinstance(Y, list):
        return numpy.concatenate([flat(y) for y in Y])
    return getattr(Y, "dataXd", Y)


@pytest.mark.parametrize("name", list(SAVED))
def test_files_of_the_original_predict_the_same(name):
    data = base64.b64decode(SAVED[name]["bytes"])
    model = BUILD[name]()
    assert model.can_from_bytes(data)
    model.from_bytes(data)
    Y = flat(model.predict(inputs(name)))
    numpy.testing.assert_allclose(Y.ravel(), SAVED[name]["Y"], rtol=1e-5, atol=1e-6)
    assert model.to_bytes() == data


# Attributes.


def test_attributes_round_trip_and_others_are_left_out():
    attrs = {"a": 0.2, "b": [1, "x"], "c": {1: 2}, "f": len, "skip": Unserializable(3), "arr": numpy.arange(3)}
    model = node(attrs=attrs)
    again = node(attrs={**dict.fromkeys(attrs), "f": max}).from_bytes(model.to_bytes())
    assert again.attrs["b"] == [1, "x"]
    assert again.attrs["c"] == {1: 2}
    assert again.attrs["arr"].tolist() == [0, 1, 2]
    assert again.attrs["f"] is max
    assert again.attrs["skip"] is None
    with pytest.raises(OverflowError):
        node(attrs={"big": 2**70}).to_bytes()


@pytest.mark.parametrize(
    "value", [None, True, False, 0.0, -1.5, float("inf"), 1e-300, 0, 1, 127, "x", b"y", [None], 2**63]
)
def test_short_cuts_give_the_bytes_of_msgpack(value):
    data = serialize_attr(value, value, "name", node())
    assert data == srsly.msgpack_dumps(value)
    again = deserialize_attr(value, data, "name", node())
    assert again == value
    assert type(again) is type(value)


class Celsius:
    def __init__(self, degrees):
        self.degrees = degrees


@serialize_attr.register(Celsius)
def _(_, value, name, model):
    return srsly.msgpack_dumps([value.degrees, name, model.name])


@deserialize_attr.register(Celsius)
def _(_, value, name, model):
    return Celsius(srsly.msgpack_loads(value)[0])


def test_registered_attribute_types():
    data = node(attrs={"t": Celsius(21)}).to_bytes()
    assert node(attrs={"t": Celsius(0)}).from_bytes(data).attrs["t"].degrees == 21
    assert node(attrs={"t": None}).from_bytes(data).attrs["t"] == [21, "t", "node"]


# References and shims.


def test_refs_to_siblings_and_parents_load():
    def build():
        a = node("a")
        b = node("b", refs={"sibling": a, "unset": None})
        model = node("root", layers=[a, b])
        b._refs["up"] = model
        return model

    model, other = build(), build()
    other.layers[1]._refs.update(sibling=None, up=None)
    other.from_bytes(model.to_bytes())
    assert other.layers[1].get_ref("sibling") is other.layers[0]
    assert other.layers[1].get_ref("up") is other
    with pytest.raises(ValueError, match=r"refs must lie inside the tree; got \['sibling', 'up'\] of 'b'"):
        model.layers[1].from_bytes(model.layers[1].to_bytes())


class Box(Shim):
    def to_bytes(self):
        return self._model

    def from_bytes(self, data):
        if data == "bad":
            raise ValueError("bad data")
        self._model = data
        return self


def test_shims_are_saved_and_undone_together():
    model = node(shims=[Box("one"), Box({"not": "bytes"})])
    other = node(shims=[Box(None), Box(None)]).from_dict(model.to_dict())
    assert [shim._model for shim in other.shims] == ["one", {"not": "bytes"}]
    other = node(shims=[Box("old"), Box("old")], params={"W": numpy.zeros(1)})
    msg = node(shims=[Box("new"), Box("bad")], params={"W": numpy.ones(1)}).to_dict()
    with pytest.raises(ModelLoadError, match="shim of 'node': bad data"):
        other.from_dict(msg)
    assert [shim._model for shim in other.shims] == ["old", "old"]
    assert other.get_param("W").tolist() == [0]
    with pytest.raises(ModelLoadError, match="must have 2 shims; got 1"):
        other.from_dict(node(shims=[Box("x")], params={"W": numpy.ones(1)}).to_dict())


def test_shim_files(tmp_path):
    Box(b"abc").to_disk(tmp_path / "shim")
    assert Box(None).from_disk(str(tmp_path / "shim"))._model == b"abc"


# Bad data.


def state(model):
    return model.to_bytes(), [each.id for each in model.walk()]


BAD_BYTES = {
    "empty": b"",
    "text": b"hello world, this is not a model",
    "one byte": b"\x84",
    "another msgpack": srsly.msgpack_dumps({"a": 1}),
    "a list": srsly.msgpack_dumps([1, 2]),
    "a number": srsly.msgpack_dumps(7),
    "pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x05hello\x94.",
    "nodes of the wrong type": srsly.msgpack_dumps({"nodes": 3, "attrs": [], "params": [], "shims": []}),
    "lists of other lengths": srsly.msgpack_dumps({"nodes": [{}], "attrs": [], "params": [], "shims": []}),
    "unhashable key": b"\x81\x91\x01\x02",
    "object dtype": bytes.fromhex(LINEAR_HEX.replace("a33c6634", "a37c4f38")),
    "trailing bytes": bytes.fromhex(LINEAR_HEX) + b"x",
}


@pytest.mark.parametrize("data", list(BAD_BYTES.values()), ids=list(BAD_BYTES))
def test_foreign_bytes_give_one_clear_error(data):
    model = linear()
    before = state(model)
    with pytest.raises(ModelLoadError, match="from_bytes"):
        model.from_bytes(data)
    assert state(model) == before
    assert model.can_from_bytes(data) is False
    assert gc.isenabled()


def test_every_truncation_and_bit_flip_is_refused_or_loads_whole():
    good = chain(linear(), Dropout(0.1)).to_bytes()
    for cut in range(len(good)):
        with pytest.raises(ModelLoadError):
            chain(Linear(1, 2), Dropout()).from_bytes(good[:cut])
    rng = numpy.random.RandomState(0)
    for _ in range(400):
        data = bytearray(good)
        data[rng.randint(len(data))] ^= 1 << rng.randint(8)
        model = chain(linear(), Dropout(0.3))
        before = state(model)
        try:
            model.from_bytes(bytes(data))
        except ModelLoadError:
            assert state(model) == before


def test_loading_is_atomic_and_names_the_node():
    model = chain(Linear(2, 3), chain(Linear(2, 2), Linear(2, 2))).initialize()
    before = state(model)

    def broken(change):
        msg = srsly.msgpack_loads(model.to_bytes())
        change(msg)
        with pytest.raises(ModelLoadError) as caught:
            model.from_dict(msg)
        assert state(model) == before
        return str(caught.value)

    deepest = r"node 3, 'linear>>linear>>linear'.layers[1].layers[0] ('linear')"
    assert deepest in broken(lambda msg: msg["nodes"][3]["dims"].update(nO=7))
    assert "got 'nX'" in broken(lambda msg: msg["nodes"][3]["dims"].update(nX=7))
    assert "got -1" in broken(lambda msg: msg["nodes"][3]["dims"].update(nO=-1))
    text = broken(lambda msg: msg["params"][3].update(W=numpy.zeros((2, 3), dtype="f")))
    assert deepest in text
    assert "parameter 'W' must have shape (2, 2); got (2, 3)" in text
    assert "must be an array; got str" in broken(lambda msg: msg["params"][3].update(W="x"))
    assert "got ['V', 'b']" in broken(lambda msg: msg["params"].__setitem__(3, {"V": None, "b": None}))
    text = broken(lambda msg: msg["params"][3].update(W=None))
    assert "parameter 'W' must be set, as the model's is; got none in the saved model" in text
    assert "below 5; got 9" in broken(lambda msg: msg["nodes"][3]["refs"].update(r=9))
    assert "must have the 5 nodes" in broken(lambda msg: [each.pop() for each in msg.values()])
    assert "without 'nodes'" in broken(lambda msg: msg.pop("nodes"))


def test_shapes_that_dims_imply_are_checked_before_initialization():
    class init:
        param_shapes = {"W": ("nO", "nI")}

        def __call__(self, model, X=None, Y=None):
            pass

    good = node(dims={"nO": 2, "nI": 3}, params={"W": numpy.zeros((2, 3))})
    bad = node(dims={"nO": 2, "nI": 3}, params={"W": numpy.zeros((3, 3))})
    model = node(dims={"nO": None, "nI": None}, params={"W": None}, init=init())
    with pytest.raises(ModelLoadError, match=r"'W' must have shape \(2, 3\); got \(3, 3\)"):
        model.from_bytes(bad.to_bytes())
    assert model.has_dim("nO") is None
    assert model.from_bytes(good.to_bytes()).get_dim("nI") == 3


def test_parameters_that_only_initialize_registers_are_added():
    trained = node(params={"W": numpy.ones(2)})
    assert node().from_bytes(trained.to_bytes()).get_param("W").tolist() == [1, 1]
    with pytest.raises(ModelLoadError, match="parameters must be"):
        Linear(2, 2).from_bytes(node(dims={"nO": 2}).to_bytes())


def test_loaded_parameters_are_not_shared():
    model = linear()
    other = Linear(1, 2).from_dict(model.to_dict())
    other.get_param("W")[:] = 0
    assert model.get_param("W").tolist() == [[1, 2]]


# can_from_*.


def test_can_from():
    trained = Linear(2, 3).initialize()
    assert Linear().can_from_bytes(trained.to_bytes())
    assert not Linear(2, 3).can_from_bytes(Linear().to_bytes())
    relu = Relu(2, 3).initialize().to_bytes()
    assert not Linear().can_from_bytes(relu)
    assert Linear().can_from_bytes(relu, strict=False)
    assert not Dropout(0.1).can_from_bytes(Dropout(0.2).to_bytes())
    assert Dropout(0.1).can_from_bytes(Dropout(0.2).to_bytes(), strict=False)
    assert not Linear().can_from_dict({})
    assert not Linear(2, 4).initialize().can_from_dict(trained.to_dict(), strict=False)
    assert not noop().can_from_dict(trained.to_dict(), strict=False)
    assert not chain(Linear(), noop()).can_from_dict(trained.to_dict())
    assert not node(shims=[Box(1)]).can_from_dict(node().to_dict())
    assert node(attrs={"f": len}).can_from_dict(node(attrs={"f": 3}).to_dict())


def test_can_from_disk(tmp_path):
    linear().to_disk(tmp_path / "model")
    assert Linear().can_from_disk(tmp_path / "model")
    assert not Linear().can_from_disk(tmp_path / "missing")
    assert not Linear().can_from_disk(tmp_path)
    assert not Linear().can_from_disk(tmp_path / "model" / "below a file")


# Files.


def test_files_by_string_and_path(tmp_path):
    model = linear()
    model.to_disk(str(tmp_path / "a"))
    model.to_disk(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == model.to_bytes()
    assert Linear().from_disk(tmp_path / "a").get_param("b").tolist() == [3]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    for run in (model.to_disk, model.from_disk):
        with pytest.raises(IsADirectoryError):
            run(tmp_path)
    with pytest.raises(FileNotFoundError):
        model.from_disk(tmp_path / "missing")
    with pytest.raises(FileNotFoundError):
        model.to_disk(tmp_path / "missing" / "model")


def test_other_path_like_objects(tmp_path):
    class CloudPath:
        def open(self, mode):
            return open(tmp_path / "cloud", mode)

    linear().to_disk(CloudPath())
    assert Linear().from_disk(CloudPath()).get_param("b").tolist() == [3]


def test_bad_files_are_named(tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(linear().to_bytes()[:60])
    with pytest.raises(ModelLoadError, match=r"model\.bin: from_bytes: must be a saved model; got 60 bytes"):
        Linear().from_disk(path)


def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model"
    linear().to_disk(path)
    before = path.read_bytes()
    path.chmod(0o640)

    def no_space(*args):
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr("os.replace", no_space)
        with pytest.raises(OSError, match="no space left"):
            Linear(3, 3).initialize().to_disk(path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["model"]
    Linear(3, 3).initialize().to_disk(path)
    assert path.stat().st_mode & 0o777 == 0o640


def test_symlinks_stay_symlinks(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    linear().to_disk(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == linear().to_bytes()


def test_readers_see_a_whole_file_while_it_is_rewritten(tmp_path):
    path, model = tmp_path / "model", Linear(30, 30).initialize()
    model.to_disk(path)
    stop = threading.Event()

    def rewrite():
        while not stop.is_set():
            model.to_disk(path)

    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        for _ in range(50):
            Linear(30, 30).from_disk(path)
    finally:
        stop.set()
        writer.join()
