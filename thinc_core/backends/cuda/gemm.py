"""Matrix products, which are cuBLAS's, and the kernels for the steps around them."""

from __future__ import annotations

import importlib
from functools import partial
from typing import Any, Dict, Optional, Tuple

import numpy

from .. import checks
from .._matmul_precision import get_matmul_precision
from ..ops import Ops
from . import activations, softmax
from ._arrays import (
    LANES,
    all_apart,
    apart,
    contig,
    fits,
    flag,
    numbers,
    outs_of,
    plain,
    shares,
    suffix,
    target,
    wide_empty,
)
from ._arrays import indices as as_indices
from ._base import CudaOps
from ._blas import is_faster, multiply_fast, multiply_half
from .dropout import drawn
from .layernorm import WIDEST_OF_A_WARP, kept

STEM = "gemm"
WARP = 32
FLOAT32 = numpy.dtype("float32")
LEAST_ROWS = 64  # of a share of rows whose columns one thread adds up
LEAST_ROWS_NORMED = 32  # of one whose columns a block adds up while it has the rows
MOST_PIECES = 4  # of the kernels for the gradient of affine_maxout_layernorm

# The kernel biased_<name> of an activation, and its numbers.
BIASED: Dict[str, Tuple[str, Tuple[float, ...]]] = {
    **{
        name: (name, ())
        for name in "relu gelu gelu_approx mish swish sigmoid dish hard_swish hard_swish_mobilenet".split()
    },
    "hard_sigmoid": ("clipped_linear", (0.2, 0.5, 0.0, 1.0)),
    "hard_tanh": ("clipped_linear", (1.0, 0.0, -1.0, 1.0)),
    "relu_k": ("clipped_linear", (1.0, 0.0, 0.0, 6.0)),
}


def multiply(ops: Any, x: Any, y: Any, out: Any, add: bool = False) -> Any:
    """x @ y into out, an array in C order, in addition to what it holds if add, without a temporary.

    x, y: in C order, or transposed views of such arrays.
    """
    precision = get_matmul_precision()
    if x.dtype.itemsize == 2:
        multiply_half(ops, x, y, out, add)
    elif precision != "float32" and out.dtype == FLOAT32 and is_faster(ops, precision):
        multiply_fast(ops, x, y, out, precision, add)
    elif add:
        importlib.import_module("cupy.cublas").gemm("N", "N", x, y, out=out, alpha=1.0, beta=1.0)
    else:
        ops.xp.dot(x, y, out=out)
    return out


def multiply_new(ops: Any, x: Any, y: Any) -> Any:
    """x @ y in a new array."""
    return multiply(ops, x, y, ops.xp.empty((x.shape[0], y.shape[1]), dtype=x.dtype))


