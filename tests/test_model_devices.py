"""Models on several devices, emulated ones: moving them, saving them, choosing the device."""

from __future__ import annotations

from pathlib import Path
from typing import Any, List

import numpy
import pytest
from fake_cupy import CURRENT, FAKE

from thinc_core import compat
from thinc_core.api import (
    Adam,
    CupyOps,
    HashEmbed,
    Maxout,
    Model,
    NumpyOps,
    Softmax,
    chain,
    get_current_ops,
    prefer_gpu,
    require_cpu,
    require_gpu,
    set_active_gpu,
    to_numpy,
)
from thinc_core.backends import get_array_ops, gpu_problem
from thinc_core.util import copy_array, get_array_module, gpu_is_available, is_cupy_array

IDS = numpy.arange(1, 13, dtype="uint64")


def small() -> Model:
    model: Model = chain(HashEmbed(4, 10, seed=3), Maxout(5, 4, nP=2, normalize=True), Softmax(3, 5))
    return model.initialize(X=get_current_ops().asarray(IDS))


def arrays(model: Model) -> List[Any]:
    found = [node.get_param(name) for node in model.walk() for name in node.param_names]
    return found + [node.get_grad(name) for node in model.walk() for name in node.grad_names]


def trained(model: Model, steps: int = 3, optimizer: Any = None) -> Model:
    """The model after some updates, and with gradients."""
    optimizer = optimizer or Adam(0.01)
    X = model.ops.asarray(IDS)
    target = model.ops.asarray(numpy.eye(3, dtype="f")[numpy.arange(12) % 3])
    for step in range(steps + 1):
        Y, backprop = model.begin_update(X)
        backprop(Y - target)
        if step < steps:
            model.finish_update(optimizer)
    return model


def test_choosing_the_device(gpu: None) -> None:
    assert gpu_problem() is None
    assert gpu_is_available()
    assert prefer_gpu(1) is True
    ops = get_current_ops()
    assert (type(ops), ops.device_type, ops.device_id, CURRENT.device) == (CupyOps, "gpu", 1, 1)
    assert set_active_gpu(0).id == 0
    assert CURRENT.device == 0
    assert require_gpu() is True
    assert require_cpu() is True
    assert type(get_current_ops()) is NumpyOps
    for wrong in (2, -1):
        with pytest.raises(ValueError, match=rf"gpu: gpu_id must be in \[0, 2\).*; got {wrong}$"):
            require_gpu(wrong)
        with pytest.raises(ValueError, match="gpu_id must be"):
            set_active_gpu(wrong)
        with pytest.raises(ValueError, match="gpu_id must be"):
            small().to_gpu(wrong)
    assert type(get_current_ops()) is NumpyOps  # not half of a switch
    assert CURRENT.device == 0


