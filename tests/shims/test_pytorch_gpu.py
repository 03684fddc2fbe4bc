"""PyTorch modules between arrays of a GPU: the stand-in for CuPy, as far as PyTorch without CUDA can take them."""

from __future__ import annotations

import copy
from typing import Any

import fake_cupy
import numpy
import pytest
from any_backend import make_ops

from thinc_core.api import PyTorchWrapper, PyTorchWrapper_v2
from thinc_core.layers.pytorchwrapper import convert_pytorch_default_inputs

from .modules import floats, mlp


def test_arrays_of_a_gpu(torch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the DLPack protocol, without a detour over the host; the stand-in's memory is that of NumPy."""
    ops = make_ops("cuda_emulated", monkeypatch)
    monkeypatch.setattr(fake_cupy.ndarray, "__dlpack__", lambda X, **how: X._data.__dlpack__(**how), raising=False)
    monkeypatch.setattr(fake_cupy.ndarray, "__dlpack_device__", lambda X: X._data.__dlpack_device__(), raising=False)
    module, X, dY = mlp(torch), floats(6, 4), floats(6, 3)
    expected, backprop = PyTorchWrapper(copy.deepcopy(module)).begin_update(X)
    expected_dX = backprop(dY)
    model = PyTorchWrapper_v2(module, device="cpu")
    model.ops = ops
    given, gradient = ops.asarray(X), ops.asarray(dY)
    assert convert_pytorch_default_inputs(model, given, False)[0].args[0].data_ptr() == given.data.ptr
    with fake_cupy.Ledger() as ledger:
        Y, backprop = model.begin_update(given)
        dX = backprop(gradient)
    assert not ledger.waits
    assert isinstance(Y, fake_cupy.ndarray)
    assert isinstance(dX, fake_cupy.ndarray)
    numpy.testing.assert_array_equal(Y.get(), expected)
    numpy.testing.assert_array_equal(dX.get(), expected_dX)
    ids = PyTorchWrapper_v2(torch.nn.Embedding(5, 3), device="cpu")
    ids.ops = ops
    d_ids = ids.begin_update(ops.asarray(numpy.array([1, 2])))[1](ops.asarray(floats(2, 3)))
    assert isinstance(d_ids, fake_cupy.ndarray)
    assert d_ids.get().tolist() == [0, 0]
