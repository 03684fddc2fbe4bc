"""Attention of sentences to themselves, four heads; PyTorch takes them padded, with a mask."""

from typing import Any, Callable, Tuple

import numpy as np

from ..result import Target
from ..rows import JUDGED, At, Op

HEADS = 4
SIZES = ((64, 96), (512, 96), (4000, 96), (4000, 256))


def args(at: At) -> Tuple[np.ndarray, ...]:
    """Queries, keys and values; lengths; a gradient."""
    return at.array(at.rows, 3 * at.width), at.lengths(), at.normal(seed=1)


def forward(ops: Any, QKV: Any, lengths: Any, dY: Any) -> Any:
    """Prediction."""
    return ops.attention(QKV, lengths, HEADS, keep=False)


def both(ops: Any, QKV: Any, lengths: Any, dY: Any) -> Any:
    """Training: both passes."""
    _, weights = ops.attention(QKV, lengths, HEADS)
    return ops.backprop_attention(dY, QKV, weights, lengths, HEADS)


def torch_attention(backward: bool) -> Callable[..., Callable[[], Any]]:
    """Its fused attention of padded heads."""

    def build(t: Any, QKV: Any, lengths: Any, dY: Any) -> Callable[[], Any]:
        B, L, D = len(lengths), int(max(lengths)), dY.shape[1] // HEADS
        heads = t.randn(3, B, HEADS, L, D, dtype=QKV.dtype)  # as padding would lay them out
        mask = (t.arange(L) < t.as_tensor(lengths)[:, None])[:, None, None]

        def call() -> Any:
            with t.set_grad_enabled(backward):
                q, k, v = (each.detach().requires_grad_(backward) for each in heads)
                Y = t.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
                if backward:
                    t.autograd.backward(Y, heads[0])
            return Y

        return call

    return build


def row(name: str, call: Callable[..., Any], backward: bool) -> Op:
    """One of the two passes over all heads."""
    targets = (Target("torch", 1.0),)
    return Op(name, args, torch_attention(backward), None, targets, call, original=False, sizes=SIZES, judged=(JUDGED,))


def rotary(ops: Any, QKV: Any, lengths: Any, dY: Any) -> Any:
    """Queries and keys of two heads turned, values copied."""
    return ops.rotary(QKV, lengths, 4, dY.shape[1] // 2)


def backprop_rotary(ops: Any, QKV: Any, lengths: Any, dY: Any) -> Any:
    """Turned back."""
    return ops.backprop_rotary(QKV, lengths, 4, dY.shape[1] // 2)


OPS = (
    row("attention", forward, False),
    row("attention and backprop_attention", both, True),
    Op("rotary", args, call=rotary, original=False, sizes=SIZES),
    Op("backprop_rotary", args, call=backprop_rotary, original=False, sizes=SIZES),
)
