"""to_onnx: onnxruntime gives the numbers that the model gives, for every layer of the table."""

from typing import Any, Dict, List

import numpy
import pytest

from thinc_core import layers
from thinc_core.api import Model, NumpyOps, Ragged, fix_random_seed
from thinc_core.onnx import COVERED, REFUSED, onnx_inputs, onnx_rule, to_onnx
from thinc_core.onnx._values import arrays_of

from .installed import needs
from .onnx_cases import CASES, NI, NO, Case, batch, static_vectors

onnx = needs("onnx", "onnx")
onnxruntime = needs("onnxruntime", "onnx")

EACH = [pytest.param(case, kind, id=f"{case.id}-{kind}") for case in CASES for kind in case.kinds]
OPS = NumpyOps()


def build(case: Case) -> Model:
    """The layer with parameters that are random everywhere; variances stay positive."""
    fix_random_seed(0)
    model = case.make().initialize()
    randomize(model)
    return model


def randomize(model: Model) -> None:
    for node in model.walk():
        for name in node.param_names:
            param = node.get_param(name)
            noise = numpy.random.normal(scale=0.5, size=param.shape).astype("f")
            node.set_param(name, param + abs(noise) if name == "var" else param + noise)


def run(exported: Any, X: Any) -> List[Any]:
    session = onnxruntime.InferenceSession(exported.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, onnx_inputs(X))


def assert_same(exported: Any, model: Model, X: Any) -> None:
    wanted: Dict[str, Any] = arrays_of(model.predict(X), "Y")
    assert [output.name for output in exported.graph.output] == list(wanted)
    for (name, array), found in zip(wanted.items(), run(exported, X)):
        assert found.shape == array.shape, name
        assert found.dtype == array.dtype, name
        numpy.testing.assert_allclose(found, array, rtol=2e-5, atol=2e-5, err_msg=name)


@pytest.mark.parametrize("case, kind", EACH)
def test_onnxruntime_gives_the_same(case: Case, kind: str) -> None:
    model = build(case)
    batches = case.batches(kind, OPS)
    exported = to_onnx(model, batches[0])
    onnx.checker.check_model(exported, full_check=True)
    for X in batches:
        assert_same(exported, model, X)


def test_the_table_is_complete() -> None:
    """Every layer is covered by a case that ran, or has a reason; those that run other frameworks write none."""
    assert not set(COVERED) & set(REFUSED)
    foreign = {name for name in layers.__all__ if name.endswith(("Wrapper", "Wrapper_v1", "Wrapper_v2", "Wrapper_v3"))}
    foreign |= {"PyTorchLSTM", "keras_subclass", "pytorch_to_torchscript_wrapper"}
    assert {*COVERED, *REFUSED} == set(layers.__all__) - foreign
    tested = {"StaticVectors", "with_signpost_interval", *(case.layer for case in CASES)}
    assert tested == set(COVERED)


@pytest.mark.parametrize("keys", [None, numpy.array([2**64 - 2, 3, 5, 1, 0, 7, 2], dtype="uint64")])
def test_static_vectors(tmp_path: Any, keys: Any) -> None:
    X = numpy.array([0, 3, 9, 2**64 - 2, 5], dtype="uint64")
    for more in ({"nO": NO}, {"project": False}):
        model = static_vectors(tmp_path, keys, **more).initialize()
        assert_same(to_onnx(model, X), model, X)
    model = static_vectors(tmp_path, keys, nO=NO, column=1).initialize()
    X = numpy.stack([X * 0, X], axis=1)
    assert_same(to_onnx(model, X), model, X)


def test_a_tagger() -> None:
    """Hash embeddings, windows, maxout and softmax: the shape of a whole pipeline."""
    embed = layers.concatenate(*[layers.HashEmbed(5, 50, column=i, seed=i) for i in range(3)])
    mixed = layers.with_array(layers.chain(layers.uniqued(embed, column=0), layers.Maxout(NI, 15, normalize=True)))
    window = layers.chain(layers.expand_window(), layers.with_array(layers.Maxout(NI, NI * 3, normalize=True)))
    encode = layers.with_ragged(layers.clone(layers.residual(window), 2))
    model = layers.chain(mixed, encode, layers.with_array(layers.Softmax(7, NI))).initialize()
    randomize(model)
    lengths = [3, 0, 5, 1]
    X = [batch("columns of keys", [length], seed, OPS) for seed, length in enumerate(lengths)]
    exported = to_onnx(model, X)
    assert_same(exported, model, X)
    assert_same(exported, model, X[2:])


def test_extreme_values() -> None:
    """Stable where the formula is: far from zero, activations neither overflow nor become NaN."""
    X = numpy.array([[-1e30, -200, -30, -1, 0, 1, 30, 200, 1e30]], dtype="f")
    for name in ("gelu", "gelu_approx", "mish", "swish", "dish", "softplus", "sigmoid", "elu", "hard_swish"):
        model = layers.activation(name)
        assert_same(to_onnx(model, X), model, X)


