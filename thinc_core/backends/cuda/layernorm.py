"""Layer normalisation and its gradient."""

from __future__ import annotations

from typing import Any

from ..ops import Ops
from ._arrays import all_apart, apart, contig, fits, numbers, outs_of, plain, shares, suffix, target, wide_empty
from ._base import CudaOps

STEM = "layernorm"
WARP = 32
WIDEST_OF_A_WARP = 1024  # elements of a row; a block takes a wider one
LEAST_ROWS = 32  # of a share, which the kernel goes through in tiles of as many


class CudaLayerNorm(CudaOps):
    """Layer normalisation and its gradient."""

    def layernorm(self, X, G, b, eps=1e-8, *, out=None):
        kind, added = suffix(self, X, G, b), numbers((eps,))
        outs = outs_of(out, 3)
        if kind is None or added is None or outs is None or not _fit(X, G, b):
            return Ops.layernorm(self, X, G, b, eps, out=out)
        (B, O), x, g, shift = X.shape, contig(self, X), contig(self, G), contig(self, b)  # noqa: E741
        shapes = ((B, O), (B,), (B,))
        if not all(fits(self, each, shape, X.dtype, x, g, shift) for each, shape in zip(outs, shapes)) or not (
            all_apart(outs)
        ):
            return Ops.layernorm(self, X, G, b, eps, out=out)
        Y, mu, rstd = (target(self, each, shape, X.dtype) for each, shape in zip(outs, shapes))
        device, args = self._device(), (Y, mu, rstd, x, g, shift, B, O, added[0])
        if O <= WIDEST_OF_A_WARP:
            device.launch(STEM, f"layernorm_{kept(O)}_{kind}", B * WARP, *args)
        else:
            device.launch_blocks(STEM, f"layernorm_wide_{kind}", B, *args)
        return Y, mu, rstd

    def backprop_layernorm(self, dY, X, G, mu, rstd, dG, db, *, out=None):
        kind, given = suffix(self, dY, X, G, mu, rstd, dG, db), (dY, X, G, mu, rstd)
        if (
            kind is None
            or not _fit(X, G, db)
            or dY.shape != X.shape
            or dG.shape != G.shape
            or not mu.shape == rstd.shape == X.shape[:1]
            or not (plain(dG) and plain(db) and apart(dG, db))
        ):
            return Ops.backprop_layernorm(self, dY, X, G, mu, rstd, dG, db, out=out)
        dy, x, g, m, r = read = [contig(self, each) for each in given]
        if not all(apart(changed, each) for changed in (dG, db) for each in read) or not fits(
            self, out, X.shape, X.dtype, *read, dG, db
        ):
            return Ops.backprop_layernorm(self, dY, X, G, mu, rstd, dG, db, out=out)
        (B, O), device = X.shape, self._device()  # noqa: E741
        dX, (count, share) = target(self, out, X.shape, X.dtype), shares(device, B, LEAST_ROWS)
        parts = wide_empty(self, (count, 2, O), X.dtype)
        wide = "wide_" if O > WIDEST_OF_A_WARP else ""
        device.launch_blocks(STEM, f"backprop_layernorm_{wide}{kind}", count, dX, parts, dy, x, g, m, r, B, O, share)
        device.launch_blocks(STEM, f"layernorm_finish_{kind}", -(-2 * O // WARP), dG, db, parts, count, O)
        return dX


def kept(width: int) -> int:
    """How many elements of a row each lane of a warp keeps in registers: what comes in kernels of its own."""
    return 8 if width <= 8 * WARP else 32


def _fit(X: Any, G: Any, b: Any) -> bool:
    return X.ndim == 2 and X.size > 0 and G.shape == X.shape[1:] and b.shape == X.shape[1:]
