"""with_cpu, with_flatten, with_getitem, with_reshape, with_debug and its like: what the contract does not say."""

import importlib.machinery
import sys
import types

import numpy
import pytest
from any_backend import make_ops

from thinc_core import compat
from thinc_core.api import NumpyOps, Ragged, get_current_ops, registry, wrap_model_recursive
from thinc_core.layers import (
    Dropout,
    Linear,
    Relu,
    chain,
    noop,
    with_array2d,
    with_cpu,
    with_debug,
    with_flatten,
    with_flatten_v2,
    with_getitem,
    with_nvtx_range,
    with_reshape,
    with_signpost_interval,
)
from thinc_core.layers._batches import array_of
from thinc_core.model import Model

X = numpy.random.RandomState(0).normal(size=(6, 4)).astype("f")


@pytest.mark.parametrize(
    "make, name, dims, attrs",
    [
        (lambda: with_cpu(Linear(2, 3), NumpyOps()), "with_cpu(linear)", {"nO": 2, "nI": 3}, {}),
        (lambda: with_flatten(Linear(2, 3)), "with_flatten(linear)", {}, {}),
        (lambda: with_flatten_v2(Linear(2, 3)), "with_flatten(linear)", {}, {}),
        (lambda: with_getitem(-1, Linear(2, 3)), "with_getitem(linear)", {}, {"idx": -1}),
        (lambda: with_reshape(Linear()), "with_reshape(linear)", {"nO": None, "nI": None}, {}),
    ],
)
def test_nodes(make, name, dims, attrs):
    model = make()
    assert (model.name, model._dims, model.attrs) == (name, dims, attrs)


def test_built_from_configs():
    linear = {"@layers": "Linear.v1", "nO": 2, "nI": 4}
    for name in ("with_flatten.v1", "with_flatten.v2", "with_reshape.v1", "with_debug.v1", "with_nvtx_range.v1"):
        assert registry.resolve({"model": {"@layers": name, "layer": linear}})["model"].name.endswith(
            "linear" if name[5] in "dn" else "(linear)"
        )
    model = registry.resolve({"model": {"@layers": "with_getitem.v1", "idx": 1, "layer": linear}})["model"]
    assert model.attrs == {"idx": 1}


def test_with_cpu_predicts_without_dropout():
    model = with_cpu(Dropout(0.5), NumpyOps())
    assert (model.predict(X) == X).all()
    assert (model.begin_update(X)[0] == 0).any()


@pytest.mark.parametrize("kind", ["array", "list", "ragged", "padded", "pair"])
def test_with_cpu_gives_back_arrays_of_the_other_device(kind, monkeypatch):
    ops = make_ops("cuda_emulated", monkeypatch)
    device_array = type(ops.alloc1f(1))
    inner = with_array2d(Linear(3, 4)) if kind != "pair" else with_getitem(0, Linear(3, 4))
    model = with_cpu(inner, ops)
    model.initialize()
    arrays = [ops.asarray(X[:2]), ops.asarray(X[2:])]
    batch = {
        "array": lambda: arrays[1],
        "list": lambda: arrays,
        "ragged": lambda: Ragged(ops.asarray(X), ops.asarray1i([2, 4])),
        "padded": lambda: ops.list2padded(arrays),
        "pair": lambda: tuple(arrays),
    }[kind]()
    Y, backprop = model.begin_update(batch)
    dX = backprop(Y)
    for result in (Y, dX):
        assert type(result) is type(batch)
        for item in result if isinstance(result, (list, tuple)) else [array_of(result)]:
            assert type(item) is device_array
    assert type(inner.layers[0].get_grad("W")) is numpy.ndarray


def test_with_cpu_stays_on_the_cpu_when_the_model_moves(monkeypatch):
    ops = make_ops("cuda_emulated", monkeypatch)
    inner = Linear(3, 4)
    for layer in (with_cpu(inner, NumpyOps()), with_debug(with_cpu(inner, NumpyOps()))):
        model = chain(Linear(4, 4), layer).initialize()
        model._to_ops(ops)
        assert [node.ops is ops for node in model.walk()] == [True, True, True, False]
        assert type(inner.get_param("W")) is numpy.ndarray
        Y, backprop = model.begin_update(ops.asarray(X))
        numpy.testing.assert_allclose(ops.to_numpy(Y), ops.to_numpy(model.predict(ops.asarray(X))), rtol=1e-6)
        assert backprop(Y).shape == X.shape
        model.to_cpu()
        assert model.predict(X).shape == (6, 3)