def test_pytorch_follows(gpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """set_active_gpu chooses for both, or tensors and arrays of one model lie on two devices."""
    chosen: List[int] = []
    torch = type("torch", (), {"cuda": type("cuda", (), {"set_device": staticmethod(chosen.append)})})
    monkeypatch.setitem(vars(compat), "torch", torch)
    monkeypatch.setitem(vars(compat), "has_torch_cuda_gpu", True)
    set_active_gpu(1)
    assert chosen == [1]


def test_moving_a_model_keeps_its_values_gradients_and_predictions(gpu: None) -> None:
    model = trained(small())
    before, expected = [array.copy() for array in arrays(model)], model.predict(IDS)
    assert model.to_gpu(1).id == 1
    assert CURRENT.device == 0  # that stays
    assert all(type(node.ops) is CupyOps and node.ops.device_id == 1 for node in model.walk())
    assert all(is_cupy_array(array) and array.data.device_id == 1 for array in arrays(model))
    set_active_gpu(1)
    numpy.testing.assert_allclose(to_numpy(model.predict(model.ops.asarray(IDS))), expected, rtol=1e-5)
    model.to_gpu(0)
    set_active_gpu(0)
    assert all(array.data.device_id == 0 for array in arrays(model))
    numpy.testing.assert_allclose(to_numpy(model.predict(model.ops.asarray(IDS))), expected, rtol=1e-5)
    model.to_cpu()
    for array, original in zip(arrays(model), before):
        assert type(array) is numpy.ndarray
        numpy.testing.assert_array_equal(array, original)
    assert all(type(node.ops) is NumpyOps for node in model.walk())


def test_moving_in_the_middle_of_training(gpu: None) -> None:
    """The optimizer's state follows the parameters."""
    model, other = small(), small()
    other.from_bytes(model.to_bytes())
    optimizers = Adam(0.01), Adam(0.01)
    for move in (model.to_cpu, lambda: model.to_gpu(0), model.to_cpu):
        move()
        trained(model, 3, optimizers[0])
        trained(other, 3, optimizers[1])
    numpy.testing.assert_allclose(model.predict(IDS), other.predict(IDS), atol=1e-3)
    first, second = ([table[key] for key in sorted(table)] for table in (optimizers[0].mom1, optimizers[1].mom1))
    for ours, theirs in zip(first, second):
        numpy.testing.assert_allclose(ours, theirs, atol=1e-2 * abs(theirs).max())


def test_from_gpu_to_gpu_in_the_middle_of_training(gpu: None) -> None:
    require_gpu(0)
    model, optimizer = small(), Adam(0.01)
    trained(model, 2, optimizer)
    model.to_gpu(1)
    set_active_gpu(1)
    with pytest.raises(TypeError, match=r"mom1\[\d\] is on GPU 0 but GPU 1 is the current one"):
        trained(model, 1, optimizer)
    optimizer.load_state_dict(optimizer.state_dict(model), model)
    trained(model, 1, optimizer)
    assert {array.data.device_id for array in optimizer.mom1.values()} == {1}


def test_saved_on_either_device_loaded_on_the_other(gpu: None, tmp_path: Path) -> None:
    require_gpu()
    on_gpu = trained(small())
    require_cpu()
    on_cpu = small().from_bytes(on_gpu.to_bytes())
    assert on_cpu.to_bytes() == on_gpu.to_bytes()
    on_cpu.to_disk(tmp_path / "model")
    require_gpu(1)
    again = small().from_disk(tmp_path / "model")
    assert all(is_cupy_array(array) and array.data.device_id == 1 for array in arrays(again))
    set_active_gpu(0)
    expected = to_numpy(on_gpu.predict(on_gpu.ops.asarray(IDS)))
    numpy.testing.assert_allclose(on_cpu.predict(IDS), expected, rtol=1e-5)
    again.from_dict(on_gpu.to_dict())  # live arrays of another device
    set_active_gpu(1)
    again.to_gpu(1)
    numpy.testing.assert_allclose(to_numpy(again.predict(again.ops.asarray(IDS))), expected, rtol=1e-5)
    copied = again.copy()
    assert all(is_cupy_array(array) for array in arrays(copied))


def test_averages_are_those_of_the_device(gpu: None) -> None:
    require_gpu()
    model, optimizer = small(), Adam(0.01)
    trained(model, 3, optimizer)
    before = to_numpy(model.predict(model.ops.asarray(IDS)))
    with model.use_params(optimizer.averages or {}):
        assert abs(to_numpy(model.predict(model.ops.asarray(IDS))) - before).max() > 1e-3
    numpy.testing.assert_array_equal(to_numpy(model.predict(model.ops.asarray(IDS))), before)
    state = optimizer.state_dict(model)
    require_cpu()
    fresh = Adam(0.01)
    fresh.load_state_dict(state, model)
    assert {type(array) for array in fresh.mom1.values()} == {numpy.ndarray}


def test_helpers_on_arrays_of_the_device(gpu: None) -> None:
    on_device = FAKE.asarray(numpy.ones(3, "f"))
    assert get_array_module(on_device) is FAKE
    assert type(get_array_ops(on_device)) is CupyOps
    host = numpy.zeros(3, "f")
    copy_array(host, on_device)
    assert host.tolist() == [1, 1, 1]
    copy_array(on_device, host * 2)
    assert to_numpy(on_device).tolist() == [2, 2, 2]
    set_active_gpu(1)
    moved = CupyOps().asarray(on_device)
    assert (moved.data.device_id, to_numpy(moved).tolist()) == (1, [2, 2, 2])
    assert CupyOps().asarray(moved) is moved
