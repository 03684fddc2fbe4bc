"""Softmax over rows, and down the columns of each sequence; the gradient of the loss behind it."""

from typing import Any, Tuple

import numpy as np

from ..result import Target
from ..rows import At, Op

# PyTorch has no softmax of ragged sequences: there its softmax of as many values stands for it.
ROW = (Target("torch", 0.8),)
# As quick as memory, nearly: PyTorch is too, so that no fraction of its time could be asked for.
BACK = (Target("copy", 1.5), Target("torch", 1.0))


def softmax_(X: np.ndarray) -> np.ndarray:
    """The plain expression."""
    E = np.exp(X - X.max(axis=1, keepdims=True))
    return E / E.sum(axis=1, keepdims=True)


def backprop_softmax_(Y: np.ndarray, dY: np.ndarray) -> np.ndarray:
    """The plain expression."""
    return Y * (dY - (Y * dY).sum(axis=1, keepdims=True))


def backward_args(at: At) -> Tuple[np.ndarray, np.ndarray]:
    """Probabilities and a gradient."""
    return softmax_(at.normal()), at.normal(seed=1)


def sequences_args(at: At) -> Tuple[np.ndarray, ...]:
    """A gradient, probabilities, lengths."""
    Y, dY = backward_args(at)
    return dY, Y, at.lengths()


def torch_backward(t: Any, y: Any, dy: Any) -> Any:
    """Without the tape."""
    return lambda: t.ops.aten._softmax_backward_data(dy, y, 1, y.dtype)


def loss_args(at: At) -> Tuple[np.ndarray, np.ndarray]:
    """Probabilities and labels."""
    return softmax_(at.normal()), np.random.default_rng(8).integers(0, at.width, at.rows).astype("int32")


def loss_gradient(guesses: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The plain expression."""
    d_guesses = guesses.copy()
    d_guesses[np.arange(len(labels)), labels] -= 1
    return d_guesses


OPS = (
    Op("softmax", lambda at: (at.normal(),), lambda t, x: lambda: t.softmax(x, 1), softmax_, ROW),
    Op("backprop_softmax", backward_args, torch_backward, backprop_softmax_, BACK),
    Op(
        "softmax_sequences",
        lambda at: (at.normal(), at.lengths()),
        lambda t, x, lengths: lambda: t.softmax(x, 1),
        targets=ROW,
    ),
    Op(
        "backprop_softmax_sequences",
        sequences_args,
        lambda t, dy, y, lengths: torch_backward(t, y, dy),
        targets=BACK,
    ),
    Op("crossentropy_gradient", loss_args, None, loss_gradient, original=False),
)