def test_with_flatten_sees_all_items_at_once():
    seen = []

    def forward(model, words, is_train):
        seen.append(words)
        return numpy.asarray([[len(word), 1] for word in words], dtype="f"), lambda dY: [row.sum() for row in dY]

    model = with_flatten(Model("lengths", forward))
    Y, backprop = model.begin_update([["a", "bb"], [], ["ccc"]])
    assert seen == [["a", "bb", "ccc"]]
    assert [each.tolist() for each in Y] == [[[1, 1], [2, 1]], [], [[3, 1]]]
    assert backprop([2 * each for each in Y]) == [[4, 6], [], [8]]
    assert model.predict([]) == []


def test_with_flatten_hands_samples_on():
    model = with_flatten(chain(list_of_rows(), Linear())).initialize([[[1.0, 2.0]], [[3.0, 4.0]]], [X[:1], X[1:2]])
    assert model.layers[0].get_dim("nO") == 4
    model = with_flatten_v2(with_array2d(Linear())).initialize([[X], [X]], [[X[:, :3]], [X[:, :3]]])
    assert model.layers[0].get_dim("nO") == 3


def list_of_rows():
    return Model("rows", lambda model, rows, is_train: (numpy.asarray(rows, dtype="f"), lambda dY: list(dY)))


def test_with_flatten_v2_checks_its_gradient():
    Y, backprop = with_flatten_v2(noop()).begin_update([[1, 2], [3]])
    assert Y == [[1, 2], [3]]
    with pytest.raises(
        ValueError, match=r"dY must hold lists of the lengths \[2, 1\], as the output does; got \[1, 2\]"
    ):
        backprop([[1], [2, 3]])


@pytest.mark.parametrize("index", [1, -2])
def test_with_getitem_passes_the_other_members(index):
    model = with_getitem(index, Linear(2, 4)).initialize()
    before, after = ["before"], {"after": 1}
    Y, backprop = model.begin_update((before, X, after))
    assert Y[0] is before
    assert Y[2] is after
    dX = backprop((before, Y[1], after))
    assert [dX[0], dX[2]] == [before, after]
    assert dX[1].shape == X.shape
    model = with_getitem(index, Linear()).initialize((before, X, after), (None, X[:, :3], None))
    assert model.layers[0].get_dim("nO") == 3


def test_with_reshape_takes_any_rank():
    model = with_reshape(Linear()).initialize(numpy.zeros((2, 3, 4), "f"), numpy.zeros((2, 3, 5), "f"))
    assert (model.get_dim("nO"), model.get_dim("nI")) == (5, 4)
    for shape in ((3, 4), (2, 3, 4), (2, 1, 3, 4), (2, 0, 4)):
        Y, backprop = model.begin_update(numpy.zeros(shape, "f"))
        assert Y.shape == (*shape[:-1], 5)
        assert backprop(Y).shape == shape
    with pytest.raises(ValueError, match=r"dY must have the shape of the output \(2, 0, 5\); got \(2, 5\)"):
        backprop(Y[:, 0] if Y.shape[1] else numpy.zeros((2, 5), "f"))


class Recorder:
    def __init__(self):
        self.calls = []

    def hooks(self):
        return {
            "on_init": lambda model, X, Y: self.calls.append(("init", model.id, X, Y)),
            "on_forward": lambda model, X, is_train: self.calls.append(("forward", model.id, X, is_train)),
            "on_backprop": lambda dY: self.calls.append(("backprop", dY)),
        }


