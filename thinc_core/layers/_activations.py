"""The functions of the layer `activation`: for each name f(ops, X) -> Y, and (ops, dY, X, Y) -> dX."""

from typing import Any, Callable, Dict, Tuple

Activation = Tuple[Callable[[Any, Any], Any], Callable[[Any, Any, Any, Any], Any]]

LEAK = 0.01
# Klambauer et al. 2017, arXiv:1706.02515: mean 0 and variance 1 are a fixed point.
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def _from_X(op: str) -> Activation:
    """An op whose gradient takes what the op took."""
    return lambda ops, X: getattr(ops, op)(X), lambda ops, dY, X, Y: getattr(ops, f"backprop_{op}")(dY, X)


def _from_Y(op: str) -> Activation:
    """An op whose gradient takes what the op returned."""
    return lambda ops, X: getattr(ops, op)(X), lambda ops, dY, X, Y: getattr(ops, f"backprop_{op}")(dY, Y)


def _elu(scale: float, alpha: float) -> Activation:
    """scale * X above 0, scale * alpha * (e^X - 1) below."""

    def run(ops: Any, X: Any) -> Any:
        low = scale * alpha * ops.xp.expm1(ops.xp.minimum(X, 0))
        return ops.xp.where(X > 0, scale * X, low)

    return run, lambda ops, dY, X, Y: dY * ops.xp.where(X > 0, X.dtype.type(scale), Y + X.dtype.type(scale * alpha))


def _softplus(ops: Any, X: Any) -> Any:
    return ops.xp.maximum(X, 0) + ops.xp.log1p(ops.xp.exp(-abs(X)))


def _log_softmax(ops: Any, X: Any) -> Any:
    if not X.size:
        return X.copy()
    shifted = X - X.max(axis=-1, keepdims=True)
    return shifted - ops.xp.log(ops.xp.exp(shifted).sum(axis=-1, keepdims=True))


_SWISH: Activation = (lambda ops, X: ops.swish(X), lambda ops, dY, X, Y: ops.backprop_swish(dY, X, Y))

ACTIVATIONS: Dict[str, Activation] = {
    "relu": _from_Y("relu"),
    "leaky_relu": (
        lambda ops, X: ops.xp.maximum(X, LEAK * X),
        lambda ops, dY, X, Y: ops.xp.where(X > 0, dY, LEAK * dY),
    ),
    "elu": _elu(1.0, 1.0),
    "selu": _elu(SELU_SCALE, SELU_ALPHA),
    "softplus": (_softplus, lambda ops, dY, X, Y: dY * ops.sigmoid(X)),
    "tanh": (lambda ops, X: ops.xp.tanh(X), lambda ops, dY, X, Y: dY * ops.dtanh(Y)),
    "sigmoid": _from_Y("sigmoid"),
    **{op: _from_X(op) for op in ("gelu", "gelu_approx", "mish", "dish", "hard_swish", "hard_swish_mobilenet")},
    **{op: _from_X(op) for op in ("hard_sigmoid", "hard_tanh", "relu_k")},
    "swish": _SWISH,
    "silu": _SWISH,
    "log_softmax": (_log_softmax, lambda ops, dY, X, Y: dY - ops.xp.exp(Y) * dY.sum(axis=-1, keepdims=True)),
}
