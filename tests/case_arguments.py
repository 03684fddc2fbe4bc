"""The arguments of the rows of cases.py: each function makes those of one op, or returns a function that does."""

from __future__ import annotations

import math
from typing import Any, Callable, Dict

import numpy

from thinc_core.backends.reference.optim import StepRates

Args = Dict[str, Any]
V = 11  # rows of a table: few, so that indices repeat
OUT = 7  # width of a matrix product: no other dimension is equal to it by chance


class Draw:
    """Makes arguments of one size: rows and width are what the vectorised loops run over."""

    def __init__(self, rows: int, width: int, dtype: Any = "float64", seed: int = 0):
        self.rows, self.width, self.dtype = rows, width, numpy.dtype(dtype)
        self.rng = numpy.random.default_rng((seed, rows, width))

    def floats(self, *shape: int, low: float = -4.0, high: float = 4.0) -> Any:
        """Uniform in [low, high), rounded to the dtype of the test."""
        return self.rng.uniform(low, high, shape).astype(self.dtype)

    def ints(self, *shape: int, below: int, dtype: str = "int32") -> Any:
        """Uniform in [0, below)."""
        return self.rng.integers(0, max(below, 1), shape).astype(dtype)

    def ids(self, n: int) -> Any:
        """Any 64-bit keys, with the smallest and the largest among them."""
        keys = self.rng.integers(0, 2**64, n, dtype="uint64")
        keys[: min(n, 3)] = numpy.array([0, 1, 2**64 - 1], dtype="uint64")[: min(n, 3)]
        return keys

    def lengths(self, total: int, minimum: int) -> Any:
        """Lengths that sum to total, with empty sequences at both ends and in the middle when minimum is 0."""
        if total == 0:
            return numpy.zeros((0 if minimum else 2,), dtype="int32")
        cuts = numpy.unique(self.rng.integers(1, total, 3)) if total > 1 else numpy.zeros((0,), dtype=int)
        lengths = numpy.diff(numpy.concatenate([[0], cuts, [total]])).astype("int32")
        if minimum == 0:
            lengths = numpy.concatenate([[0], lengths[:1], [0], lengths[1:], [0]]).astype("int32")
        return lengths


def unary(low: float, high: float, name: str = "X", **more: Any) -> Callable[[Draw], Args]:
    return lambda d: {name: d.floats(d.rows, d.width, low=low, high=high), **more}


def binary(low: float, high: float, *names: str, **more: Any) -> Callable[[Draw], Args]:
    """dY and the saved values of the forward pass."""
    return lambda d: {
        "dY": d.floats(d.rows, d.width),
        **{name: d.floats(d.rows, d.width, low=low, high=high) for name in names},
        **more,
    }


def softmax(**more: Any) -> Callable[[Draw], Args]:
    return lambda d: {"x": d.floats(d.rows, d.width, low=-10, high=10), **more}


def probabilities(d: Draw) -> Any:
    X = numpy.exp(d.floats(d.rows, d.width).astype("float64"))
    return (X / X.sum(axis=-1, keepdims=True)).astype(d.dtype) if X.size else X.astype(d.dtype)


def layernorm(d: Draw) -> Args:
    return {"X": d.floats(d.rows, d.width), "G": d.floats(d.width, low=0.5, high=2), "b": d.floats(d.width)}


def backprop_layernorm(d: Draw) -> Args:
    X, width = d.floats(d.rows, d.width), max(d.width, 1)
    wide = X.astype("float64")
    mu = wide.sum(axis=1) / width
    rstd = 1 / numpy.sqrt(numpy.square(wide - mu[:, None]).sum(axis=1) / width + 1e-8)
    # A row of width 1 has no variance: its 1 / sqrt(eps) would turn every rounding into a large number.
    rstd = numpy.minimum(rstd, 10)
    stats = {"mu": mu.astype(d.dtype), "rstd": rstd.astype(d.dtype)}
    return {
        "dY": d.floats(d.rows, d.width),
        "X": X,
        "G": d.floats(d.width),
        **stats,
        "dG": d.floats(d.width),
        "db": d.floats(d.width),
    }


