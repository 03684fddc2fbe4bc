"""Elementwise functions and their gradients."""

from typing import Any, Callable, Optional, Tuple

import numpy as np

from ..result import Target
from ..rows import At, Op

COPY = (Target("copy", 1.3),)
Saved = Callable[[np.ndarray], Tuple[np.ndarray, ...]]


def sigmoid_(x: np.ndarray) -> np.ndarray:
    """The plain expression."""
    return 1 / (1 + np.exp(-x))


def forward(name: str, torch: Callable[..., Any], numpy: Optional[Callable[..., Any]], *targets: Target) -> Op:
    """Y = f(X)."""
    return Op(name, lambda at: (at.normal(),), lambda t, x: lambda: torch(t, x), numpy, targets)


def backward(
    name: str,
    torch: Optional[Callable[..., Any]],
    numpy: Optional[Callable[..., Any]],
    *targets: Target,
    saved: Saved = lambda X: (X,),
) -> Op:
    """dX from dY and what the forward pass saved. A target can be stated in the time of the forward pass."""

    def args(at: At) -> Tuple[np.ndarray, ...]:
        return at.normal(seed=1), *saved(at.normal())

    def same(t: Any, *tensors: Any) -> Callable[[], Any]:
        assert torch is not None
        return lambda: torch(t, *tensors)

    beside = {}
    if any(target.peer == "forward" for target in targets):
        plain = name.replace("backprop_", "")
        beside = {"forward": lambda ops, dY, X: getattr(ops, plain)(X)}
    return Op(name, args, same if torch else None, numpy, targets, beside=beside)


def gelu_approx_(x: np.ndarray) -> np.ndarray:
    """The plain expression."""
    return 0.5 * x * (1 + np.tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)))


def dish_(module: Any, x: Any) -> Any:
    """The plain expression in either library."""
    return 0.5 * x * (1 + x / module.sqrt(1 + x * x))


def backprop_dish_(module: Any, dy: Any, x: Any) -> Any:
    """The plain expression in either library."""
    root = module.sqrt(1 + x * x)
    return dy * (0.5 + 0.5 * x * (2 + x * x) / (root * root * root))


def between(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """Where a clipped function is not."""
    return (x > low) & (x < high)


def aten(name: str) -> Callable[..., Any]:
    """A gradient of PyTorch, called without its tape."""
    return lambda t, *arguments: getattr(t.ops.aten, name)(*arguments)


SMOOTH = (
    forward("relu", lambda t, x: t.relu(x), lambda x: np.maximum(x, 0), *COPY, Target("torch", 1.0)),
    backward(
        "backprop_relu",
        lambda t, dy, y: t.ops.aten.threshold_backward(dy, y, 0),
        lambda dy, y: dy * (y > 0),
        *COPY,
        Target("torch", 1.0),
        saved=lambda X: (np.maximum(X, 0),),
    ),
    forward("gelu", lambda t, x: t.nn.functional.gelu(x), None, Target("torch", 1.0)),
    backward("backprop_gelu", aten("gelu_backward"), None, Target("torch", 1.0), Target("forward", 1.3)),
    forward(
        "gelu_approx",
        lambda t, x: t.nn.functional.gelu(x, approximate="tanh"),
        gelu_approx_,
        Target("torch", 0.4),
    ),
    backward(
        "backprop_gelu_approx",
        lambda t, dy, x: t.ops.aten.gelu_backward(dy, x, approximate="tanh"),
        None,
        Target("torch", 0.4),
    ),
    forward(
        "mish",
        lambda t, x: t.nn.functional.mish(x),
        lambda x: x * np.tanh(np.log1p(np.exp(x))),
        Target("torch", 0.15),
    ),
    backward("backprop_mish", aten("mish_backward"), None, Target("torch", 0.15)),
    forward("swish", lambda t, x: t.nn.functional.silu(x), lambda x: x * sigmoid_(x), Target("torch", 0.9)),
    backward(
        "backprop_swish",
        lambda t, dy, x, y: t.ops.aten.silu_backward(dy, x),
        lambda dy, x, y: dy * (y + sigmoid_(x) * (1 - y)),
        Target("torch", 0.9),
        saved=lambda X: (X, X * sigmoid_(X)),
    ),
    forward("sigmoid", lambda t, x: t.sigmoid(x), sigmoid_, Target("torch", 0.9)),
    backward(
        "backprop_sigmoid",
        aten("sigmoid_backward"),
        lambda dy, y: dy * (y * (1 - y)),
        *COPY,
        saved=lambda X: (sigmoid_(X),),
    ),
    forward("dsigmoid", lambda t, y: y * (1 - y), lambda y: y * (1 - y), *COPY),
    forward("dtanh", lambda t, y: 1 - y * y, lambda y: 1 - y * y, *COPY),
    forward("dish", dish_, lambda x: dish_(np, x), Target("torch", 0.9)),
    backward("backprop_dish", backprop_dish_, lambda dy, x: backprop_dish_(np, dy, x), Target("torch", 0.9)),
    forward("erf", lambda t, x: t.erf(x), None),
    forward("sechsq", lambda t, x: t.cosh(x) ** -2, lambda x: np.cosh(x) ** -2),
)

CLIPPED = (
    forward(
        "hard_swish", lambda t, x: x * t.clamp(x * 0.2 + 0.5, 0, 1), lambda x: x * np.clip(x * 0.2 + 0.5, 0, 1), *COPY
    ),
    backward("backprop_hard_swish", None, None, *COPY),
    forward(
        "hard_swish_mobilenet",
        lambda t, x: t.nn.functional.hardswish(x),
        lambda x: x * (np.clip(x + 3, 0, 6) / 6),
        *COPY,
    ),
    backward("backprop_hard_swish_mobilenet", aten("hardswish_backward"), None, *COPY),
    forward("relu_k", lambda t, x: t.nn.functional.relu6(x), lambda x: np.clip(x, 0, 6), *COPY),
    backward(
        "backprop_relu_k",
        lambda t, dy, x: t.ops.aten.hardtanh_backward(dy, x, 0, 6),
        lambda dy, x: dy * between(x, 0, 6),
        *COPY,
    ),
    forward("hard_sigmoid", lambda t, x: t.clamp(x * 0.2 + 0.5, 0, 1), lambda x: np.clip(x * 0.2 + 0.5, 0, 1), *COPY),
    backward("backprop_hard_sigmoid", None, lambda dy, x: dy * (between(x, -2.5, 2.5) * x.dtype.type(0.2)), *COPY),
    forward("hard_tanh", lambda t, x: t.nn.functional.hardtanh(x), lambda x: np.clip(x, -1, 1), *COPY),
    backward(
        "backprop_hard_tanh",
        lambda t, dy, x: t.ops.aten.hardtanh_backward(dy, x, -1, 1),
        lambda dy, x: dy * between(x, -1, 1),
        *COPY,
    ),
    forward("clipped_linear", lambda t, x: t.clamp(x, 0, 1), lambda x: np.clip(x, 0, 1), *COPY),
    backward("backprop_clipped_linear", None, lambda dy, x: dy * between(x, 0, 1), *COPY),
)

OPS = SMOOTH + CLIPPED
