"""Saving and loading PyTorch modules: files of the original, files that do not fit, files that want to run code."""

from __future__ import annotations

import base64
import io
import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy
import pytest
import srsly
from optional import import_or_skip

from thinc_core.api import (
    Linear,
    Model,
    PyTorchLSTM,
    PyTorchShim,
    PyTorchWrapper,
    PyTorchWrapper_v3,
    TorchScriptWrapper_v1,
    chain,
)
from thinc_core.errors import ModelLoadError
from thinc_core.shims.pytorch import (
    default_deserialize_torch_model,
    default_serialize_torch_model,
    deserialize_torch_safetensors,
    serialize_torch_safetensors,
)

from .modules import floats, mlp

SAVED = json.loads((Path(__file__).parents[1] / "data" / "saved_pytorch.json").read_text(encoding="utf8"))


def empty(torch: Any, name: str) -> Model:
    """A model like the one that was saved under a name, with weights of its own."""
    if name == "linear":
        return PyTorchWrapper(torch.nn.Linear(3, 2))
    if name == "batchnorm":
        return chain(PyTorchWrapper(torch.nn.BatchNorm1d(3)), Linear(2, 3))
    return PyTorchLSTM(2, 3) if name == "lstm" else TorchScriptWrapper_v1()


@pytest.mark.parametrize("name", sorted(SAVED["models"]))
def test_files_of_the_original(torch: Any, name: str) -> None:
    X, saved = numpy.array(SAVED["X"], "f"), SAVED["models"][name]
    model = empty(torch, name).from_bytes(base64.b64decode(saved["bytes"]))
    Y = model.predict([X])[0] if name == "lstm" else model.predict(X)
    numpy.testing.assert_allclose(Y, saved["Y"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", sorted(SAVED["models"]))
def test_files_are_laid_out_as_those_of_the_original(torch: Any, name: str) -> None:
    theirs = srsly.msgpack_loads(base64.b64decode(SAVED["models"][name]["bytes"]))
    ours = srsly.msgpack_loads(
        empty(torch, name).from_bytes(base64.b64decode(SAVED["models"][name]["bytes"])).to_bytes()
    )
    assert [node["name"] for node in ours["nodes"]] == [node["name"] for node in theirs["nodes"]]
    for own, their in zip(ours["shims"], theirs["shims"]):
        for one, other in zip(own, their):
            one, other = srsly.msgpack_loads(one), srsly.msgpack_loads(other)
            assert list(one) == list(other)
            if "state" in one:
                load = lambda data: torch.load(io.BytesIO(data["state"]), weights_only=True)  # noqa: E731
                assert all(torch.equal(load(one)[key], value) for key, value in load(other).items())


def state_of(model: Model) -> Any:
    return {name: tensor.clone() for name, tensor in model.shims[0]._model.state_dict().items()}


def assert_same_state(torch: Any, one: Any, other: Any) -> None:
    assert list(one) == list(other)
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_files_and_configs(torch: Any, tmp_path: Path) -> None:
    shim = PyTorchShim(torch.nn.BatchNorm1d(3), config={"a": [1]})
    shim._model(torch.ones(2, 3))
    shim.to_disk(tmp_path / "module")
    other = PyTorchShim(torch.nn.BatchNorm1d(3)).from_disk(tmp_path / "module")
    assert other.cfg == {"a": [1]}
    assert_same_state(torch, shim._model.state_dict(), other._model.state_dict())


@pytest.mark.parametrize(
    "other, message",
    [
        (lambda nn: nn.Linear(4, 5), r"parameter 'weight' must have shape \(2, 3\); got \(5, 4\)"),
        (lambda nn: nn.Linear(3, 2, bias=False), "the saved state lacks 'bias'"),
        (lambda nn: nn.Sequential(nn.Linear(3, 2)), "the module has no '0.weight', '0.bias'"),
        (lambda nn: nn.Sequential(*[nn.Linear(3, 2)] * 4), "the module has no .* and 3 more"),
    ],
    ids=["shape", "missing", "extra", "many"],
)
def test_what_does_not_fit_changes_nothing(torch: Any, other: Any, message: str) -> None:
    model = chain(Linear(3, 3).initialize(), PyTorchWrapper(torch.nn.Linear(3, 2)))
    before, W = model.layers[1], model.layers[0].get_param("W").copy()
    old = state_of(before)
    data = chain(Linear(3, 3).initialize(), PyTorchWrapper(other(torch.nn))).to_bytes()
    with pytest.raises(ModelLoadError, match=message) as caught:
        model.from_bytes(data)
    assert "'pytorch'" in str(caught.value)
    assert_same_state(torch, state_of(before), old)
    numpy.testing.assert_array_equal(model.layers[0].get_param("W"), W)


def test_a_half_loaded_module_is_taken_back(torch: Any) -> None:
    """PyTorch loads what fits before it complains about what does not."""
    model, wrong = PyTorchWrapper(torch.nn.Linear(3, 2)), torch.nn.Linear(4, 2)
    old = state_of(model)
    with pytest.raises(ModelLoadError, match="'weight' must have shape"):
        default_deserialize_torch_model(model.shims[0]._model, default_serialize_torch_model(wrong), "cpu")
    assert_same_state(torch, state_of(model), old)


def test_hooks_of_the_module_may_rename(torch: Any) -> None:
    class Renaming(torch.nn.Linear):  # type: ignore[name-defined,misc]
        def _load_from_state_dict(self, state: Any, prefix: str, *args: Any) -> None:
            state["weight"] = state.pop("old_weight")
            super()._load_from_state_dict(state, prefix, *args)

    saved = torch.nn.Linear(3, 2)
    buffer = io.BytesIO()
    torch.save({"old_weight": saved.weight, "bias": saved.bias}, buffer)
    module = default_deserialize_torch_model(Renaming(3, 2), buffer.getvalue(), "cpu")
    assert torch.equal(module.weight, saved.weight)


class Bomb:
    """What a pickle of this is loaded as: the result of a call."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("code-was-run",)


def test_no_code_of_a_file_is_run(torch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    buffer = io.BytesIO()
    torch.save({"weight": Bomb(), "bias": torch.ones(2)}, buffer)
    for state in (buffer.getvalue(), pickle.dumps(Bomb())):
        data = srsly.msgpack_dumps({"config": {}, "state": state})
        shim = PyTorchShim(torch.nn.Linear(3, 2))
        old = shim._model.weight.clone()
        with pytest.raises(ModelLoadError, match="must be a state dict of tensors") as caught:
            shim.from_bytes(data)
        assert "weights_only" not in str(caught.value)  # PyTorch says how to run it
        assert torch.equal(shim._model.weight, old)
    assert not (tmp_path / "code-was-run").exists()
    with pytest.raises(ModelLoadError, match=r"got 4 bytes that are damaged \("):
        default_deserialize_torch_model(shim._model, b"junk", "cpu", weights_only=False)
    pickle.loads(state)
    assert (tmp_path / "code-was-run").exists()  # the bomb is a real one


@pytest.mark.parametrize("make", [PyTorchWrapper, TorchScriptWrapper_v1])
def test_damaged_files(torch: Any, make: Any) -> None:
    name = "linear" if make is PyTorchWrapper else "script"
    shim = empty(torch, name).shims[0]
    [[data]] = srsly.msgpack_loads(base64.b64decode(SAVED["models"][name]["bytes"]))["shims"]
    shim.from_bytes(data)
    old = {key: tensor.clone() for key, tensor in shim._model.state_dict().items()}
    bad = [data[:-400], data[: len(data) // 3], b"", b"\x93\x01\x02\x03", srsly.msgpack_dumps({"config": {}})]
    bad += [
        srsly.msgpack_dumps({"config": {}, key: value})
        for key in ("state", "model")
        for value in (b"", 7, b"PK\x03\x04")
    ]
    for each in bad:
        with pytest.raises(ModelLoadError):
            shim.from_bytes(each)
    assert_same_state(torch, shim._model.state_dict(), old)


def test_safetensors(torch: Any) -> None:
    import_or_skip("safetensors")
    ways = {"serialize_model": serialize_torch_safetensors, "deserialize_model": deserialize_torch_safetensors}
    module = mlp(torch)
    module.add_module("tied", torch.nn.Linear(4, 5))
    module.tied.weight = module[0].weight
    data = PyTorchWrapper_v3(module, **ways).to_bytes()

    def fresh() -> Any:
        made = mlp(torch)
        made.add_module("tied", torch.nn.Linear(4, 5))
        made.tied.weight = made[0].weight
        return made

    for settings in (ways, {}):  # the reader looks which format it is
        model = PyTorchWrapper_v3(fresh(), **settings).from_bytes(data)
        assert_same_state(torch, state_of(model), module.state_dict())
    wrong = PyTorchWrapper_v3(torch.nn.Linear(4, 5), **ways)
    old = state_of(wrong)
    with pytest.raises(ModelLoadError, match="the saved state lacks 'weight', 'bias'"):
        wrong.from_bytes(data)
    assert_same_state(torch, state_of(wrong), old)


def test_ways_of_ones_own(torch: Any) -> None:
    def dump(module: Any) -> bytes:
        return module.weight.detach().numpy().tobytes()

    def load(module: Any, data: bytes, device: Any) -> Any:
        module.weight.data = torch.frombuffer(bytearray(data), dtype=torch.float32).reshape(2, 3)
        return module

    model = PyTorchWrapper_v3(torch.nn.Linear(3, 2, bias=False), serialize_model=dump, deserialize_model=load)
    other = PyTorchWrapper_v3(torch.nn.Linear(3, 2, bias=False), serialize_model=dump, deserialize_model=load)
    other.from_bytes(model.to_bytes())
    numpy.testing.assert_array_equal(model.predict(floats(4, 3)), other.predict(floats(4, 3)))


def test_can_from(torch: Any) -> None:
    model = PyTorchWrapper(torch.nn.Linear(3, 2))
    assert model.can_from_bytes(PyTorchWrapper(torch.nn.Linear(3, 2)).to_bytes())
    assert not model.can_from_bytes(Linear(2, 3).initialize().to_bytes())