def pieces(P: int) -> Callable[[Draw], Args]:
    return lambda d: {"X": d.floats(d.rows, d.width, P)}


def backprop_pieces(P: int) -> Callable[[Draw], Args]:
    return lambda d: {"dY": d.floats(d.rows, d.width), "which": d.ints(d.rows, d.width, below=P), "P": P}


def ragged(name: str = "X", minimum: int = 0, **more: Any) -> Callable[[Draw], Args]:
    return lambda d: {name: d.floats(d.rows, d.width), "lengths": d.lengths(d.rows, minimum), **more}


def per_sequence(name: str, minimum: int = 0) -> Callable[[Draw], Args]:
    def make(d: Draw) -> Args:
        lengths = d.lengths(d.rows, minimum)
        return {name: d.floats(len(lengths), d.width), "lengths": lengths}

    return make


def backprop_max(d: Draw) -> Args:
    args = per_sequence("d_maxes", minimum=1)(d)
    high = numpy.broadcast_to(args["lengths"][:, None], args["d_maxes"].shape)
    which = d.rng.integers(0, high).astype("int32") if high.size else high.copy()
    return {"d_maxes": args["d_maxes"], "which": which, "lengths": args["lengths"]}


def bounds(op: str) -> Callable[[Draw], Args]:
    def make(d: Draw) -> Args:
        lengths = d.lengths(d.rows, 1)
        ends = numpy.cumsum(lengths)
        if op == "first":
            starts_ends = numpy.append(0, ends).astype("int32") if len(lengths) else lengths
            return {"d_firsts": d.floats(len(lengths), d.width), "starts_ends": starts_ends}
        return {"d_lasts": d.floats(len(lengths), d.width), "lasts": ends - 1}

    return make


def window(nW: int, split: bool) -> Callable[[Draw], Args]:
    return lambda d: {"seq": d.floats(d.rows, d.width), "nW": nW, "lengths": d.lengths(d.rows, 0) if split else None}


def backprop_window(nW: int, split: bool, plus: bool = False) -> Callable[[Draw], Args]:
    def make(d: Draw) -> Args:
        dY = d.floats(d.rows, d.width * (2 * nW + 1))
        more = {"plus": d.floats(d.rows, d.width)} if plus else {}
        return {"dY": dY, "nW": nW, "lengths": d.lengths(d.rows, 0) if split else None, **more}

    return make


def gather(K: int) -> Callable[[Draw], Args]:
    return lambda d: {"table": d.floats(V, d.width), "indices": d.ints(d.rows, K, below=V)}


def scatter(*shape: int) -> Callable[[Draw], Args]:
    def make(d: Draw) -> Args:
        indices = d.ints(d.rows, *shape, below=V)
        return {"table": d.floats(V, d.width), "indices": indices, "values": d.floats(*indices.shape, d.width)}

    return make


def scatter_skipping(d: Draw) -> Args:
    args = scatter()(d)
    args["indices"][::3] = -1
    return args


def backprop_hash_embed(d: Draw) -> Args:
    return {"dY": d.floats(d.rows, d.width), "ids": d.ids(d.rows), "seed": 7, "dtable": d.floats(V, d.width)}


TABLES = ((2, V, 7), (0, 1, 8), (2, 5, 7))  # column, rows, seed; two read the same column


def _tables(d: Draw) -> list:
    """Tables of several sizes, none of the width of another."""
    return [d.floats(rows, d.width + k) for k, (_, rows, _) in enumerate(TABLES)]


def hash_embeds(d: Draw) -> Args:
    columns, seeds = [column for column, _, _ in TABLES], [seed for _, _, seed in TABLES]
    return {"tables": _tables(d), "ids": d.ids(3 * d.rows).reshape(d.rows, 3), "columns": columns, "seeds": seeds}


def backprop_hash_embeds(d: Draw) -> Args:
    args = hash_embeds(d)
    dtables = args.pop("tables")
    return {"dY": d.floats(d.rows, sum(table.shape[1] for table in dtables)), **args, "dtables": dtables}


