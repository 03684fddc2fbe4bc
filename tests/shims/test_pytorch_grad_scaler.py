"""PyTorchGradScaler: what it refuses, what it undoes, when it moves; inside a shim, with a CUDA device pretended."""

from __future__ import annotations

import copy
from typing import Any

import numpy
import pytest

from thinc_core import compat
from thinc_core.api import SGD, PyTorchGradScaler, PyTorchWrapper_v2

from .modules import floats


def test_disabled_does_nothing(torch: Any) -> None:
    scaler = PyTorchGradScaler()
    anything = object()
    assert scaler.scale(anything) is anything
    gradients = [torch.tensor([numpy.inf])]
    assert scaler.unscale(gradients) is False
    assert gradients[0].isinf()
    scaler.update()
    assert not scaler.found_inf


def test_what_cannot_be_scaled(torch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scaler = PyTorchGradScaler(True)
    with pytest.raises(ValueError, match="scale: tensors must be PyTorch tensors; got int"):
        scaler.scale(3)
    with pytest.raises(ValueError, match="got one of type float"):
        scaler.scale([1.0])
    with pytest.raises(ValueError, match="scale: tensors must be on a CUDA device; got one on cpu"):
        scaler.scale(torch.ones(2))


def test_unscale(torch: Any) -> None:
    scaler = PyTorchGradScaler(True, init_scale=8.0)
    gradients = [torch.tensor([8.0, 4.0]), torch.tensor([16.0]), torch.tensor([2.0], dtype=torch.float64)]
    assert scaler.unscale(gradients) is False
    assert [gradient.tolist() for gradient in gradients] == [[1.0, 0.5], [2.0], [0.25]]
    assert scaler.unscale([torch.tensor([1.0, numpy.nan])]) is True
    assert scaler.unscale([torch.ones(1)]) is True  # until the update
    scaler.update()
    assert scaler.unscale([torch.ones(1)]) is False


def test_the_scale_moves(torch: Any) -> None:
    scaler = PyTorchGradScaler(True, init_scale=8.0, growth_interval=3)
    scales = []
    for bad in (0, 0, 0, 1, 0, 0, 0, 0, 1, 1):
        scaler.unscale([torch.tensor([numpy.inf if bad else 1.0])])
        scaler.update()
        scales.append(float(scaler._scale))
    assert scales == [8, 8, 16, 8, 8, 8, 16, 16, 8, 4]
    scaler.to_("cpu")
    assert float(copy.deepcopy(scaler)._scale) == 4


@pytest.fixture
def pretended(torch: Any, monkeypatch: pytest.MonkeyPatch) -> PyTorchGradScaler:
    """A scaler that takes CPU tensors for those of a CUDA device; all it computes is real."""
    monkeypatch.setitem(vars(compat), "has_torch_amp", True)
    scaled = PyTorchGradScaler._scaled

    def on_cpu(self: Any, tensor: Any, inplace: bool) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(torch.Tensor, "is_cuda", True)
            return scaled(self, tensor, inplace)

    monkeypatch.setattr(PyTorchGradScaler, "_scaled", on_cpu)
    return PyTorchGradScaler(True, init_scale=1024.0, growth_interval=2)


def test_scale(torch: Any, pretended: PyTorchGradScaler) -> None:
    tensor = torch.tensor([1.0, 2.0])
    assert pretended.scale(tensor).tolist() == [1024, 2048]
    assert [each.tolist() for each in pretended.scale((tensor, tensor))] == [[1024, 2048]] * 2
    assert tensor.tolist() == [1, 2]
    assert pretended.scale(torch.tensor([100.0], dtype=torch.float16)).tolist() == [102400]  # beyond float16
    pretended.scale(tensor, inplace=True)
    assert tensor.tolist() == [1024, 2048]


def test_nobody_outside_sees_the_scale(torch: Any, pretended: PyTorchGradScaler) -> None:
    module = torch.nn.Linear(3, 2)
    model, plain = PyTorchWrapper_v2(module, grad_scaler=pretended), PyTorchWrapper_v2(copy.deepcopy(module))
    for _ in range(2):  # gradients add up
        dX = model.begin_update(floats(4, 3))[1](floats(4, 2))
        expected = plain.begin_update(floats(4, 3))[1](floats(4, 2))
        numpy.testing.assert_array_equal(dX, expected)  # a power of two changes no bit
    assert torch.equal(module.weight.grad, 1024 * plain.shims[0]._model.weight.grad)
    for each in (model, plain):
        each.finish_update(SGD(0.1))
    assert torch.equal(module.weight, plain.shims[0]._model.weight)
    assert not module.weight.grad.any()


def test_an_overflow_stays_inside(torch: Any, pretended: PyTorchGradScaler) -> None:
    module = torch.nn.Linear(3, 2)
    model, old = PyTorchWrapper_v2(module, grad_scaler=pretended), module.weight.detach().clone()
    dX = model.begin_update(floats(4, 3))[1](numpy.full((4, 2), 1e38, "f"))
    assert not dX.any()
    model.finish_update(SGD(0.1))
    assert torch.equal(module.weight, old)
    assert not module.weight.grad.any()
    assert float(pretended._scale) == 512
    model.finish_update(SGD(0.1))
    assert int(pretended._growth_tracker) == 1