def add_column_sums(ops: Any, kind: str, sums: Any, X: Any) -> None:
    """Add to sums (O,) the column sums of X (B, O), both in C order and not empty."""
    (B, O), device = X.shape, ops._device()  # noqa: E741
    count, share = shares(device, B, LEAST_ROWS)
    parts = wide_empty(ops, (count, O), X.dtype)
    device.launch(STEM, f"column_parts_{kind}", count * O, parts, X, B, O, share)
    device.launch_blocks(STEM, f"column_sums_{kind}", -(-O // WARP), sums, parts, count, O)


class CudaGemm(CudaOps):
    """Matrix products, alone and with the steps that usually follow them."""

    def gemm(self, x, y, out=None, trans1=False, trans2=False, *, accumulate=False):
        first, second, add = flag(trans1), flag(trans2), flag(accumulate)
        if suffix(self, x, y) is None or first is None or second is None or add is None or not x.ndim == y.ndim == 2:
            return Ops.gemm(self, x, y, out, trans1, trans2, accumulate=accumulate)
        left, right = _matrix(self, x.T if first else x), _matrix(self, y.T if second else y)
        shape = (left.shape[0], right.shape[1])
        if (
            left.shape[1] != right.shape[0]
            or 0 in (*shape, left.shape[1])
            or (add and out is None)
            or not fits(self, out, shape, x.dtype, left, right)
        ):
            return Ops.gemm(self, x, y, out, trans1, trans2, accumulate=accumulate)
        if add:
            return multiply(self, left, right, out, add=True)
        return multiply(self, left, right, target(self, out, shape, x.dtype))

    def affine(self, X, W, b, *, out=None):
        found = self._affine_args(X, W, b, 2)
        if found is None or not fits(self, out, found[1], X.dtype, *found[2:]):
            return Ops.affine(self, X, W, b, out=out)
        kind, shape, x, w, shift = found
        Y = target(self, out, shape, X.dtype)
        Z, work = self._wide_product(x, w, Y), -(-Y.size // LANES[kind])
        self._device().launch(STEM, f"add_bias_{kind}", work, Y, Z, shift, Y.size, shape[1])
        return Y

    def affine_softmax(self, X, W, b, temperature=1.0, *, out=None):
        found, given = self._affine_args(X, W, b, 2), numbers((temperature,))
        if found is None or given is None or not fits(self, out, found[1], X.dtype, *found[2:]):
            return Ops.affine_softmax(self, X, W, b, temperature, out=out)
        kind, (B, O), x, w, shift = found  # noqa: E741
        Y = target(self, out, (B, O), X.dtype)
        arrays = (Y, self._wide_product(x, w, Y), shift)
        softmax.launch_rows(self._device(), "affine_softmax", kind, arrays, B, O, given[0])
        return Y

    def affine_relu(self, X, W, b, *, out=None):
        found = self._affine_args(X, W, b, 2)
        if found is None or not fits(self, out, found[1], X.dtype, *found[2:]):
            return Ops.affine_relu(self, X, W, b, out=out)
        return self._activated("relu", found, target(self, out, found[1], X.dtype), None)

    def affine_activation(self, X, W, b, activation, keep=True, *, out=None):
        found, both, outs = self._affine_args(X, W, b, 2), flag(keep), outs_of(out, 2)
        if (
            found is None
            or both is None
            or outs is None
            or type(activation) is not str
            or activation not in BIASED
            or not (both or outs[1] is None)
            or not all(fits(self, each, found[1], X.dtype, *found[2:]) for each in outs)
            or not all_apart(outs)
        ):
            return Ops.affine_activation(self, X, W, b, activation, keep, out=out)
        Y = target(self, outs[0], found[1], X.dtype)
        Z = target(self, outs[1], found[1], X.dtype) if both else None
        return self._activated(activation, found, Y, Z), Z

    def _activated(self, activation: str, found: Tuple[Any, ...], Y: Any, Z: Any) -> Any:
        """Y = f(X @ W.T + b), and Z what f was applied to, unless it is None."""
        kind, shape, x, w, shift = found
        name, more = BIASED[activation]
        product = self._wide_product(x, w, Y if Z is None else Z)
        work = -(-Y.size // LANES[kind])
        self._device().launch(
            activations.STEM, f"biased_{name}_{kind}", work, Y, Z, product, shift, Y.size, shape[1], *more
        )
        return Y

    def _wide_product(self, x: Any, w: Any, Y: Any) -> Any:
        """x @ w.T in what numbers are computed with, so that it is rounded with the bias only: Y, or a new array."""
        return multiply(self, x, w.T, Y if Y.dtype.itemsize > 2 else wide_empty(self, Y.shape, Y.dtype))

    def _affine_args(self, X: Any, W: Any, b: Any, rank: int) -> Optional[Tuple[Any, ...]]:
        """Dtype, shape of the result, and the arguments in C order; None when kernels cannot take them."""
        kind = suffix(self, X, W, b)
        if kind is None or X.ndim != 2 or W.ndim != rank or X.shape[1] != W.shape[-1] or b.shape != W.shape[:-1]:
            return None
        if X.size == 0 or W.size == 0:
            return None
        return kind, (X.shape[0], W.shape[0]), contig(self, X), contig(self, W), contig(self, b)

    def backprop_affine(self, dY, X, W, dW, db, *, out=None):
        kind = suffix(self, dY, X, W, dW, db)
        if kind is None or W.ndim != 2 or not _gradients_fit(dY, X, W, dW, db):
            return Ops.backprop_affine(self, dY, X, W, dW, db, out=out)
        dy, x, w = read = [contig(self, each) for each in (dY, X, W)]
        if not _changeable(dW, db, *read) or not fits(self, out, X.shape, X.dtype, *read, dW, db):
            return Ops.backprop_affine(self, dY, X, W, dW, db, out=out)
        self._add_gradients(kind, dy, x, dW, db)
        return multiply(self, dy, w, target(self, out, X.shape, X.dtype))

    def _add_gradients(self, kind: str, dy: Any, x: Any, dW: Any, db: Any) -> None:
        """dW += dy.T @ x, db += the column sums of dy; dW is (O, I) and db (O,), dy and x are in C order."""
        multiply(self, dy.T, x, dW, add=True)
        add_column_sums(self, kind, db, dy)

    def affine_maxout(self, X, W, b, *, out=None):
        found, outs = self._affine_args(X, W, b, 3), outs_of(out, 2)
        if found is None or outs is None or not self._all_fit(outs, found[1], X.dtype, found[2:]):
            return Ops.affine_maxout(self, X, W, b, out=out)
        kind, (B, O), x, w, shift = found  # noqa: E741
        best, which = target(self, outs[0], (B, O), X.dtype), target(self, outs[1], (B, O), "int32")
        Z, P = self._pieces(x, w), W.shape[1]
        self._device().launch(STEM, f"affine_maxout_{kind}", B * O, best, which, Z, shift, B * O, O, P)
        return best, which

    def _pieces(self, x: Any, w: Any) -> Any:
        """x @ w.T for w (O, P, I), in what numbers are computed with: rounded, other pieces might win."""
        w = w.reshape(w.shape[0] * w.shape[1], w.shape[2])
        return multiply(self, x, w.T, wide_empty(self, (x.shape[0], w.shape[0]), x.dtype))

    def _all_fit(self, outs: Tuple[Any, ...], shape: Tuple[int, int], dtype: Any, read: Tuple[Any, ...]) -> bool:
        """Whether outs are like best and which, and then mu and rstd, or None."""
        shapes = (shape, shape, shape[:1], shape[:1])
        dtypes = (dtype, "int32", dtype, dtype)
        return all(fits(self, *each, *read) for each in zip(outs, shapes, dtypes)) and all_apart(outs)

    def affine_maxout_layernorm(self, X, W, b, G, shift, eps=1e-8, keep=True, drop=0.0, seed=0, plus=None, *, out=None):
        found, both, outs = self._affine_args(X, W, b, 3), flag(keep), outs_of(out, 5)
        added, random = numbers((eps,)), drawn(self, drop, seed)
        more = (G, shift) if plus is None else (G, shift, plus)
        if (
            found is None
            or added is None
            or random is None
            or both is None
            or outs is None
            or suffix(self, X, *more) is None
            or not G.shape == shift.shape == W.shape[:1]
            or not (plus is None or plus.shape == found[1])
            or not (both or all(each is None for each in outs[1:]))
        ):
            return Ops.affine_maxout_layernorm(self, X, W, b, G, shift, eps, keep, drop, seed, plus, out=out)
        kind, (B, O), x, w, bias = found  # noqa: E741
        g, s, added_up = (*(contig(self, each) for each in more), None)[:3]
        read = (x, w, bias, g, s) if plus is None else (x, w, bias, g, s, added_up)
        if (
            O > WIDEST_OF_A_WARP
            or not fits(self, outs[0], (B, O), X.dtype, *read)
            or not self._all_fit(outs[1:], (B, O), X.dtype, read)
            or not all_apart(outs)
        ):
            return Ops.affine_maxout_layernorm(self, X, W, b, G, shift, eps, keep, drop, seed, plus, out=out)
        kinds = (((B, O), X.dtype), ((B, O), X.dtype), ((B, O), "int32"), ((B,), X.dtype), ((B,), X.dtype))
        results = [
            target(self, each, *like) if both or i == 0 else None for i, (each, like) in enumerate(zip(outs, kinds))
        ]
        args = (*results, self._pieces(x, w), bias, g, s, added_up, B, O, W.shape[1], *random[:2], added[0], random[2])
        self._device().launch(STEM, f"affine_maxout_layernorm_{kept(O)}_{kind}", B * WARP, *args)
        return tuple(results)

    def backprop_affine_maxout_layernorm(
        self, dY, best, which, mu, rstd, X, W, G, dW, db, dG, dshift, drop=0.0, seed=0, *, out=None
    ):
        op, floats = "backprop_affine_maxout_layernorm", (dY, best, mu, rstd, X, W, G)
        kind, random = suffix(self, *floats, dW, db, dG, dshift), drawn(self, drop, seed)
        pieces, index = as_indices(self, which)
        args = (dY, best, which, mu, rstd, X, W, G, dW, db, dG, dshift, drop, seed)
        if (
            kind is None
            or random is None
            or pieces is None
            or W.ndim != 3
            or not dY.shape == pieces.shape == best.shape
            or not _gradients_fit(dY, X, W, dW, db)
            or not mu.shape == rstd.shape == X.shape[:1]
            or not G.shape == dG.shape == dshift.shape == W.shape[:1]
        ):
            return Ops.backprop_affine_maxout_layernorm(self, *args, out=out)
        dy, kept_best, m, r, x, w, g = read = [contig(self, each) for each in floats]
        changed = (dW, db, dG, dshift)
        if (
            not all(plain(each) and apart(each, X) for each in changed for X in (*read, pieces))
            or not all_apart(changed)
            or not fits(self, out, X.shape, X.dtype, *read, pieces, *changed)
        ):
            return Ops.backprop_affine_maxout_layernorm(self, *args, out=out)
        (O, P, I), device = W.shape, self._device()  # noqa: E741
        team = _team(O, P, index, device.threads)
        if team is None:
            dy = self.dropout(dy, drop, seed) if random[1] else dy
            d_best = self.backprop_layernorm(dy, kept_best, g, m, r, dG, dshift)
            return self.backprop_affine_maxout(d_best, pieces, x, w, dW, db, out=out)
        count, share = shares(device, len(x), LEAST_ROWS_NORMED)
        dZ = self.xp.empty((len(x), O * P), dtype=dY.dtype)
        parts = wide_empty(self, (count, (2 + P) * O), X.dtype)
        given = (dZ, parts, dy, kept_best, pieces, m, r, g, len(x), O, P, share, *random)
        describe = partial(checks.bad_index, op, "which", pieces.shape)
        device.launch_checking(STEM, f"{op}_{team}_{kind}", count * device.threads, describe, *given)
        finish = f"affine_maxout_layernorm_finish_{kind}"
        device.launch_blocks(STEM, finish, -(-(2 + P) * O // WARP), dG, dshift, db, parts, count, O, P)
        multiply(self, dZ.T, x, dW.reshape(O * P, I), add=True)
        return multiply(self, dZ, w.reshape(O * P, I), target(self, out, X.shape, X.dtype))

    def backprop_affine_maxout(self, dY, which, X, W, dW, db, *, out=None):
        op, kind = "backprop_affine_maxout", suffix(self, dY, X, W, dW, db)
        pieces, index = as_indices(self, which)
        if (
            kind is None
            or pieces is None
            or W.ndim != 3
            or dY.shape != pieces.shape
            or not (_gradients_fit(dY, X, W, dW, db))
        ):
            return Ops.backprop_affine_maxout(self, dY, which, X, W, dW, db, out=out)
        dy, x, w = read = [contig(self, each) for each in (dY, X, W)]
        if not _changeable(dW, db, *read, pieces) or not fits(self, out, X.shape, X.dtype, *read, pieces, dW, db):
            return Ops.backprop_affine_maxout(self, dY, which, X, W, dW, db, out=out)
        (B, O), (_, P, I) = dY.shape, W.shape  # noqa: E741
        dZ = self.xp.empty((B, O * P), dtype=dY.dtype)
        describe = partial(checks.bad_index, op, "which", pieces.shape)
        name = f"spread_pieces_{kind}_{index}"
        self._device().launch_checking(STEM, name, dZ.size, describe, dZ, dy, pieces, B * O, P)
        self._add_gradients(kind, dZ, x, dW.reshape(O * P, I), db.reshape(O * P))
        return multiply(self, dZ, w.reshape(O * P, I), target(self, out, X.shape, X.dtype))


def _matrix(ops: Any, X: Any) -> Any:
    """X, or a copy that cuBLAS can read: in the order of rows or of columns, at an address it can load from."""
    ordered = X.flags.c_contiguous or X.T.flags.c_contiguous
    return X if ordered and X.data.ptr % X.itemsize == 0 else ops.xp.array(X, order="C", copy=True)


def _team(width: int, pieces: int, index: str, threads: int) -> Optional[str]:
    """Who works on a row of the gradient of affine_maxout_layernorm: part of the kernel's name; None: no kernel."""
    if pieces > MOST_PIECES or index != "i32":
        return None
    if width <= 8 * WARP:
        return "4" if width <= 4 * WARP else "8"
    return "wide" if width <= 4 * threads else None


def _gradients_fit(dY: Any, X: Any, W: Any, dW: Any, db: Any) -> bool:
    """Whether the shapes are those of the gradient of an affine op, and nothing is empty."""
    return (
        X.ndim == 2
        and X.size > 0
        and W.size > 0
        and W.shape == dW.shape
        and db.shape == W.shape[:-1]
        and X.shape[1] == W.shape[-1]
        and dY.shape == (X.shape[0], W.shape[0])
    )


def _changeable(dW: Any, db: Any, *read: Any) -> bool:
    """Whether kernels can add to dW and db, which share no memory with each other or what is read."""
    return plain(dW) and plain(db) and apart(dW, db) and all(apart(each, X) for each in (dW, db) for X in read)