def sparse(v1_indexing: bool) -> Callable[[Draw], Args]:
    def make(d: Draw) -> Args:
        L = 16 if v1_indexing else V
        arrays = {"values": d.floats(d.rows), "lengths": d.lengths(d.rows, 0), "W": d.floats(max(d.width, 1) * L)}
        return {"keys": d.ids(d.rows), **arrays, "b": d.floats(max(d.width, 1)), "v1_indexing": v1_indexing}

    return make


def backprop_sparse(v1_indexing: bool) -> Callable[[Draw], Args]:
    def make(d: Draw) -> Args:
        args = sparse(v1_indexing)(d)
        dY, db = d.floats(len(args["lengths"]), len(args["b"])), args.pop("b")
        return {"dY": dY, **args, "dW": d.floats(*args["W"].shape), "db": db}

    return make


def gemm(trans1: bool, trans2: bool, **more: Any) -> Callable[[Draw], Args]:
    def make(d: Draw) -> Args:
        x = d.floats(d.width, d.rows) if trans1 else d.floats(d.rows, d.width)
        y = d.floats(OUT, d.width) if trans2 else d.floats(d.width, OUT)
        out = {"out": d.floats(d.rows, OUT)} if more else {}
        return {"x": x, "y": y, **out, "trans1": trans1, "trans2": trans2, **more}

    return make


def affine(d: Draw) -> Args:
    return {"X": d.floats(d.rows, d.width), "W": d.floats(OUT, d.width), "b": d.floats(OUT)}


def affine_activation(activation: str, **more: Any) -> Callable[[Draw], Args]:
    return lambda d: {**affine(d), "activation": activation, **more}


def affine_maxout_layernorm(P: int, **more: Any) -> Callable[[Draw], Args]:
    """A large eps: a row of equal outputs has no variance, and its 1 / sqrt(eps) would make roundings large."""

    def make(d: Draw) -> Args:
        norm = {"G": d.floats(OUT, low=0.5, high=2), "shift": d.floats(OUT), "eps": 1.0}
        args = {**affine_maxout(P)(d), **norm, **more}
        return {**args, "plus": d.floats(d.rows, OUT)} if "plus" in more else args

    return make


def backprop_affine_maxout_layernorm(P: int, **more: Any) -> Callable[[Draw], Args]:
    def make(d: Draw) -> Args:
        maxout, d_maxout = affine_maxout(P)(d), backprop_affine_maxout(P)(d)
        norm = {"best": d.floats(d.rows, OUT), "mu": d.floats(d.rows), "rstd": d.floats(d.rows, low=0.5, high=2)}
        params = {"X": maxout["X"], "W": maxout["W"], "G": d.floats(OUT), "dG": d.floats(OUT), "dshift": d.floats(OUT)}
        return {**norm, **params, **{name: d_maxout[name] for name in ("dY", "which", "dW", "db")}, **more}

    return make


def crossentropy(**more: Any) -> Callable[[Draw], Args]:
    def make(d: Draw) -> Args:
        O = d.width + 1  # of no classes there is none to be right  # noqa: E741
        args = {"guesses": d.floats(d.rows, O, low=0, high=1), "labels": d.ints(d.rows, below=O), **more}
        return {**args, "negated": d.ints(d.rows, below=2)} if "negated" in more else args

    return make


def dropout(drop: float) -> Callable[[Draw], Args]:
    return lambda d: {"X": d.floats(d.rows, d.width), "drop": drop, "seed": 2**53 - 7}


def backprop_affine(d: Draw) -> Args:
    X, W = d.floats(d.rows, d.width), d.floats(OUT, d.width)
    return {"dY": d.floats(d.rows, OUT), "X": X, "W": W, "dW": d.floats(OUT, d.width), "db": d.floats(OUT)}


def lstm(depth: int, dirs: int) -> Callable[[Draw], Args]:
    """Small weights: errors must not grow from step to step."""

    def make(d: Draw) -> Args:
        nI, nO = OUT, d.width
        n_params = sum(dirs * 4 * nO * (n_in + nO + 2) for n_in in [nI] + [nO * dirs] * (depth - 1))
        start = (depth, dirs, nO)
        return {
            "params": d.floats(n_params, low=-0.3, high=0.3),
            "H0": d.floats(*start, low=-1, high=1),
            "C0": d.floats(*start, low=-1, high=1),
            "X": d.floats(d.rows, nI, low=-1, high=1),
            "size_at_t": numpy.sort(d.lengths(d.rows, 0))[::-1].copy(),
        }

    return make