def test_debug_hooks_run_first():
    recorder = Recorder()
    layer = Linear(2, 4)
    model = with_debug(layer, "any", **recorder.hooks())
    assert model is layer
    model.initialize(X)
    Y, backprop = model.begin_update(X)
    backprop(Y)
    model.predict(X)
    expected = [
        ("init", model.id, X, None),
        ("forward", model.id, X, True),
        ("backprop", Y),
        ("forward", model.id, X, False),
    ]
    assert len(recorder.calls) == len(expected)
    for call, wanted in zip(recorder.calls, expected):
        assert all(a is b or a == b for a, b in zip(call, wanted))
    failing = with_debug(Linear(), on_init=lambda model, X, Y: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        failing.initialize(X, X)
    assert failing.has_dim("nO") is None


def test_hooks_of_a_copy_run_the_copy():
    recorder = Recorder()
    model = with_debug(Linear(2, 4), **recorder.hooks()).initialize()
    new = model.copy()
    new.get_param("W").fill(0)
    assert not new.predict(X).any()
    assert model.predict(X).any()
    assert [call[1] for call in recorder.calls if call[0] == "forward"] == [new.id, model.id]
    new.initialize()
    assert recorder.calls[-1][1] == new.id


def test_hooks_on_every_node_fire_once_each():
    calls = []
    inner, outside = Linear(3, 4), Linear()
    model = Model("root", chain(inner, Relu(2, 3))._func, layers=[inner, Relu(2, 3)], refs={"outside": outside})
    model = wrap_model_recursive(
        model, lambda node: with_debug(node, on_forward=lambda model, X, is_train: calls.append(model.name))
    )
    model.layers[0].initialize()
    model.layers[1].initialize()
    assert model.predict(X).shape == (6, 2)
    assert calls == ["root", "linear", "relu"]
    assert model.get_ref("outside") is outside


def test_debugged_layers_keep_what_others_ask_them():
    model = chain(Linear(3, 4), with_debug(with_array2d(Dropout())), Linear(2)).initialize()
    assert model.layers[2].get_dim("nI") == 3
    message = with_debug(Linear(3, 4)).initialize().to_dict()
    message["params"] = Linear(4, 3).initialize().to_dict()["params"]
    with pytest.raises(ValueError, match="shape"):
        with_debug(Linear(3, 4)).from_dict(message)
    assert with_debug(noop()).initialize(X).predict(X) is X


def test_nvtx_ranges(monkeypatch):
    calls = []
    nvtx = types.SimpleNamespace(RangePush=lambda *args: calls.append(args), RangePop=lambda: calls.append("pop"))
    layer = Linear(2, 4).initialize()
    assert with_nvtx_range(layer, forward_color=3, backprop_color=4) is layer
    model = with_nvtx_range(chain(layer, Relu(2, 2).initialize()), "outer")
    monkeypatch.setitem(vars(compat), "has_cupy", True)
    monkeypatch.setitem(vars(compat), "cupy", types.SimpleNamespace(cuda=types.SimpleNamespace(nvtx=nvtx)))
    Y, backprop = model.begin_update(X)
    assert calls == [("outer forward", -1), ("linear forward", 3), "pop", "pop"]
    calls.clear()
    backprop(Y)
    assert calls == [("outer backprop", -1), ("linear backprop", 4), "pop", "pop"]


def test_signpost_intervals(monkeypatch):
    with pytest.raises(ValueError, match="os_signpost must be installed"):
        with_signpost_interval(Linear(), None)
    package = types.ModuleType("os_signpost")
    package.__spec__ = importlib.machinery.ModuleSpec("os_signpost", None)
    monkeypatch.setitem(sys.modules, "os_signpost", package)
    messages = []

    class Interval:
        def __init__(self, message):
            self.message = message

        def __enter__(self):
            messages.append(self.message)

        def __exit__(self, *error):
            messages.append("end")

    signposter = types.SimpleNamespace(use_interval=Interval)
    model = with_signpost_interval(Linear(2, 4), signposter).initialize()
    Y, backprop = model.begin_update(X)
    backprop(Y)
    assert messages == ["linear init", "end", "linear forward", "end", "linear backprop", "end"]
    assert with_signpost_interval(Linear(2, 4), signposter, "named").initialize().name == "linear"
    assert messages[-2] == "named init"


def test_current_ops_are_those_of_the_layers():
    assert with_reshape(Linear()).ops is get_current_ops()
