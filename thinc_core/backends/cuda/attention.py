"""Attention of each sequence to itself, and rotary positions."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Optional, Tuple

import numpy

from ..ops import Ops
from ._arrays import (
    LANES,
    all_apart,
    contig,
    count,
    fits,
    flag,
    frequencies_of,
    here,
    numbers,
    outs_of,
    over,
    suffix,
    target,
    wide_empty,
)
from ._base import CudaOps
from ._hosts import known
from ._ragged import starts_of

STEM = "attention"
WARP = 32


class CudaAttention(CudaOps):
    """Attention and rotary positions. How many weights there are is told by the lengths, on the host."""

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

    def rotary(self, X, lengths, n_heads, D, *, base=10000.0, inplace=False, out=None):
        return _rotary(self, "rotary", X, lengths, n_heads, D, base, inplace, out, 1.0)

    def backprop_rotary(self, dY, lengths, n_heads, D, *, base=10000.0, inplace=False, out=None):
        return _rotary(self, "backprop_rotary", dY, lengths, n_heads, D, base, inplace, out, -1.0)


def _rotary(
    ops: Any, op: str, X: Any, lengths: Any, H: Any, D: Any, base: Any, inplace: Any, out: Any, sign: float
) -> Any:
    """X, with its heads turned. sign: -1.0 to turn them back."""
    kind, slower, into = suffix(ops, X), numbers((base,)), flag(inplace)
    starts = Y = frequencies = None
    if kind and slower and X.ndim == 2 and X.size and _are_heads(H, D, X.shape[1]):
        x, device = contig(ops, X), ops._device()
        frequencies, most = _frequencies(device, device._stream(), D, slower[0], kind)
        found, Y = known(lengths), over(ops, X, [x], into, out)
        if Y is not None and (found.values.max(initial=0) if found else len(X)) <= most:
            starts = starts_of(ops, op, lengths, len(X))
    if starts is None or kind is None:
        return getattr(Ops, op)(ops, X, lengths, H, D, base=base, inplace=inplace, out=out)
    work = len(X) * (D // 2 + (0 if into else X.shape[1] - H * D))
    args = (Y, x, frequencies, starts, len(starts) - 1, *x.shape, H, D, sign)
    device.launch(STEM, f"rotary_{kind}", -(-work // LANES[kind]), *args)
    return Y


def _are_heads(H: Any, D: Any, width: int) -> bool:
    """Whether H heads of D columns, an even number, are in a row of this width."""
    return bool(count(H, 1) and count(D, 2) and D % 2 == 0 and H * D <= width)


@lru_cache(maxsize=32)
@numpy.errstate(all="ignore")
def _frequencies(device: Any, stream: int, D: int, base: float, kind: str) -> Tuple[Any, float]:
    """Of the pairs of a head, on the device; and up to how many steps they are exact enough. f64: angles of a step."""
    powers = numpy.arange(D // 2) * 2.0 / D
    found, most = frequencies_of(numpy.float64(base) ** powers, kind)
    return device.xp.asarray(numpy.float64(base) ** -powers if kind == "f64" else found), most


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
