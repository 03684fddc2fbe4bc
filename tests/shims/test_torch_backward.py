"""The backward pass of PyTorch modules with one output."""

from __future__ import annotations

from typing import Any

import pytest

from thinc_core.shims._torch_backward import backward

from .modules import floats, mlp


@pytest.mark.parametrize("has_engine", [True, False])
def test_backward_is_that_of_pytorch(torch: Any, monkeypatch: pytest.MonkeyPatch, has_engine: bool) -> None:
    """By its engine alone, or by torch.autograd.backward: for other gradients, and should the engine be gone."""
    if not has_engine:
        monkeypatch.setattr("thinc_core.shims._torch_backward._engine", lambda: None)
    module, x = mlp(torch), torch.from_numpy(floats(6, 4)).requires_grad_()
    dY = torch.from_numpy(floats(6, 3))
    module(x).backward(dY)
    expected, x.grad = x.grad, None
    whole, calls = torch.autograd.backward, []
    monkeypatch.setattr(torch.autograd, "backward", lambda *args, **kwargs: (calls.append(1), whole(*args, **kwargs)))
    for dY_given, by_engine in ((dY, has_engine), ((dY,), False), (dY.double(), False)):
        backward((module(x),), dY_given)
        torch.testing.assert_close(x.grad, expected)
        assert bool(calls) != by_engine
        x.grad = None
        calls.clear()
    with pytest.raises(RuntimeError, match="shape"):
        backward((module(x),), dY[:2])
    backward((Y := module(x),), dY, retain_graph=True)
    backward((Y,), dY)
    torch.testing.assert_close(x.grad, 2 * expected)
