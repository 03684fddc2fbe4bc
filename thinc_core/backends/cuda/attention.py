"""Attention of each sequence to itself."""

from __future__ import annotations

from typing import Any, Optional, Tuple

import numpy

from ..ops import Ops
from ._arrays import all_apart, contig, count, fits, flag, here, outs_of, suffix, target, wide_empty
from ._base import CudaOps
from ._hosts import known

STEM = "attention"
WARP = 32


class CudaAttention(CudaOps):
    """Attention. How many weights there are is told by the lengths, on the host."""

    def attention(self, QKV, lengths, n_heads, *, causal=False, mask=None, keep=True, out=None):
        kind, outs = _kind(self, QKV, mask, causal, keep), outs_of(out, 2)
        table = None if kind is None or outs is None else _table(self, QKV, lengths, n_heads)
        if table is None or outs is None or (outs[1] is not None and not keep) or not _has_shape(mask, table[1]):
            return Ops.attention(self, QKV, lengths, n_heads, causal=causal, mask=mask, keep=keep, out=out)
        (starts, squares), pairs, D = table
        x, shapes = contig(self, QKV), ((len(QKV), n_heads * D), (pairs,))
        m = None if mask is None else contig(self, mask)
        read = [x] if m is None else [x, m]
        if not all(fits(self, each, shape, QKV.dtype, *read) for each, shape in zip(outs, shapes)) or not (
            all_apart(outs)
        ):
            return Ops.attention(self, QKV, lengths, n_heads, causal=causal, mask=mask, keep=keep, out=out)
        Y, narrow = target(self, outs[0], shapes[0], QKV.dtype), QKV.dtype.itemsize == 2
        weights = target(self, outs[1], shapes[1], QKV.dtype) if keep or not narrow else None
        scores = wide_empty(self, shapes[1], QKV.dtype) if narrow else weights
        sizes = (len(squares) - 1, len(x), n_heads, D, int(bool(causal)), 1 / numpy.sqrt(D).item())
        work = len(x) * n_heads * WARP
        self._device().launch(STEM, f"attention_{kind}", work, Y, scores, weights, x, m, starts, squares, *sizes)
        return Y, weights if keep else None

    def backprop_attention(self, dY, QKV, weights, lengths, n_heads, *, causal=False, mask=None, out=None):
        kind = _kind(self, QKV, mask, causal) if suffix(self, dY, QKV, weights) else None
        table = None if kind is None else _table(self, QKV, lengths, n_heads)
        if table is not None:
            (starts, squares), pairs, D = table
            given = [contig(self, each) for each in (dY, QKV, weights)]
            m = None if mask is None else contig(self, mask)
            read = given if m is None else [*given, m]
            fit = dY.shape == (len(QKV), n_heads * D) and weights.shape == (pairs,) and _has_shape(mask, pairs)
        if table is None or not fit or not fits(self, out, QKV.shape, QKV.dtype, *read):
            return Ops.backprop_attention(self, dY, QKV, weights, lengths, n_heads, causal=causal, mask=mask, out=out)
        dQKV, dS = target(self, out, QKV.shape, QKV.dtype), wide_empty(self, (pairs,), QKV.dtype)
        device, work = self._device(), len(QKV) * n_heads * WARP
        args = (dQKV, dS, *given, m, starts, squares, len(squares) - 1, len(QKV), n_heads, D, int(bool(causal)))
        device.launch(STEM, f"backprop_attention_queries_{kind}", work, *args, 1 / numpy.sqrt(D).item())
        device.launch(STEM, f"backprop_attention_keys_{kind}", work, *args)
        return dQKV


def _kind(ops: Any, QKV: Any, mask: Any, *flags: Any) -> Optional[str]:
    """The suffix of the kernels, None for arrays that they do not take, or when a flag is none."""
    kind = suffix(ops, QKV) if mask is None else suffix(ops, QKV, mask)
    return None if None in map(flag, flags) else kind


def _has_shape(mask: Any, pairs: int) -> bool:
    return mask is None or mask.shape == (pairs,)


def _table(ops: Any, QKV: Any, lengths: Any, n_heads: Any) -> Optional[Tuple[Tuple[Any, Any], int, int]]:
    """Sums of the lengths and of their squares, both on the device, the number of weights, and the width of a head.

    None when the arguments do not fit, or when there is nothing to compute.
    """
    if QKV.ndim != 2 or not count(n_heads, 1) or QKV.size == 0 or QKV.shape[1] % (3 * n_heads):
        return None
    on_device, found = type(lengths) is ops.xp.ndarray, known(lengths)
    if on_device and not here(ops, lengths):
        return None
    host = found.values if found else numpy.asarray(lengths.get() if on_device else lengths)
    if host.ndim != 1 or host.dtype.kind not in "iu" or int(host.min()) < 0 or int(host.sum()) != len(QKV):
        return None
    host = host.astype("int64")
    sums = numpy.zeros((2, len(host) + 1), dtype="int64")
    numpy.cumsum([host, host * host], axis=1, out=sums[:, 1:])
    both = ops.xp.asarray(sums)
    return (both[0], both[1]), n_heads * int(sums[1, -1]), QKV.shape[1] // (3 * n_heads)
