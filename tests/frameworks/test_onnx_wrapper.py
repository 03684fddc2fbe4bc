"""ONNXWrapper: a file as a layer, which predicts what the model that it was made of predicts."""

import pickle
from typing import Any

import numpy
import pytest

from thinc_core import layers
from thinc_core.api import Adam, ArgsKwargs, Linear, NumpyOps, ONNXWrapper, Ragged, Relu, chain, registry, to_onnx
from thinc_core.layers import with_array
from thinc_core.onnx._values import arrays_of

from .installed import needs
from .onnx_cases import CASES, Case
from .test_onnx_export import build

onnx = needs("onnx", "onnx")
needs("onnxruntime", "onnx")

B, NI, NO = 5, 4, 3
X = numpy.random.RandomState(0).normal(size=(B, NI)).astype("f")
KINDS = {kind: case for case in CASES for kind in case.kinds if case.layer not in ("reduce_max",)}


def dense() -> Any:
    return Relu(NO, NI).initialize()


def two_inputs() -> Any:
    """A file by other hands: Z = A @ B.T of (n, 4) and (3, 4), and a whole number that is no float."""
    helper, proto = onnx.helper, onnx.TensorProto
    nodes = [
        helper.make_node("Transpose", ["B"], ["Bt"], perm=[1, 0]),
        helper.make_node("MatMul", ["A", "Bt"], ["Z"]),
        helper.make_node("Add", ["n", "n"], ["m"]),
    ]
    inputs = [("A", proto.FLOAT, ["rows", 4]), ("B", proto.FLOAT, [3, 4]), ("n", proto.INT64, [1])]
    outputs = [("Z", proto.FLOAT, ["rows", 3]), ("m", proto.INT64, [1])]
    graph = helper.make_graph(
        nodes, "g", *([helper.make_tensor_value_info(*each) for each in part] for part in (inputs, outputs))
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_batch(kind: str) -> None:
    """A file of to_onnx takes and gives the kinds of batches of its model."""
    case: Case = KINDS[kind]
    model, given = build(case), case.batches(kind, NumpyOps())
    layer = ONNXWrapper(to_onnx(model, given[0]))
    for batch in given:
        found, wanted = layer.predict(batch), model.predict(batch)
        assert type(found) is type(wanted)
        for a, b in zip(arrays_of(found, "Y").values(), arrays_of(wanted, "Y").values()):
            numpy.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)
    other = Ragged(X, numpy.array([B], dtype="int32")) if kind != "ragged" else X
    with pytest.raises(TypeError, match="must be of the kind that the file was written for"):
        layer.predict(other)


def test_from_a_path_bytes_and_a_config(tmp_path: Any) -> None:
    model = dense()
    exported = to_onnx(model, X)
    path = tmp_path / "model.onnx"
    onnx.save(exported, path)
    config = {"layer": {"@layers": "ONNXWrapper.v1", "model": str(path)}}
    made = [ONNXWrapper(path), ONNXWrapper(exported.SerializeToString()), registry.resolve(config)["layer"]]
    for layer in made:
        assert (layer.get_dim("nI"), layer.get_dim("nO")) == (NI, NO)
        numpy.testing.assert_allclose(layer.predict(X), model.predict(X), rtol=1e-6)
        numpy.testing.assert_allclose(layer.predict(X.astype("float64")), model.predict(X), rtol=1e-5)


@pytest.mark.parametrize("given", ["tuple", "list", "dict", "ArgsKwargs"])
def test_several_inputs(given: str) -> None:
    A, C, n = X, X[:3] + 1, numpy.array([4], dtype="int32")
    batch: Any = {
        "tuple": (A, C, n),
        "list": [A, C, n],
        "dict": {"n": n, "A": A, "B": C},
        "ArgsKwargs": ArgsKwargs((A, C), {"n": n}),
    }[given]
    Z, m = ONNXWrapper(two_inputs()).predict(batch)
    numpy.testing.assert_allclose(Z, A @ C.T, rtol=1e-5)
    assert m == [8]


