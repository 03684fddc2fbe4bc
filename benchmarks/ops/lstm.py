"""LSTM over packed sequences; PyTorch takes them padded, which its fastest code needs."""

from typing import Any, Callable, Tuple

import numpy as np

from ..result import Target
from ..rows import At, Op

SIZES = ((8, 96), (64, 96), (512, 96), (4000, 96), (20_000, 96), (4000, 17), (4000, 300))


def steps(lengths: np.ndarray) -> np.ndarray:
    """How many sequences go on at each step."""
    return (lengths[:, None] > np.arange(lengths.max())).sum(axis=0).astype("int32")


def args(at: At) -> Tuple[np.ndarray, ...]:
    """Parameters, states to start from, inputs, sizes, a gradient."""
    width = at.width
    start = np.zeros((1, 1, width), at.dtype)
    params = at.array(4 * width * (2 * width + 2), seed=2) * np.asarray(0.1, at.dtype)
    return params, start, start, at.normal(), steps(at.lengths()), at.normal(seed=1)


def forward(ops: Any, params: Any, H0: Any, C0: Any, X: Any, sizes: Any, dY: Any) -> Any:
    """Prediction."""
    return ops.lstm_forward_inference(params, H0, C0, X, sizes)


def both(ops: Any, params: Any, H0: Any, C0: Any, X: Any, sizes: Any, dY: Any) -> Any:
    """Training: both passes."""
    return ops.backprop_lstm(dY, sizes, params, ops.lstm_forward_training(params, H0, C0, X, sizes)[1])


def torch_lstm(backward: bool) -> Callable[..., Callable[[], Any]]:
    """One direction or both passes of its layer."""

    def build(t: Any, params: Any, H0: Any, C0: Any, X: Any, sizes: Any, dY: Any) -> Callable[[], Any]:
        width = X.shape[1]
        layer = t.nn.LSTM(width, width, dtype=X.dtype)
        padded = t.zeros(len(sizes), int(sizes[0]), width, dtype=X.dtype)

        def call() -> Any:
            with t.set_grad_enabled(backward):
                inputs = padded.detach().requires_grad_(backward)
                Y = layer(inputs)[0]
                if backward:
                    t.autograd.backward(Y, padded)
            return Y

        return call

    return build


def row(name: str, passes: int, call: Callable[..., Any], limit: float) -> Op:
    """flops of the two products of each step: inputs and outputs to four gates; backward costs twice as much."""
    return Op(
        name,
        args,
        torch_lstm(passes > 1),
        None,
        (Target("torch", limit),),
        call,
        flops=lambda at: passes * 16.0 * at.rows * at.width**2,
        sizes=SIZES,
    )


OPS = (row("lstm", 1, forward, 1 / 1.2), row("lstm and backprop_lstm", 3, both, 1 / 1.5))