def test_rotary_positions_far_from_the_start() -> None:
    """Angles of thousands of turns: computed in float32 they would be off by more than the tolerance."""
    fix_random_seed(0)
    model = layers.SelfAttention(32, NI, nH=1, rotary=True).initialize()
    model.set_param("W_in", model.get_param("W_in") * 3)  # few rows have all the weight
    rows = numpy.random.RandomState(0).normal(size=(3000, NI)).astype("f")
    X = Ragged(rows, numpy.array([3000], dtype="int32"))
    numpy.testing.assert_allclose(run(to_onnx(model, X), X)[0], model.predict(X).data, rtol=0, atol=1e-4)


def test_an_empty_batch() -> None:
    model = layers.chain(layers.list2ragged(), layers.expand_window(), layers.reduce_sum()).initialize()
    X = batch("list", [2, 1], 0, OPS)
    exported = to_onnx(model, X)
    empty = [X[0][:0]]
    assert_same(exported, model, empty)


def test_shared_parameters_are_stored_once() -> None:
    shared = layers.Linear(300, 300).initialize()
    X = numpy.zeros((2, 300), dtype="f")
    once, twice = (len(to_onnx(m, X).SerializeToString()) for m in (shared, layers.chain(shared, shared)))
    assert twice < once + 500


class TestErrors:
    X = numpy.zeros((2, NI), dtype="f")

    def test_a_layer_without_a_form_is_named_by_its_path(self) -> None:
        model = layers.chain(layers.noop(), layers.map_list(layers.Linear(NO, NI))).initialize()
        with pytest.raises(NotImplementedError) as caught:
            to_onnx(model, batch("list", [2, 1, 3], 0, OPS))
        assert str(caught.value).endswith(REFUSED["map_list"])
        assert ".layers[1] ('map_list')" in str(caught.value)

    def test_a_layer_of_ones_own(self) -> None:
        def forward(model: Any, X: Any, is_train: bool) -> Any:
            return X * 2 + 1, lambda dY: dY * 2

        model = layers.chain(layers.Linear(NO, NI), Model("mine", forward)).initialize()
        with pytest.raises(NotImplementedError, match=r"got '.*'.layers\[1\] \('mine'\): .* onnx_rule registers one"):
            to_onnx(model, self.X)

        @onnx_rule(forward)
        def mine(graph: Any, model: Any, X: Any) -> Any:
            return graph.op("Add", graph.op("Mul", X, 2.0), 1.0)

        assert_same(to_onnx(model, self.X), model, self.X)

    def test_a_function_that_claims_to_be_one_of_ours(self) -> None:
        import functools

        layer = layers.Linear(NO, NI).initialize()
        run = layer._func
        layer.replace_callbacks(functools.wraps(run)(lambda *args: (run(*args)[0] * 2, None)))
        with pytest.raises(NotImplementedError, match="linear"):
            to_onnx(layer, self.X)

    def test_what_a_rule_cannot_do(self) -> None:
        X = batch("list", [2, 1], 0, OPS)
        with pytest.raises(ValueError, match=r"to_onnx: '.*'.layers\[1\] .*: pad must be 0; got 2"):
            to_onnx(layers.chain(layers.noop(), layers.with_array(layers.noop(), pad=2)), X)
        with pytest.raises(ValueError, match="positive steps"):
            to_onnx(layers.array_getitem(slice(None, None, -1)), self.X)
        with pytest.raises(ValueError, match="whole numbers and slices"):
            to_onnx(layers.array_getitem(([0, 1], [1, 0])), self.X)
        with pytest.raises(ValueError, match="mapping_table must be ints; got 'a'"):
            to_onnx(layers.remap_ids({"a": 1}), batch("ids", [3], 0, OPS))

    def test_batches_that_are_no_arrays(self) -> None:
        with pytest.raises(TypeError, match=r"to_onnx: X must be arrays of numbers.*; got list of str"):
            to_onnx(layers.strings2arrays(), ["a", "b"])
        nested = layers.with_flatten_v2(layers.with_array(layers.noop()))
        with pytest.raises(TypeError, match="got list of list"):
            to_onnx(nested, batch("nested", [2, 1, 3], 0, OPS))

    def test_parameters_that_are_not_there(self) -> None:
        with pytest.raises(KeyError, match="not allocated"):
            to_onnx(layers.Linear(NO, NI), self.X)


def test_inputs_are_named_after_the_batch() -> None:
    ragged = Ragged(numpy.zeros((3, 2)), numpy.array([1, 2], dtype="int32"))
    found = onnx_inputs((ragged, numpy.arange(3)))
    assert {name: str(array.dtype) for name, array in found.items()} == {
        "X_0": "float32",
        "X_0_lengths": "int32",
        "X_1": "int64",
    }
