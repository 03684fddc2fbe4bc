"""TorchScript modules as layers: the same numbers as what they were compiled from, files that hold the program."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy
import pytest

from thinc_core.api import (
    Adam,
    Linear,
    Model,
    PyTorchWrapper,
    PyTorchWrapper_v2,
    Shim,
    TorchScriptShim,
    TorchScriptWrapper_v1,
    pytorch_to_torchscript_wrapper,
    registry,
)

from .modules import floats, mlp


def test_compiled_is_as_before(torch: Any) -> None:
    plain = PyTorchWrapper(mlp(torch))
    compiled = pytorch_to_torchscript_wrapper(PyTorchWrapper(copy.deepcopy(plain.shims[0]._model)))
    assert compiled.name == "pytorch_script"
    X, dY = floats(5, 4), floats(5, 3)
    optimizers = Adam(0.1), Adam(0.1)
    for _ in range(3):
        found = []
        for model, optimizer in zip((plain, compiled), optimizers):
            Y, backprop = model.begin_update(X)
            found.append((Y, backprop(dY)))
            model.finish_update(optimizer)
        for own, other in zip(*found):
            numpy.testing.assert_allclose(own, other, rtol=1e-5, atol=1e-6)
    with plain.use_params(optimizers[0].averages), compiled.use_params(optimizers[1].averages):
        numpy.testing.assert_allclose(compiled.predict(X), plain.predict(X), rtol=1e-5, atol=1e-6)
    numpy.testing.assert_allclose(compiled.predict(X), plain.predict(X), rtol=1e-5, atol=1e-6)


def test_the_program_is_in_the_file(torch: Any) -> None:
    model = pytorch_to_torchscript_wrapper(
        PyTorchWrapper(torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Dropout(0.9)))
    )
    X = floats(20, 4)
    loaded = TorchScriptWrapper_v1().from_bytes(model.to_bytes())
    numpy.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    assert loaded.shims[0]._model.training
    assert (loaded.begin_update(X)[0] == 0).mean() > 0.5
    for again in (copy.deepcopy(loaded), loaded.copy(), pickle.loads(pickle.dumps(loaded))):
        numpy.testing.assert_array_equal(again.predict(X), model.predict(X))
        assert again.shims[0].id != loaded.shims[0].id
        assert again.shims[0]._model.training
    assert loaded.shims[0].device.type == "cpu"


def test_settings_are_kept(torch: Any) -> None:
    def convert_inputs(model: Model, X: Any, is_train: bool) -> Any: ...

    wrapped = PyTorchWrapper_v2(torch.nn.Linear(3, 2), convert_inputs, mixed_precision=True)
    compiled = pytorch_to_torchscript_wrapper(wrapped)
    assert compiled.attrs["convert_inputs"] is convert_inputs
    assert compiled.attrs["convert_outputs"] is wrapped.attrs["convert_outputs"]
    assert compiled.shims[0]._mixed_precision
    assert compiled.shims[0]._grad_scaler is wrapped.shims[0]._grad_scaler


def test_what_is_no_module(torch: Any) -> None:
    with pytest.raises(ValueError, match=r"torchscript: model must be a torch.jit.ScriptModule or None; got Linear"):
        TorchScriptShim(torch.nn.Linear(3, 2))
    with pytest.raises(IndexError, match="got 'linear' without shims"):
        pytorch_to_torchscript_wrapper(Linear(3, 2))
    with pytest.raises(ValueError, match="must hold a PyTorchShim; got Shim"):
        pytorch_to_torchscript_wrapper(Model("other", lambda model, X, is_train: (X, X), shims=[Shim(None)]))
    with pytest.raises(ValueError, match=r"must hold a torch.nn.Module; got NoneType"):
        pytorch_to_torchscript_wrapper(PyTorchWrapper(None))


def test_registered(torch: Any) -> None:
    block = {
        "@layers": "pytorch_to_torchscript_wrapper.v1",
        "model": {"@layers": "PyTorchWrapper.v1", "pytorch_model": None},
    }
    assert registry.get("layers", "TorchScriptWrapper.v1") is TorchScriptWrapper_v1
    with pytest.raises(ValueError, match="got NoneType"):
        registry.resolve({"m": block})
