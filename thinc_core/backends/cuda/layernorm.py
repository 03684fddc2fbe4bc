"""Normalisation of rows, and its gradients."""

from __future__ import annotations

from typing import Any, Optional, Tuple

from ..ops import Ops
from ._arrays import all_apart, apart, contig, fits, numbers, outs_of, plain, shares, suffix, target, wide_empty
from ._base import CudaOps

STEM = "layernorm"
WARP = 32
WIDEST_OF_A_WARP = 1024  # elements of a row; a block takes a wider one
LEAST_ROWS = 32  # of a share, which the kernel goes through in tiles of as many


class CudaLayerNorm(CudaOps):
    """Layer norm, RMS norm, and their gradients."""

    def layernorm(self, X, G, b, eps=1e-8, *, out=None):
        found = _normalised(self, "layernorm", X, (G, b), eps, out)
        return Ops.layernorm(self, X, G, b, eps, out=out) if found is None else found

    def rmsnorm(self, X, G, eps=1e-6, *, out=None):
        found = _normalised(self, "rmsnorm", X, (G,), eps, out)
        return Ops.rmsnorm(self, X, G, eps, out=out) if found is None else found

    def backprop_layernorm(self, dY, X, G, mu, rstd, dG, db, *, out=None):
        dX = _backprop(self, "backprop_layernorm", (dY, X, G), (mu, rstd), (dG, db), out)
        return Ops.backprop_layernorm(self, dY, X, G, mu, rstd, dG, db, out=out) if dX is None else dX

    def backprop_rmsnorm(self, dY, X, G, rstd, dG, *, out=None):
        dX = _backprop(self, "backprop_rmsnorm", (dY, X, G), (rstd,), (dG,), out)
        return Ops.backprop_rmsnorm(self, dY, X, G, rstd, dG, out=out) if dX is None else dX


def _normalised(ops: Any, op: str, X: Any, params: Any, eps: Any, out: Any) -> Optional[Tuple[Any, ...]]:
    """Y and a statistic of its rows for each of the params; None for what the kernels do not take."""
    kind, added, outs = suffix(ops, X, *params), numbers((eps,)), outs_of(out, 1 + len(params))
    if kind is None or added is None or outs is None or not _fit(X, *params):
        return None
    (B, O), read = X.shape, [contig(ops, each) for each in (X, *params)]  # noqa: E741
    shapes = [(B, O), *[(B,)] * len(params)]
    if not all(fits(ops, each, shape, X.dtype, *read) for each, shape in zip(outs, shapes)) or not all_apart(outs):
        return None
    results = tuple(target(ops, each, shape, X.dtype) for each, shape in zip(outs, shapes))
    device, args = ops._device(), (*results, *read, B, O, added[0])
    if O <= WIDEST_OF_A_WARP:
        device.launch(STEM, f"{op}_{kept(O)}_{kind}", B * WARP, *args)
    else:
        device.launch_blocks(STEM, f"{op}_wide_{kind}", B, *args)
    return results


def _backprop(ops: Any, op: str, given: Any, statistics: Any, gradients: Any, out: Any) -> Any:
    """dX, with what the columns sum up to added to the gradients; None for what the kernels do not take."""
    kind, (dY, X, G) = suffix(ops, *given, *statistics, *gradients), given
    if (
        kind is None
        or dY.shape != X.shape
        or not _fit(X, G, *gradients)
        or any(each.shape != X.shape[:1] for each in statistics)
        or not all(plain(each) for each in gradients)
        or not all_apart(gradients)
    ):
        return None
    read = [contig(ops, each) for each in (*given, *statistics)]
    if not all(apart(changed, each) for changed in gradients for each in read) or not fits(
        ops, out, X.shape, X.dtype, *read, *gradients
    ):
        return None
    (B, O), device = X.shape, ops._device()  # noqa: E741
    dX, (count, share), width = target(ops, out, X.shape, X.dtype), shares(device, B, LEAST_ROWS), len(gradients) * O
    parts = wide_empty(ops, (count, width), X.dtype)
    wide = "wide_" if O > WIDEST_OF_A_WARP else ""
    device.launch_blocks(STEM, f"{op}_{wide}{kind}", count, dX, parts, *read, B, O, share)
    dG, db = (*gradients, None)[:2]
    device.launch_blocks(STEM, f"layernorm_finish_{kind}", -(-width // WARP), dG, db, parts, count, width, O)
    return dX


def kept(width: int) -> int:
    """How many elements of a row each lane of a warp keeps in registers: what comes in kernels of its own."""
    return 8 if width <= 8 * WARP else 32


def _fit(X: Any, *params: Any) -> bool:
    return X.ndim == 2 and X.size > 0 and all(each.shape == X.shape[1:] for each in params)