def affine_maxout(P: int) -> Callable[[Draw], Args]:
    return lambda d: {"X": d.floats(d.rows, d.width), "W": d.floats(OUT, P, d.width), "b": d.floats(OUT, P)}


def backprop_affine_maxout(P: int) -> Callable[[Draw], Args]:
    def make(d: Draw) -> Args:
        args, which = affine_maxout(P)(d), d.ints(d.rows, OUT, below=P)
        grads = {"dW": d.floats(OUT, P, d.width), "db": d.floats(OUT, P)}
        return {"dY": d.floats(d.rows, OUT), "which": which, "X": args["X"], "W": args["W"], **grads}

    return make


def adam(d: Draw) -> Args:
    arrays = {name: d.floats(d.rows, d.width) for name in ("weights", "gradient", "mom1")}
    mom2 = {"mom2": d.floats(d.rows, d.width, low=0.1)}  # a small root multiplies the rounding of mom1
    return {**arrays, **mom2, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "learn_rate": 0.01}


STEP = {"t": 20, "learn_rate": 0.01, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "grad_clip": 0.5, "decay": 0.9}


def apply_gradients(moments: int = 2, unscale: float = 1.0, **rates: float) -> Callable[[Draw], Args]:
    """Three parameters, of which the second has no average, rates of its own and is not clipped."""

    def make(d: Draw) -> Args:
        shapes = ((d.rows, d.width), (d.width,), (3, d.rows))
        step = StepRates(**{**STEP, **rates})  # type: ignore[arg-type]
        sizes = [math.prod(shape) for shape in shapes]
        return {
            "weights": [d.floats(*shape) for shape in shapes],
            "gradients": [d.floats(*shape) for shape in shapes],
            "mom1": [d.floats(n) if moments > 0 else None for n in sizes],
            "mom2": [d.floats(n, low=0.1) if moments > 1 else None for n in sizes],
            "averages": [d.floats(*shapes[0]), None, d.floats(*shapes[2])],
            "rates": [step, step._replace(t=3, grad_clip=0.0, decay=1.0), step],
            "unscale": unscale,
        }

    return make


def rmsnorm(d: Draw) -> Args:
    return {"X": d.floats(d.rows, d.width), "G": d.floats(d.width, low=0.5, high=2)}


def backprop_rmsnorm(d: Draw) -> Args:
    rstd = d.floats(d.rows, low=0.1, high=2)
    return {"dY": d.floats(d.rows, d.width), **rmsnorm(d), "rstd": rstd, "dG": d.floats(d.width)}


def attention(n_heads: int, **more: Any) -> Callable[[Draw], Args]:
    def make(d: Draw) -> Args:
        lengths = d.lengths(d.rows, 0)
        QKV = d.floats(d.rows, 3 * n_heads * d.width, low=-1, high=1)
        args = {"QKV": QKV, "lengths": lengths, "n_heads": n_heads, **more}
        if "mask" in more:
            args["mask"] = 2 * d.ints(n_heads * int((lengths**2).sum()), below=2).astype(d.dtype)
        return args

    return make


def backprop_attention(n_heads: int, **more: Any) -> Callable[[Draw], Args]:
    def make(d: Draw) -> Args:
        args = attention(n_heads, **more)(d)
        weights = d.floats(n_heads * int((args["lengths"] ** 2).sum()), low=0, high=1)
        return {"dY": d.floats(d.rows, n_heads * d.width), "weights": weights, **args}

    return make


def rotary(name: str, **more: Any) -> Callable[[Draw], Args]:
    """Two heads and three columns that stay as they are."""

    def make(d: Draw) -> Args:
        heads = {"n_heads": 2, "D": 2 * d.width, **more}
        return {name: d.floats(d.rows, 4 * d.width + 3), "lengths": d.lengths(d.rows, 0), **heads}

    return make
