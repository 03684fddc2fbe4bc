"""One row per op. Everything in backends/test_ops_*.py runs on every row, so an op is tested by adding its row.

A row tells how to make arguments of a given size and how exact the result must be. What it promises beyond that is in
the fields of Case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, Optional, Tuple

import numpy

Args = Dict[str, Any]


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


@dataclass(frozen=True)
class Case:
    """A row.

    op: method of Ops.
    make: arguments by name; arrays of floats have the dtype of the draw.
    close: how exact, a key of tolerances.ULPS or a number of ulps.  relative_to: "value" or "array".
    inplace: the argument that inplace=True overwrites and returns.
    mutates: arguments that are changed in place at every call; their final contents are compared too.
    kernels: lines of kernels.def that this row covers; by default the one with the name of the op.
    gradient: (ops, args, dY) -> gradients by argument, when the op has a backward pass.  kink: no derivative here.
    specials: arguments in which NaN and infinities have defined results; None for all.
    half: float16 is accepted.
    """

    op: str
    make: Callable[[Draw], Args]
    close: Any = "exact"
    relative_to: str = "value"
    inplace: Optional[str] = None
    mutates: Tuple[str, ...] = ()
    kernels: Optional[Tuple[str, ...]] = None
    gradient: Optional[Callable[[Any, Args, Any], Args]] = None
    kink: Tuple[float, ...] = ()
    specials: Optional[Tuple[str, ...]] = None
    half: bool = True
    label: str = ""

    @property
    def name(self) -> str:
        return f"{self.op}-{self.label}" if self.label else self.op

    @property
    def covers(self) -> Tuple[str, ...]:
        return (self.op,) if self.kernels is None else self.kernels


# Elementwise ops


def unary(low: float, high: float, name: str = "X", **more: Any) -> Callable[[Draw], Args]:
    return lambda d: {name: d.floats(d.rows, d.width, low=low, high=high), **more}


def binary(low: float, high: float, *names: str, **more: Any) -> Callable[[Draw], Args]:
    """dY and the saved values of the forward pass."""
    return lambda d: {
        "dY": d.floats(d.rows, d.width),
        **{name: d.floats(d.rows, d.width, low=low, high=high) for name in names},
        **more,
    }


def grad_from_X(backprop: str) -> Callable[[Any, Args, Any], Args]:
    """The gradient of an elementwise op whose backprop takes what the op took."""

    def gradient(ops: Any, args: Args, dY: Any) -> Args:
        return {"X": getattr(ops, backprop)(dY, **args)}

    return gradient


def grad_from_Y(op: str, name: str = "X") -> Callable[[Any, Args, Any], Args]:
    """The gradient of an elementwise op whose backprop takes what the op returned."""

    def gradient(ops: Any, args: Args, dY: Any) -> Args:
        return {name: getattr(ops, f"backprop_{op}")(dY, getattr(ops, op)(**args))}

    return gradient


def elementwise(op: str, low: float, high: float, close: Any, kink: Tuple[float, ...] = (), **more: Any) -> list:
    """The two rows of an activation whose backprop takes dY and X."""
    backprop, label, to = f"backprop_{op}", more.pop("label", ""), more.pop("relative_to", "value")
    gradient = grad_from_X(backprop)
    forward = Case(op, unary(low, high, **more), close, to, inplace="X", gradient=gradient, kink=kink, label=label)
    # The slope passes through 0, where a rounding is many ulps of the value.
    return [forward, Case(backprop, binary(low, high, "X", **more), close, "array", inplace="dY", label=label)]


def swish_gradient(ops: Any, args: Args, dY: Any) -> Args:
    return {"X": ops.backprop_swish(dY, args["X"], ops.swish(args["X"]))}


ELEMENTWISE = [
    Case("relu", unary(-4, 4), inplace="X", gradient=grad_from_Y("relu"), kink=(0.0,)),
    Case("backprop_relu", binary(-4, 4, "Y"), inplace="dY"),
    *elementwise("mish", -30, 30, "function"),
    *elementwise("mish", -30, 30, "function", kink=(5.0,), threshold=5.0, label="threshold"),
    *elementwise("gelu", -6, 6, 64),  # the left tail multiplies the rounding of X by X^2
    *elementwise("gelu_approx", -6, 6, 64),  # as gelu
    *elementwise("dish", -30, 30, "function", relative_to="array"),  # -inf gives the smallest number, not 0
    *elementwise("hard_sigmoid", -4, 4, "rounded", kink=(-2.5, 2.5), relative_to="array"),  # passes through 0
    *elementwise("hard_tanh", -2, 2, "rounded", kink=(-1.0, 1.0)),
    *elementwise("relu_k", -2, 8, "rounded", kink=(0.0, 6.0)),
    *elementwise("hard_swish", -4, 4, "rounded", kink=(-2.5, 2.5), relative_to="array"),
    *elementwise("hard_swish_mobilenet", -4, 4, "rounded", kink=(-3.0, 3.0), relative_to="array"),
    *elementwise(
        "clipped_linear", -2, 2, "rounded", (-1.0, 1.0), relative_to="array", slope=-0.5, offset=0.5, label="falling"
    ),
    Case("swish", unary(-30, 30), "function", inplace="X", gradient=swish_gradient),
    Case("backprop_swish", binary(-30, 30, "X", "Y"), "function", "array", inplace="dY", specials=("dY", "X")),
    Case("sigmoid", unary(-30, 30), "function", inplace="X", gradient=grad_from_Y("sigmoid")),
    Case("backprop_sigmoid", binary(0, 1, "Y"), "function", "array", inplace="Y"),
    Case("dsigmoid", unary(0, 1, "Y"), "rounded", "array", inplace="Y"),
    Case("dtanh", unary(-1, 1, "Y"), "rounded", "array", inplace="Y"),
    Case("erf", unary(-4, 4), "function"),
    Case("sechsq", unary(-4, 4), "function"),
]

# Rows


def softmax_args(**more: Any) -> Callable[[Draw], Args]:
    return lambda d: {"x": d.floats(d.rows, d.width, low=-10, high=10), **more}


def softmax_gradient(ops: Any, args: Args, dY: Any) -> Args:
    same = {key: value for key, value in args.items() if key != "x"}
    return {"x": ops.backprop_softmax(ops.softmax(**args), dY, **same)}


def probabilities(d: Draw) -> Any:
    X = numpy.exp(d.floats(d.rows, d.width).astype("float64"))
    return (X / X.sum(axis=-1, keepdims=True)).astype(d.dtype) if X.size else X.astype(d.dtype)


def layernorm_args(d: Draw) -> Args:
    return {"X": d.floats(d.rows, d.width), "G": d.floats(d.width, low=0.5, high=2), "b": d.floats(d.width)}


def backprop_layernorm_args(d: Draw) -> Args:
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


def layernorm_gradient(ops: Any, args: Args, dY: Any) -> Args:
    X, G, b = args["X"], args["G"], args["b"]
    dG, db = ops.xp.zeros_like(G), ops.xp.zeros_like(b)
    _, mu, rstd = ops.layernorm(X, G, b)
    dX = ops.backprop_layernorm(dY, X, G, mu, rstd, dG, db)
    return {"X": dX, "G": dG, "b": db}


ROWS = [
    Case("softmax", softmax_args(), "function", "array", inplace="x", gradient=softmax_gradient),
    Case(
        "softmax",
        softmax_args(temperature=2.5),
        "function",
        "array",
        inplace="x",
        gradient=softmax_gradient,
        label="temperature",
    ),
    Case("softmax", softmax_args(axis=0), "function", "array", inplace="x", gradient=softmax_gradient, label="axis"),
    Case(
        "backprop_softmax",
        lambda d: {"Y": probabilities(d), "dY": d.floats(d.rows, d.width)},
        "sum",
        "array",
        specials=("dY",),
    ),
    Case(
        "backprop_softmax",
        lambda d: {"Y": probabilities(d), "dY": d.floats(d.rows, d.width), "temperature": 0.5},
        "sum",
        "array",
        specials=("dY",),
        label="temperature",
    ),
    Case("layernorm", layernorm_args, "sum", "array", gradient=layernorm_gradient),
    Case("backprop_layernorm", backprop_layernorm_args, "sum", "array", mutates=("dG", "db")),
]

# Maxout


def pieces(P: int) -> Callable[[Draw], Args]:
    return lambda d: {"X": d.floats(d.rows, d.width, P)}


def backprop_pieces(P: int) -> Callable[[Draw], Args]:
    return lambda d: {"dY": d.floats(d.rows, d.width), "which": d.ints(d.rows, d.width, below=P), "P": P}


def maxout_gradient(ops: Any, args: Args, dY: Any) -> Args:
    return {"X": ops.backprop_maxout(dY, ops.maxout(**args)[1], args["X"].shape[2])}


MAXOUT = [
    row
    for P in (1, 2, 3, 4, 7)
    for row in (
        Case("maxout", pieces(P), gradient=maxout_gradient, label=f"P{P}"),
        Case("backprop_maxout", backprop_pieces(P), label=f"P{P}"),
    )
]

# Ragged sequences: rows are the rows of all sequences


def ragged(name: str = "X", minimum: int = 0, **more: Any) -> Callable[[Draw], Args]:
    return lambda d: {name: d.floats(d.rows, d.width), "lengths": d.lengths(d.rows, minimum), **more}


def per_sequence(name: str, minimum: int = 0) -> Callable[[Draw], Args]:
    def make(d: Draw) -> Args:
        lengths = d.lengths(d.rows, minimum)
        return {name: d.floats(len(lengths), d.width), "lengths": lengths}

    return make


def backprop_max_args(d: Draw) -> Args:
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


def reduce_gradient(op: str) -> Callable[[Any, Args, Any], Args]:
    """The gradient of a reduction from whatever else it returned and the lengths."""

    def gradient(ops: Any, args: Args, dY: Any) -> Args:
        result = getattr(ops, op)(**args)
        extra = result[1:] if isinstance(result, tuple) else ()
        lengths = () if op in ("reduce_first", "reduce_last") else (args["lengths"],)
        return {"X": getattr(ops, f"backprop_{op}")(dY, *extra, *lengths)}

    return gradient


def softmax_sequences_gradient(ops: Any, args: Args, dY: Any) -> Args:
    Y = ops.softmax_sequences(**args)
    return {"Xs": ops.backprop_softmax_sequences(dY, Y, args["lengths"])}


RAGGED = [
    Case("reduce_sum", ragged(), "sum", "array", gradient=reduce_gradient("reduce_sum")),
    Case("reduce_mean", ragged(), "sum", "array", gradient=reduce_gradient("reduce_mean")),
    Case("reduce_max", ragged(minimum=1), gradient=reduce_gradient("reduce_max")),
    Case("reduce_first", ragged(minimum=1), gradient=reduce_gradient("reduce_first")),
    Case("reduce_last", ragged(minimum=1), gradient=reduce_gradient("reduce_last")),
    Case("backprop_reduce_sum", per_sequence("d_sums")),
    Case("backprop_reduce_mean", per_sequence("d_means"), "rounded"),
    Case("backprop_reduce_max", backprop_max_args),
    Case("backprop_reduce_first", bounds("first")),
    Case("backprop_reduce_last", bounds("last")),
    Case("softmax_sequences", ragged("Xs"), "sum", "array", inplace="Xs", gradient=softmax_sequences_gradient),
    Case(
        "backprop_softmax_sequences",
        lambda d: {
            "dY": d.floats(d.rows, d.width),
            "Y": d.floats(d.rows, d.width, low=0, high=1),
            "lengths": d.lengths(d.rows, 0),
        },
        "sum",
        "array",
    ),
]

# Windows


def window(nW: int, split: bool) -> Callable[[Draw], Args]:
    return lambda d: {"seq": d.floats(d.rows, d.width), "nW": nW, "lengths": d.lengths(d.rows, 0) if split else None}


def backprop_window(nW: int, split: bool) -> Callable[[Draw], Args]:
    def make(d: Draw) -> Args:
        dY = d.floats(d.rows, d.width * (2 * nW + 1))
        return {"dY": dY, "nW": nW, "lengths": d.lengths(d.rows, 0) if split else None}

    return make


def seq2col_gradient(ops: Any, args: Args, dY: Any) -> Args:
    return {"seq": ops.backprop_seq2col(dY, args["nW"], lengths=args["lengths"])}


WINDOWS = [
    row
    for nW, split in ((0, False), (1, False), (1, True), (2, True), (5, False))
    for row in (
        Case("seq2col", window(nW, split), gradient=seq2col_gradient, label=f"{nW}{'-lengths' if split else ''}"),
        Case(
            "backprop_seq2col", backprop_window(nW, split), "sum", "array", label=f"{nW}{'-lengths' if split else ''}"
        ),
    )
]

# Tables

V = 11  # rows of the table: few, so that indices repeat


def gather_args(K: int) -> Callable[[Draw], Args]:
    return lambda d: {"table": d.floats(V, d.width), "indices": d.ints(d.rows, K, below=V)}


def gather_gradient(ops: Any, args: Args, dY: Any) -> Args:
    dtable = ops.xp.zeros_like(args["table"])
    for k in range(args["indices"].shape[1]):
        ops.scatter_add(dtable, args["indices"][:, k], dY)
    return {"table": dtable}


def scatter_args(*shape: int) -> Callable[[Draw], Args]:
    def make(d: Draw) -> Args:
        indices = d.ints(d.rows, *shape, below=V)
        return {"table": d.floats(V, d.width), "indices": indices, "values": d.floats(*indices.shape, d.width)}

    return make


def scatter_skipping(d: Draw) -> Args:
    args = scatter_args()(d)
    args["indices"][::3] = -1
    return args


def hash_embed_gradient(ops: Any, args: Args, dY: Any) -> Args:
    dtable = ops.xp.zeros_like(args["table"])
    ops.backprop_hash_embed(dY, args["ids"], args["seed"], dtable)
    return {"table": dtable}


def backprop_hash_embed_args(d: Draw) -> Args:
    return {"dY": d.floats(d.rows, d.width), "ids": d.ids(d.rows), "seed": 7, "dtable": d.floats(V, d.width)}


TABLES = [
    *(
        Case(
            "gather_add",
            gather_args(K),
            "rounded",
            "array",
            gradient=gather_gradient,
            label=f"K{K}",
            kernels=("gather_add", "largest_index"),
        )
        for K in (1, 2, 3, 4, 6)
    ),
    Case("scatter_add", scatter_args(), "sum", "array", mutates=("table",)),
    Case("scatter_add", scatter_args(2), "sum", "array", mutates=("table",), label="2d"),
    Case("scatter_add", scatter_skipping, "sum", "array", mutates=("table",), label="skip"),
    Case("hash", lambda d: {"ids": d.ids(d.rows * d.width), "seed": 0}),
    Case("hash", lambda d: {"ids": d.ids(d.rows * d.width), "seed": 2**32 - 1}, label="seed"),
    *(Case("ngrams", lambda d, n=n: {"n": n, "keys": d.ids(d.rows * d.width)}, label=f"n{n}") for n in (0, 1, 3)),
    Case(
        "hash_embed",
        lambda d: {"table": d.floats(V, d.width), "ids": d.ids(d.rows), "seed": 7},
        "rounded",
        "array",
        gradient=hash_embed_gradient,
    ),
    Case("backprop_hash_embed", backprop_hash_embed_args, "sum", "array", mutates=("dtable",)),
    Case("position_encode", lambda d: {"N": d.rows, "D": d.width}, "rounded", "array"),
    Case("tile", lambda d: {"X": d.floats(d.rows, d.width), "reps": 3}),
]

# Matrix products: rows x width times width x 7, so that no two dimensions are equal by chance

OUT = 7


def gemm_args(trans1: bool, trans2: bool, **more: Any) -> Callable[[Draw], Args]:
    def make(d: Draw) -> Args:
        x = d.floats(d.width, d.rows) if trans1 else d.floats(d.rows, d.width)
        y = d.floats(OUT, d.width) if trans2 else d.floats(d.width, OUT)
        out = {"out": d.floats(d.rows, OUT)} if more else {}
        return {"x": x, "y": y, **out, "trans1": trans1, "trans2": trans2, **more}

    return make


def gemm_gradient(ops: Any, args: Args, dY: Any) -> Args:
    x, y, t1, t2 = args["x"], args["y"], args["trans1"], args["trans2"]
    dx = ops.gemm(y, dY, trans1=t2, trans2=True) if t1 else ops.gemm(dY, y, trans2=not t2)
    dy = ops.gemm(dY, x, trans1=True, trans2=t1) if t2 else ops.gemm(x, dY, trans1=not t1)
    return {"x": dx, "y": dy}


def affine_args(d: Draw) -> Args:
    return {"X": d.floats(d.rows, d.width), "W": d.floats(OUT, d.width), "b": d.floats(OUT)}


def backprop_affine_args(d: Draw) -> Args:
    X, W = d.floats(d.rows, d.width), d.floats(OUT, d.width)
    return {"dY": d.floats(d.rows, OUT), "X": X, "W": W, "dW": d.floats(OUT, d.width), "db": d.floats(OUT)}


def affine_gradient(ops: Any, args: Args, dY: Any) -> Args:
    dW, db = ops.xp.zeros_like(args["W"]), ops.xp.zeros_like(args["b"])
    return {"X": ops.backprop_affine(dY, args["X"], args["W"], dW, db), "W": dW, "b": db}


def affine_relu_gradient(ops: Any, args: Args, dY: Any) -> Args:
    return affine_gradient(ops, args, ops.backprop_relu(dY, ops.affine_relu(**args)))


def affine_maxout_args(P: int) -> Callable[[Draw], Args]:
    return lambda d: {"X": d.floats(d.rows, d.width), "W": d.floats(OUT, P, d.width), "b": d.floats(OUT, P)}


def backprop_affine_maxout_args(P: int) -> Callable[[Draw], Args]:
    def make(d: Draw) -> Args:
        args, which = affine_maxout_args(P)(d), d.ints(d.rows, OUT, below=P)
        grads = {"dW": d.floats(OUT, P, d.width), "db": d.floats(OUT, P)}
        return {"dY": d.floats(d.rows, OUT), "which": which, "X": args["X"], "W": args["W"], **grads}

    return make


def affine_maxout_gradient(ops: Any, args: Args, dY: Any) -> Args:
    dW, db = ops.xp.zeros_like(args["W"]), ops.xp.zeros_like(args["b"])
    _, which = ops.affine_maxout(**args)
    return {"X": ops.backprop_affine_maxout(dY, which, args["X"], args["W"], dW, db), "W": dW, "b": db}


PRODUCTS = [
    *(
        Case(
            "gemm",
            gemm_args(t1, t2),
            "sum",
            "array",
            gradient=gemm_gradient,
            label=f"{'T' if t1 else 'N'}{'T' if t2 else 'N'}",
        )
        for t1 in (False, True)
        for t2 in (False, True)
    ),
    Case("gemm", gemm_args(False, True, accumulate=False), "sum", "array", mutates=("out",), label="out"),
    Case("gemm", gemm_args(True, False, accumulate=True), "sum", "array", mutates=("out",), label="accumulate"),
    Case("affine", affine_args, "sum", "array", gradient=affine_gradient),
    Case("affine_relu", affine_args, "sum", "array", gradient=affine_relu_gradient),
    Case(
        "backprop_affine",
        backprop_affine_args,
        "sum",
        "array",
        mutates=("dW", "db"),
        kernels=("backprop_affine", "column_sum"),
    ),
    *(
        row
        for P in (1, 2, 3, 4)
        for row in (
            Case(
                "affine_maxout", affine_maxout_args(P), "sum", "array", gradient=affine_maxout_gradient, label=f"P{P}"
            ),
            # Whether NaN * 0 of a piece that did not win is added to dW is the backend's own affair.
            Case(
                "backprop_affine_maxout",
                backprop_affine_maxout_args(P),
                "sum",
                "array",
                mutates=("dW", "db"),
                specials=(),
                label=f"P{P}",
            ),
        )
    ),
]

# Optimiser


def adam_args(d: Draw) -> Args:
    arrays = {name: d.floats(d.rows, d.width) for name in ("weights", "gradient", "mom1")}
    mom2 = {"mom2": d.floats(d.rows, d.width, low=0.1)}  # a small root multiplies the rounding of mom1
    return {**arrays, **mom2, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "learn_rate": 0.01}


ADAM_CHANGES = ("weights", "gradient", "mom1", "mom2")

TRAINING = [
    Case("adam", adam_args, "function", "array", mutates=ADAM_CHANGES),
    Case(
        "adam", lambda d: {**adam_args(d), "mod_rate": 0.5}, "function", "array", mutates=ADAM_CHANGES, label="mod_rate"
    ),
    Case(
        "clip_gradient",
        lambda d: {"gradient": d.floats(d.rows, d.width), "threshold": 0.5},
        "rounded",
        mutates=("gradient",),
        kernels=("sum_squares", "scal"),
    ),
    Case(
        "clip_gradient",
        lambda d: {"gradient": d.floats(d.rows, d.width), "threshold": 1e9},
        mutates=("gradient",),
        kernels=(),
        label="below",
    ),
    Case(
        "update_averages",
        lambda d: {"ema": d.floats(d.rows, d.width), "weights": d.floats(d.rows, d.width), "t": 20},
        "rounded",
        "array",
        mutates=("ema",),
    ),
    Case(
        "logloss",
        lambda d: {
            "y_true": d.floats(d.rows, d.width, low=0, high=1),
            "y_pred": d.floats(d.rows, d.width, low=0.01, high=0.99),
        },
        "function",
        "array",
    ),
]

CASES = [*ELEMENTWISE, *ROWS, *MAXOUT, *RAGGED, *WINDOWS, *TABLES, *PRODUCTS, *TRAINING]

# Kernels that no op calls alone; where they are tested instead.
TESTED_ELSEWHERE = {"dropout_mask": "test_ops_random.py", "axpy": "test_blas.py"}
