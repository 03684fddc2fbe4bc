"""Elementwise functions and their gradients."""

from __future__ import annotations

from ..ops import Ops
from ._arrays import flag, map_elements
from ._base import CudaOps

STEM = "activations"


def _map(ops, op, X, inplace, out, *more):
    return map_elements(ops, STEM, op, (X,), inplace, out, *more)


def _map_grad(ops, op, dY, X, inplace, out, *more):
    return map_elements(ops, STEM, op, (dY, X), inplace, out, *more)


class CudaActivations(CudaOps):
    """Elementwise functions and their gradients."""

    def relu(self, X, inplace=False, *, out=None):
        return _map(self, "relu", X, inplace, out)

    def backprop_relu(self, dY, Y, inplace=False, *, out=None):
        return _map_grad(self, "backprop_relu", dY, Y, inplace, out)

    def mish(self, X, threshold=20.0, inplace=False, *, out=None):
        return _map(self, "mish", X, inplace, out, threshold)

    def backprop_mish(self, dY, X, threshold=20.0, inplace=False, *, out=None):
        return _map_grad(self, "backprop_mish", dY, X, inplace, out, threshold)

    def gelu(self, X, inplace=False, *, out=None):
        return _map(self, "gelu", X, inplace, out)

    def backprop_gelu(self, dY, X, inplace=False, *, out=None):
        return _map_grad(self, "backprop_gelu", dY, X, inplace, out)

    def gelu_approx(self, X, inplace=False, *, out=None):
        return _map(self, "gelu_approx", X, inplace, out)

    def backprop_gelu_approx(self, dY, X, inplace=False, *, out=None):
        return _map_grad(self, "backprop_gelu_approx", dY, X, inplace, out)

    def erf(self, X, *, out=None):
        return _map(self, "erf", X, False, out)

    def sechsq(self, X, *, out=None):
        return _map(self, "sechsq", X, False, out)

    def dsigmoid(self, Y, *, inplace=False, out=None):
        return _map(self, "dsigmoid", Y, inplace, out)

    def dtanh(self, Y, *, inplace=False, out=None):
        return _map(self, "dtanh", Y, inplace, out)

    def sigmoid(self, X, *, inplace=False, out=None):
        return _map(self, "sigmoid", X, inplace, out)

    def backprop_sigmoid(self, dY, Y, *, inplace=False, out=None):
        if flag(inplace) is not False:  # into Y, unlike the others
            return Ops.backprop_sigmoid(self, dY, Y, inplace=inplace, out=out)
        return _map_grad(self, "backprop_sigmoid", dY, Y, False, out)

    def swish(self, X, inplace=False, *, out=None):
        return _map(self, "swish", X, inplace, out)

    def backprop_swish(self, dY, X, Y, inplace=False, *, out=None):
        return map_elements(self, STEM, "backprop_swish", (dY, X, Y), inplace, out)

    def dish(self, X, inplace=False, *, out=None):
        return _map(self, "dish", X, inplace, out)

    def backprop_dish(self, dY, X, inplace=False, *, out=None):
        return _map_grad(self, "backprop_dish", dY, X, inplace, out)

    def hard_swish(self, X, inplace=False, *, out=None):
        return _map(self, "hard_swish", X, inplace, out)

    def backprop_hard_swish(self, dY, X, inplace=False, *, out=None):
        return _map_grad(self, "backprop_hard_swish", dY, X, inplace, out)

    def hard_swish_mobilenet(self, X, inplace=False, *, out=None):
        return _map(self, "hard_swish_mobilenet", X, inplace, out)

    def backprop_hard_swish_mobilenet(self, dY, X, inplace=False, *, out=None):
        return _map_grad(self, "backprop_hard_swish_mobilenet", dY, X, inplace, out)

    def clipped_linear(self, X, slope=1.0, offset=0.0, min_val=0.0, max_val=1.0, inplace=False, *, out=None):
        return _map(self, "clipped_linear", X, inplace, out, slope, offset, min_val, max_val)

    def backprop_clipped_linear(
        self, dY, X, slope=1.0, offset=0.0, min_val=0.0, max_val=1.0, inplace=False, *, out=None
    ):
        return _map_grad(self, "backprop_clipped_linear", dY, X, inplace, out, slope, offset, min_val, max_val)
