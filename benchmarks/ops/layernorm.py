"""Layer norm and its gradient."""

from typing import Any, Callable, Tuple

import numpy as np

from ..result import Target
from ..rows import JUDGED, At, Op

TARGETS = (Target("torch", 1.0), Target("copy", 2.0))
BOTH = (JUDGED, (4000, 300))


def layernorm_(X: np.ndarray, G: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The plain expression."""
    mu, var = X.mean(axis=1, keepdims=True), X.var(axis=1, keepdims=True)
    return (X - mu) / np.sqrt(var + 1e-8) * G + b


def forward_args(at: At) -> Tuple[np.ndarray, ...]:
    """Values, gain, bias."""
    return at.normal(), at.array(at.width, seed=2), at.array(at.width, seed=3)


def backward_args(at: At) -> Tuple[np.ndarray, ...]:
    """Gradient, values, gain, means, deviations, and where the gradients of gain and bias go."""
    X, G, b = forward_args(at)
    rstd = 1 / np.sqrt(X.var(axis=1) + X.dtype.type(1e-8))
    return at.normal(seed=1), X, G, X.mean(axis=1), rstd, np.zeros_like(G), np.zeros_like(b)


def rms_backward_args(at: At) -> Tuple[np.ndarray, ...]:
    """Gradient, values, gain, deviations, and where the gradient of the gain goes."""
    X, G, _ = forward_args(at)
    rstd = 1 / np.sqrt(np.square(X).mean(axis=1) + X.dtype.type(1e-6))
    return at.normal(seed=1), X, G, rstd, np.zeros_like(G)


def torch_backward(t: Any, dy: Any, x: Any, g: Any, mu: Any, rstd: Any, dg: Any, db: Any) -> Callable[[], Any]:
    """Without the tape."""
    run, m, r = t.ops.aten.native_layer_norm_backward, mu[:, None], rstd[:, None]
    return lambda: run(dy, x, x.shape[1:], m, r, g, g, [True] * 3)


def original_layer(api: Any, X: np.ndarray, G: np.ndarray, b: np.ndarray) -> Callable[[], Any]:
    """It has no layer norm op; its layer is the nearest thing."""
    model = api.LayerNorm(X.shape[1]).initialize()
    return lambda: model.predict(X)


OPS = (
    Op(
        "layernorm",
        forward_args,
        lambda t, x, g, b: lambda: t.layer_norm(x, x.shape[1:], g, b),
        layernorm_,
        TARGETS,
        original=original_layer,
        judged=BOTH,
    ),
    Op(
        "rmsnorm",
        lambda at: forward_args(at)[:2],
        lambda t, x, g: lambda: t.nn.functional.rms_norm(x, x.shape[1:], g, 1e-6),
        lambda X, G: X / np.sqrt(np.square(X).mean(axis=1, keepdims=True) + 1e-6) * G,
        (Target("torch", 1.0),),
        original=False,
        judged=BOTH,
    ),
    Op("backprop_rmsnorm", rms_backward_args, original=False),
    Op("backprop_layernorm", backward_args, torch_backward, None, TARGETS, original=False, judged=BOTH),
)
