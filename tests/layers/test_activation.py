"""activation: against PyTorch's functions, and at the ends of the range."""

import numpy
import pytest

from thinc_core.layers import activation
from thinc_core.layers._activations import ACTIVATIONS

PEERS = {"hard_swish_mobilenet": "hardswish", "hard_tanh": "hardtanh", "relu_k": "relu6", "swish": "silu"}
OWN = ("dish", "hard_swish", "hard_sigmoid", "gelu_approx")  # PyTorch has none, or another of the same name


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name not in OWN])
def test_as_pytorch(torch, name):
    peer = getattr(torch.nn.functional, PEERS.get(name, name), None) or getattr(torch, name)
    X = numpy.linspace(-9, 9, 60, dtype="f").reshape(4, 15)
    x = torch.from_numpy(X).requires_grad_()
    y = peer(x, dim=-1) if name == "log_softmax" else peer(x)
    Y, backprop = activation(name).begin_update(X)
    numpy.testing.assert_allclose(Y, y.detach().numpy(), rtol=1e-5, atol=1e-6)
    dY = numpy.random.RandomState(0).normal(size=X.shape).astype("f")
    y.backward(torch.from_numpy(dY))
    numpy.testing.assert_allclose(backprop(dY), x.grad.numpy(), rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_far_out_nothing_overflows(name):
    X = numpy.asarray([[-1e4, -100, 0, 100, 1e4]], dtype="f")
    with numpy.errstate(all="raise", under="ignore"):
        Y, backprop = activation(name).begin_update(X)
        dX = backprop(numpy.ones_like(X))
    assert numpy.isfinite(Y).all()
    assert numpy.isfinite(dX).all()


def test_unknown_name():
    with pytest.raises(ValueError, match=r"activation: name must be one of relu, leaky_relu.*; got 'sine'"):
        activation("sine")
