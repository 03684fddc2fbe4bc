"""PyTorch modules as layers: values and gradients of the bare module, updates, averages, modes, copies, devices."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import numpy
import pytest

from thinc_core.api import (
    SGD,
    Adam,
    ArgsKwargs,
    GradScaler,
    Linear,
    Model,
    PyTorchShim,
    PyTorchWrapper,
    PyTorchWrapper_v2,
    PyTorchWrapper_v3,
    RAdam,
    chain,
    registry,
    use_ops,
)
from thinc_core.layers.pytorchwrapper import (
    convert_pytorch_default_inputs,
    convert_pytorch_default_outputs,
    forward,
)

from .modules import by_pytorch, floats, function_module, leaves, mapped, mlp, samples

SAMPLES = """
    array no~rows list tuple dict ArgsKwargs nested ids ids~and~floats several~outputs unused~input setting
    scalar~parameter
"""
names = pytest.mark.parametrize("name", [name.replace("~", " ") for name in SAMPLES.split()])


def gradient_like(Y: Any) -> Any:
    return mapped(numpy.ndarray, lambda y: floats(*y.shape, seed=y.size), Y)


def parameters(model: Model) -> Any:
    return dict(model.shims[0]._model.named_parameters())


@names
def test_as_the_bare_module(torch: Any, name: str) -> None:
    module, X = samples(torch)[name]
    model = PyTorchWrapper(module)
    before = copy.deepcopy(X)
    Y, backprop = model.begin_update(X)
    dY = gradient_like(Y)
    dX = backprop(dY)
    outputs, inputs, gradients = by_pytorch(torch, module, X, list(leaves(numpy.ndarray, dY)))
    for ours, theirs in zip(leaves(numpy.ndarray, Y), outputs):
        numpy.testing.assert_array_equal(ours, theirs.detach().numpy())
    kind = tuple if isinstance(X, list) else type(X)
    assert type(dX) is kind
    found, given = list(leaves(numpy.ndarray, dX)), list(leaves(numpy.ndarray, X))
    assert [(dx.shape, dx.dtype) for dx in found] == [(x.shape, x.dtype) for x in given]
    for ours, theirs in zip(found, inputs):
        numpy.testing.assert_array_equal(ours, theirs.numpy())
    for parameter, gradient in gradients.items():
        own = parameters(model)[parameter].grad
        assert (own is None) == (gradient is None)
        assert own is None or torch.equal(own, gradient), parameter
    for x, old in zip(leaves(numpy.ndarray, X), leaves(numpy.ndarray, before)):
        numpy.testing.assert_array_equal(x, old)


@names
def test_predict_is_forward(torch: Any, name: str) -> None:
    module, X = samples(torch)[name]
    model = PyTorchWrapper(module)
    for ours, trained in zip(leaves(numpy.ndarray, model.predict(X)), leaves(numpy.ndarray, model.begin_update(X)[0])):
        numpy.testing.assert_array_equal(ours, trained)
    assert all(parameter.grad is None for parameter in module.parameters())


def test_gradients_by_differences(torch: Any) -> None:
    """In float64, through layers of both kinds."""
    model = chain(PyTorchWrapper(mlp(torch).double()), Linear(2, 3), PyTorchWrapper(torch.nn.Linear(2, 2).double()))
    model.initialize()
    for node in model.walk():
        for name in node.param_names:
            node.set_param(name, floats(*node.get_param(name).shape).astype("float64"))
    X, dY = floats(3, 4).astype("float64"), floats(3, 2, seed=1).astype("float64")
    dX = model.begin_update(X)[1](dY)
    direction, h = floats(3, 4, seed=2).astype("float64"), 1e-6
    rise = ((model.predict(X + h * direction) - model.predict(X - h * direction)) * dY).sum() / (2 * h)
    assert (dX * direction).sum() == pytest.approx(rise, rel=1e-7)
    for shim in [shim for node in model.walk() for shim in node.shims]:
        for parameter in shim._model.parameters():
            way = torch.from_numpy(numpy.asarray(floats(*parameter.shape, seed=3), dtype="float64"))
            with torch.no_grad():
                parameter += h * way
                rise = (model.predict(X) * dY).sum()
                parameter -= 2 * h * way
                rise -= (model.predict(X) * dY).sum()
                parameter += h * way
            assert float((parameter.grad * way).sum()) == pytest.approx(rise / (2 * h), rel=1e-6)


def test_nothing_is_copied_on_the_way(torch: Any) -> None:
    seen = []
    module = function_module(torch, lambda m, x: (seen.append(x.data_ptr()), x)[1])
    X = floats(2, 3)
    Y = PyTorchWrapper(module).predict(X)
    assert seen == [X.ctypes.data]
    assert Y.ctypes.data == X.ctypes.data
    view = X[:, ::2]
    assert PyTorchWrapper(module).predict(view).ctypes.data == view.ctypes.data


@pytest.mark.parametrize(
    "array",
    [floats(4, 3)[::-1], floats(3, 4).T, floats(3, 4).astype(">f4"), numpy.broadcast_to(floats(4), (3, 4))],
    ids=["reversed", "fortran", "big endian", "read-only"],
)
def test_any_layout(torch: Any, array: Any) -> None:
    model = PyTorchWrapper(torch.nn.Linear(array.shape[1], 2))
    plain = numpy.array(array, dtype="float32", order="C")
    numpy.testing.assert_allclose(model.predict(array), model.predict(plain), rtol=1e-5, atol=1e-6)
    dY = floats(len(array), 2)
    dX, expected = model.begin_update(array)[1](dY), model.begin_update(plain)[1](dY)
    numpy.testing.assert_allclose(dX, expected, rtol=1e-5, atol=1e-6)


def test_gradients_add_up_until_the_update(torch: Any) -> None:
    model, X, dY = PyTorchWrapper(torch.nn.Linear(4, 2)), floats(3, 4), floats(3, 2)
    for _ in range(2):
        dX = model.begin_update(X)[1](dY)
    weight = parameters(model)["weight"]
    numpy.testing.assert_allclose(weight.grad.numpy(), 2 * dY.T @ X, rtol=1e-6)
    numpy.testing.assert_allclose(dX, dY @ weight.detach().numpy(), rtol=1e-6)
    model.finish_update(SGD(0.1))
    assert not weight.grad.any()


def test_the_callback_is_good_for_one_call(torch: Any) -> None:
    model = PyTorchWrapper(torch.nn.Linear(4, 2))
    backprop = model.begin_update(floats(3, 4))[1]
    backprop(floats(3, 2))
    with pytest.raises(RuntimeError, match="pytorch: backprop must be called once after each begin_update"):
        backprop(floats(3, 2))
    with pytest.raises(RuntimeError, match="needs a run with is_train=True"):
        model(floats(3, 4), is_train=False)[1](floats(3, 2))


def test_some_gradients_left_out(torch: Any) -> None:
    module, X = samples(torch)["several outputs"]
    model = PyTorchWrapper(module)
    (_, rest, _), backprop = model.begin_update(X)
    assert rest["ids"].tolist() == [0, 1, 2]
    assert rest["nothing"] is None
    dX = backprop((None, {"last": floats(3, 3)}, None))
    numpy.testing.assert_allclose(dX, floats(3, 3) @ module.other.weight.detach().numpy(), rtol=1e-6)
    assert module.one.weight.grad is None
    numpy.testing.assert_array_equal(model.begin_update(X)[1]((None, {}, None)), numpy.zeros_like(X))
    with pytest.raises(ValueError, match="pytorch: dY must have a gradient or None for each of 3 outputs; got 2"):
        model.begin_update(X)[1]((None, None))


def test_frozen_modules_pass_gradients(torch: Any) -> None:
    module = torch.nn.Linear(4, 2).requires_grad_(False)
    model = PyTorchWrapper(module)
    dY = floats(3, 2)
    numpy.testing.assert_allclose(model.begin_update(floats(3, 4))[1](dY), dY @ module.weight.numpy(), rtol=1e-6)
    model.finish_update(Adam(0.1))
    ids = numpy.array([1, 0])
    frozen = PyTorchWrapper(torch.nn.Embedding(3, 2).requires_grad_(False))
    assert frozen.begin_update(ids)[1](floats(2, 2)).tolist() == [0, 0]


@pytest.mark.parametrize("dY", [floats(3, 3), floats(2, 2), 1.0], ids=["wide", "short", "number"])
def test_wrong_gradients_are_named(torch: Any, dY: Any) -> None:
    model = chain(PyTorchWrapper(torch.nn.Linear(4, 2)), PyTorchWrapper(torch.nn.Linear(2, 2)))
    with pytest.raises(ValueError, match=r"dY must have the shape of the output \(3, 2\); got ") as caught:
        model.begin_update(floats(3, 4))[1](dY)
    assert "2nd layer of chain" in str(caught.value)


# Updates.


@pytest.mark.parametrize("make", [Adam, SGD, RAdam], ids=["adam", "sgd", "radam"])
def test_updates_are_those_of_a_native_layer(torch: Any, make: Any) -> None:
    native = Linear(3, 4).initialize()
    module = torch.nn.Linear(4, 3)
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(native.get_param("W")))
        module.bias.zero_()
    wrapped = PyTorchWrapper(module)
    optimizers = make(0.1, L2=0.01), make(0.1, L2=0.01)
    addresses = [parameter.data_ptr() for parameter in module.parameters()]
    for step in range(3):
        X, dY = floats(5, 4, seed=step), floats(5, 3, seed=step + 9)
        for model, optimizer in zip((native, wrapped), optimizers):
            model.begin_update(X)[1](dY)
            model.finish_update(optimizer)
    numpy.testing.assert_allclose(module.weight.detach().numpy(), native.get_param("W"), rtol=2e-5, atol=1e-6)
    numpy.testing.assert_allclose(module.bias.detach().numpy(), native.get_param("b"), rtol=2e-5, atol=1e-6)
    assert [parameter.data_ptr() for parameter in module.parameters()] == addresses
    shim = wrapped.shims[0]
    with native.use_params(optimizers[0].averages), wrapped.use_params(optimizers[1].averages):
        numpy.testing.assert_allclose(wrapped.predict(X), native.predict(X), rtol=2e-5, atol=1e-6)
    assert set(optimizers[1].averages) == {(shim.id, "weight"), (shim.id, "bias")}


def test_all_parameters_in_one_step(torch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from thinc_core.backends import NumpyOps

    model, calls = PyTorchWrapper(mlp(torch)), []
    apply_gradients = NumpyOps.apply_gradients
    model.begin_update(floats(3, 4))[1](floats(3, 3))
    with use_ops("numpy"):
        monkeypatch.setattr(NumpyOps, "apply_gradients", lambda *args: (calls.append(args), apply_gradients(*args)))
        model.finish_update(Adam(0.1))
    assert len(calls) == 1
    weights, gradients = calls[0][1:3]
    for array, tensor in zip(
        (*weights, *gradients), [*parameters(model).values()] + [p.grad for p in parameters(model).values()]
    ):
        assert array.ctypes.data == tensor.data_ptr()


def test_any_function_is_an_optimizer(torch: Any) -> None:
    model = PyTorchWrapper(torch.nn.Linear(2, 1))
    old = parameters(model)["weight"].detach().clone()
    model.begin_update(floats(3, 2))[1](floats(3, 1))
    gradient = parameters(model)["weight"].grad.clone()
    keys = []

    def optimizer(key: Any, weights: Any, gradient: Any) -> Any:
        keys.append(key)
        return weights - 0.5 * gradient, numpy.zeros_like(gradient)

    model.finish_update(optimizer)
    assert keys == [(model.shims[0].id, "weight"), (model.shims[0].id, "bias")]
    assert torch.allclose(parameters(model)["weight"], old - 0.5 * gradient)
    assert not parameters(model)["weight"].grad.any()


@pytest.mark.parametrize("kind", ["bfloat16", "float16", "float64"])
def test_other_dtypes_are_updated(torch: Any, kind: str) -> None:
    module = torch.nn.Linear(2, 1).to(getattr(torch, kind))
    module.weight.data.fill_(1.0)
    model = PyTorchWrapper(module, convert_inputs=cast_inputs)
    optimizer = SGD(0.5, grad_clip=0.0)
    model.begin_update(numpy.ones((1, 2), "f"))[1](numpy.ones((1, 1), {"bfloat16": "f4"}.get(kind, kind)))
    model.finish_update(optimizer)
    assert module.weight.dtype is getattr(torch, kind)
    assert module.weight.tolist() == [[0.5, 0.5]]
    assert not module.weight.grad.any()
    with model.use_params(optimizer.averages):
        assert module.weight.dtype is getattr(torch, kind)
        assert module.weight[0, 0] != 0.5
    assert module.weight.tolist() == [[0.5, 0.5]]


def cast_inputs(model: Model, X: Any, is_train: bool) -> Any:
    """To the dtype of the module."""
    given, back = convert_pytorch_default_inputs(model, X, False)
    tensor = given.args[0].to(next(model.shims[0]._model.parameters()).dtype).requires_grad_(is_train)
    return ArgsKwargs((tensor,), {}), back


def test_layouts_of_parameters(torch: Any) -> None:
    """Transposed, tied, sparse and scalar."""
    table = torch.nn.Embedding(5, 3, sparse=True)
    tied = torch.nn.Linear(3, 5, bias=False)
    turned = torch.nn.Parameter(torch.ones(4, 3).t())
    scalar = torch.nn.Parameter(torch.tensor(2.0))
    parts = {"table": table, "tied": tied, "again": tied, "turned": turned, "scalar": scalar}

    def call(m: Any, ids: Any) -> Any:
        x = m.table(ids)
        return m.tied(x).sum(1) + m.again(x).sum(1) + m.scalar * (x @ m.turned).sum(1)

    module = function_module(torch, call, **parts)
    model, plain = PyTorchWrapper(module), copy.deepcopy(module)
    ids, dY = numpy.array([1, 1, 4]), floats(3)
    plain(torch.from_numpy(ids)).backward(torch.from_numpy(dY))
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter -= 0.5 * (parameter.grad.to_dense() if parameter.grad.is_sparse else parameter.grad)
    model.begin_update(ids)[1](dY)
    model.finish_update(SGD(0.5, grad_clip=0.0))
    for name, parameter in plain.named_parameters():
        assert torch.allclose(parameters(model)[name], parameter, atol=1e-6), name


def test_an_overflow_leaves_the_update_out(torch: Any) -> None:
    model = PyTorchWrapper(torch.nn.Linear(2, 1))
    optimizer = Adam(0.1)
    optimizer.grad_scaler = GradScaler()
    old = parameters(model)["weight"].detach().clone()
    model.begin_update(floats(3, 2))[1](optimizer.grad_scaler.scale(numpy.full((3, 1), numpy.inf, "f")))
    model.finish_update(optimizer)
    optimizer.grad_scaler.update()
    assert torch.equal(parameters(model)["weight"], old)
    assert optimizer.grad_scaler.get_scale() == 2.0**15


def test_averages_by_any_key(torch: Any) -> None:
    module = torch.nn.BatchNorm1d(2)
    model = PyTorchWrapper(module)
    shim, address = model.shims[0], module.weight.data_ptr()
    new = numpy.array([3.0, 4.0], "f")
    values = {(shim.id, "weight"): new, f"pytorch_{shim.id}_bias": torch.ones(2), (shim.id, "running_mean"): new}
    values[shim.id + 1000, "weight"] = numpy.zeros(7)
    try:
        with model.use_params(values):
            assert module.weight.data_ptr() == new.ctypes.data
            assert module.weight.tolist() == [3, 4] == module.running_mean.tolist()
            assert module.bias.tolist() == [1, 1]
            raise KeyError("inside")
    except KeyError:
        pass
    assert module.weight.data_ptr() == address
    assert (module.weight.tolist(), module.bias.tolist(), module.running_mean.tolist()) == ([1, 1], [0, 0], [0, 0])
    with pytest.raises(ValueError, match=r"use_params: parameter 'weight' must have shape \(2,\); got \(3,\)"):
        with model.use_params({(shim.id, "weight"): numpy.zeros(3, "f")}):
            pass
    assert module.weight.tolist() == [1, 1]


# Modes.


def test_predict_leaves_the_modes_as_they_are(torch: Any) -> None:
    module = torch.nn.Sequential(
        torch.nn.Dropout(0.5), torch.nn.Sequential(torch.nn.Dropout(0.9), torch.nn.Linear(3, 3))
    )
    model, X = PyTorchWrapper(module), floats(20, 3)
    module[1][0].eval()
    modes = [part.training for part in module.modules()]
    assert modes == [True, True, True, False, True]
    numpy.testing.assert_array_equal(model.predict(X), model.predict(X))
    assert [part.training for part in module.modules()] == modes
    kept = model.begin_update(X)[0]
    assert [part.training for part in module.modules()] == modes  # the frozen part stays frozen
    assert (kept != model.predict(X)).any()
    module.eval()
    model.predict(X)
    assert not any(part.training for part in module.modules())
    model.begin_update(X)
    assert all(part.training for part in module.modules())


def test_modes_change_by_the_way_of_the_class(torch: Any) -> None:
    heard = []

    class Listening(torch.nn.Linear):  # type: ignore[name-defined,misc]
        def train(self, mode: bool = True) -> Any:
            heard.append(mode)
            return super().train(mode)

    model = PyTorchWrapper(torch.nn.Sequential(Listening(3, 2)))
    model.predict(floats(2, 3))
    assert heard == [False, True]


def test_predictions_in_several_threads(torch: Any) -> None:
    """While one runs, another that ends must not switch dropout on again."""
    arrived, go_on = threading.Event(), threading.Event()

    def call(m: Any, x: Any, wait: bool) -> Any:
        if wait:
            arrived.set()
            assert go_on.wait(20)
        return m.drop(x)

    module = function_module(torch, call, drop=torch.nn.Dropout(0.9))
    model, X, found = PyTorchWrapper(module), numpy.ones((50, 50), "f"), []
    thread = threading.Thread(target=lambda: found.append(model.predict({"x": X, "wait": True})))
    thread.start()
    assert arrived.wait(20)
    assert (model.predict({"x": X, "wait": False}) == 1).all()
    go_on.set()
    thread.join()
    assert (found[0] == 1).all()
    assert module.training


def test_a_failed_prediction_restores_the_modes(torch: Any) -> None:
    model = PyTorchWrapper(torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Dropout(0.5)))
    with pytest.raises(RuntimeError):
        model.predict(floats(2, 4))
    assert all(part.training for part in model.shims[0]._model.modules())


def test_gradients_inside_no_grad(torch: Any) -> None:
    model = PyTorchWrapper(mlp(torch))
    with torch.no_grad():
        dX = model.begin_update(floats(6, 4))[1](floats(6, 3))
        assert not torch.is_grad_enabled()
    assert dX.any()
    assert all(parameter.grad.any() for parameter in parameters(model).values())


def test_mixed_precision_on_a_cpu(torch: Any) -> None:
    model = PyTorchWrapper_v2(mlp(torch), mixed_precision=True)
    Y, backprop = model.begin_update(floats(6, 4))
    exact = PyTorchWrapper(model.shims[0]._model).predict(floats(6, 4))
    assert Y.dtype == "float32"
    assert 0 < abs(Y - exact).max() < 0.02  # computed in bfloat16
    dX = backprop(floats(6, 3))
    expected = PyTorchWrapper(copy.deepcopy(model.shims[0]._model)).begin_update(floats(6, 4))[1](floats(6, 3))
    numpy.testing.assert_allclose(dX, expected, atol=0.05)
    model.finish_update(Adam(0.1))
    assert model.predict(floats(6, 4)).dtype == "float32"


# Copies.


@pytest.mark.parametrize(
    "duplicate",
    [lambda m: m.copy(), copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_copies_have_modules_and_ids_of_their_own(torch: Any, duplicate: Any) -> None:
    model, X = PyTorchWrapper(mlp(torch)), floats(2, 4)
    other, old = duplicate(model), model.predict(X)
    assert other.shims[0].id not in (model.shims[0].id, other.id, model.id)
    numpy.testing.assert_array_equal(other.predict(X), old)
    other.begin_update(X)[1](floats(2, 3))
    other.finish_update(Adam(0.1))
    numpy.testing.assert_array_equal(model.predict(X), old)
    assert (other.predict(X) != old).any()


def test_copies_share_what_the_originals_share(torch: Any) -> None:
    module = torch.nn.Linear(3, 3)
    pair = chain(PyTorchWrapper(module), PyTorchWrapper(module))
    for other in (pair.copy(), copy.deepcopy(pair), pickle.loads(pickle.dumps(pair))):
        first, second = (layer.shims[0] for layer in other.layers)
        assert first._model is second._model is not module
        assert first.id != second.id


# Parts of the interface.


def test_converters_of_ones_own(torch: Any) -> None:
    """As packages of others use them."""

    def convert_inputs(model: Model, X: Any, is_train: bool) -> Any:
        given, back = convert_pytorch_default_inputs(model, X["features"], is_train)
        return given, lambda gradients: {"features": back(gradients)}

    def convert_outputs(model: Model, X_Y: Any, is_train: bool) -> Any:
        Y, back = convert_pytorch_default_outputs(model, X_Y, is_train)
        return {"scores": Y}, lambda dY: back(dY["scores"])

    model = PyTorchWrapper_v3(torch.nn.Linear(4, 2), convert_inputs=convert_inputs, convert_outputs=convert_outputs)
    Y, backprop = model.begin_update({"features": floats(3, 4)})
    dX = backprop({"scores": floats(3, 2)})
    plain = Model(
        "pytorch",
        forward,
        shims=model.shims,
        attrs={"convert_inputs": convert_pytorch_default_inputs, "convert_outputs": convert_pytorch_default_outputs},
    )
    Y_plain, backprop = plain.begin_update(floats(3, 4))
    numpy.testing.assert_array_equal(Y["scores"], Y_plain)
    numpy.testing.assert_array_equal(dX["features"], backprop(floats(3, 2)))


def test_a_module_can_be_put_in_later(torch: Any) -> None:
    shim = PyTorchShim(None, config={"size": 3})
    assert shim.cfg == {"size": 3}
    assert shim.device == torch.device("cpu")
    shim._model = torch.nn.Linear(3, 2)
    assert shim.begin_update(ArgsKwargs((torch.ones(1, 3),), {}))[0].shape == (1, 2)
    assert shim.predict(ArgsKwargs((torch.ones(1, 3),), {})).requires_grad is False


@pytest.mark.parametrize("version", [1, 2, 3])
def test_registered(torch: Any, version: int) -> None:
    make = registry.get("layers", f"PyTorchWrapper.v{version}")
    model = make(torch.nn.Linear(3, 2))
    assert (model.name, model.dim_names, len(model.shims)) == ("pytorch", ("nI", "nO"), 1)
    assert model.predict(floats(1, 3)).shape == (1, 2)


def test_moving(torch: Any) -> None:
    model = PyTorchWrapper(torch.nn.Linear(3, 2))
    model.to_cpu()
    with pytest.raises(ValueError, match="to_device: device_type must be 'cpu', 'gpu' or 'mps'; got 'tpu'"):
        model.shims[0].to_device("tpu", 0)
    model.shims[0]._model.to("meta")
    assert model.shims[0].device.type == "meta"