def test_no_backprop_but_below_others_when_frozen() -> None:
    exported = to_onnx(dense(), X)
    model = chain(ONNXWrapper(exported), Linear(2)).initialize(X=X)
    Y, backprop = model.begin_update(X)
    with pytest.raises(NotImplementedError, match=r"onnx.*: a file predicts and has no backprop \(frozen=True"):
        backprop(Y)
    model = chain(ONNXWrapper(exported, frozen=True), Linear(2)).initialize(X=X)
    before = model.layers[1].get_param("W").copy()
    Y, backprop = model.begin_update(X)
    dX = backprop(Y + 1)
    assert dX.shape == X.shape
    assert not dX.any()
    with pytest.raises(ValueError, match=r"onnx.*: dY must have the shape of the output \(5, \d\); got \(5, 9\)"):
        ONNXWrapper(exported, frozen=True).begin_update(X)[1](numpy.zeros((5, 9), "f"))
    model.finish_update(Adam(0.1))
    assert (model.layers[1].get_param("W") != before).any()
    ragged = with_array(ONNXWrapper(exported, frozen=True))
    Yr, backprop = ragged.begin_update(Ragged(X, numpy.array([2, 3], dtype="int32")))
    assert backprop(Yr).data.shape == X.shape


def test_saving_loading_copying() -> None:
    exported = to_onnx(dense(), X)
    model, empty = ONNXWrapper(exported), ONNXWrapper()
    with pytest.raises(ValueError, match="a file must be loaded first"):
        empty.predict(X)
    with pytest.raises(ValueError, match="before it can be saved"):
        empty.to_bytes()
    empty.from_bytes(model.to_bytes())
    assert (empty.predict(X) == model.predict(X)).all()
    copies = [model.copy(), pickle.loads(pickle.dumps(model))]
    for twin in copies:
        assert (twin.predict(X) == model.predict(X)).all()
        assert twin.shims[0].id != model.shims[0].id


def test_a_damaged_file_changes_nothing() -> None:
    model = ONNXWrapper(to_onnx(dense(), X))
    Y = model.predict(X)
    import srsly

    bad = ONNXWrapper(to_onnx(dense(), X)).to_dict()
    for shim in (srsly.msgpack_dumps({"config": {}, "model": b"not onnx"}), srsly.msgpack_dumps([1])):
        bad["shims"] = [[shim]]
        with pytest.raises(ValueError, match="shim of 'onnx': onnx: "):
            model.from_dict(bad)
        assert (model.predict(X) == Y).all()


class TestErrors:
    def test_shapes(self) -> None:
        layer = chain(layers.noop(), ONNXWrapper(to_onnx(dense(), X)))
        with pytest.raises(ValueError, match=r"onnx.*: X must have width 4; got \(5, 3\)"):
            layer.predict(X[:, :3])
        with pytest.raises(ValueError, match=r"input 'B' must have shape \(3, 4\); got \(5, 4\)"):
            ONNXWrapper(two_inputs()).predict((X, X, numpy.array([1])))

    def test_outputs_that_are_not_as_declared(self) -> None:
        exported = two_inputs()
        exported.graph.output[1].type.tensor_type.shape.dim[0].dim_value = 2
        exported.graph.input[2].type.tensor_type.shape.dim[0].dim_param = "n"
        try:
            layer = ONNXWrapper(exported)
        except ValueError:
            pytest.skip("this onnxruntime finds it when the file is loaded")
        with pytest.raises(ValueError, match=r"output 'm' must have shape \(2\); got \(1,\)"):
            layer.predict((X, X[:3], numpy.array([1])))

    def test_dtypes(self) -> None:
        with pytest.raises(TypeError, match="input 'n' must be of int64; got uint64"):
            ONNXWrapper(two_inputs()).predict((X, X[:3], numpy.array([1], dtype="uint64")))
        with pytest.raises(TypeError, match="input 'n' must be of int64; got float32"):
            ONNXWrapper(two_inputs()).predict((X, X[:3], X[0, :1]))

    def test_inputs_that_are_missing_or_unknown(self) -> None:
        layer = ONNXWrapper(two_inputs())
        for batch in ((X, X), {"A": X, "B": X, "k": X}, (X, X, X, X)):
            with pytest.raises(ValueError, match="the inputs must be 'A', 'B', 'n'; got"):
                layer.predict(batch)

    def test_no_onnx(self, tmp_path: Any) -> None:
        (tmp_path / "model.onnx").write_text("hello")
        with pytest.raises(ValueError, match="must be an ONNX file that onnxruntime can run"):
            ONNXWrapper(tmp_path / "model.onnx")
        with pytest.raises(FileNotFoundError):
            ONNXWrapper(tmp_path / "none.onnx")

    def test_devices(self) -> None:
        shim = ONNXWrapper(to_onnx(dense(), X)).shims[0]
        shim.to_device("cpu", 0)
        with pytest.raises(ValueError, match="device must be one of cpu, gpu; got 'tpu'"):
            shim.to_device("tpu", 0)
        import onnxruntime

        if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
            with pytest.raises(ValueError, match="must have CUDAExecutionProvider to run on a GPU"):
                shim.to_device("gpu", 0)
            assert shim.device_type == "cpu"
