"""One row per op. Everything in backends/test_ops_*.py runs on every row, so an op is tested by adding its row.

A row tells how to make arguments of a given size and how exact the result must be. What it promises beyond that is in
the fields of Case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Optional, Tuple

import case_arguments as make
import case_gradients as gradients
from case_arguments import Args, Draw


@dataclass(frozen=True)
class Case:
    """A row.

    op: method of Ops.
    make: arguments by name; arrays of floats have the dtype of the draw.
    close: how exact, a key of tolerances.ULPS or a number of ulps.  relative_to: what the ulps are of.
        "value": each value.  "terms": the sum of the magnitudes of what is added.  "array": the largest value.
        The name of an argument: each of its values.
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


def elementwise(op: str, low: float, high: float, close: Any, kink: Tuple[float, ...] = (), **more: Any) -> list:
    """The two rows of an activation whose backprop takes dY and X."""
    backprop, label, to = f"backprop_{op}", more.pop("label", ""), more.pop("relative_to", "value")
    gradient = gradients.from_X(backprop)
    forward = Case(op, make.unary(low, high, **more), close, to, inplace="X", gradient=gradient, kink=kink, label=label)
    # The slope is at most about 1 and passes through 0, where a rounding is many ulps of the value.
    return [forward, Case(backprop, make.binary(low, high, "X", **more), close, "dY", inplace="dY", label=label)]


ELEMENTWISE = [
    Case("relu", make.unary(-4, 4), inplace="X", gradient=gradients.from_Y("relu"), kink=(0.0,)),
    Case("backprop_relu", make.binary(-4, 4, "Y"), inplace="dY"),
    *elementwise("mish", -30, 30, "function"),
    *elementwise("mish", -30, 30, "function", kink=(5.0,), threshold=5.0, label="threshold"),
    *elementwise("gelu", -6, 6, "function", relative_to="X"),
    *elementwise("gelu_approx", -6, 6, "function", relative_to="X"),
    *elementwise("dish", -30, 30, "function", relative_to="array"),  # -inf gives the smallest number, not 0
    *elementwise("hard_sigmoid", -4, 4, "rounded", kink=(-2.5, 2.5), relative_to="array"),  # passes through 0
    *elementwise("hard_tanh", -2, 2, "rounded", kink=(-1.0, 1.0)),
    *elementwise("relu_k", -2, 8, "rounded", kink=(0.0, 6.0)),
    *elementwise("hard_swish", -4, 4, "rounded", kink=(-2.5, 2.5), relative_to="array"),
    *elementwise("hard_swish_mobilenet", -4, 4, "rounded", kink=(-3.0, 3.0), relative_to="array"),
    *elementwise(
        "clipped_linear", -2, 2, "rounded", (-1.0, 1.0), relative_to="array", slope=-0.5, offset=0.5, label="falling"
    ),
    Case("swish", make.unary(-30, 30), "function", inplace="X", gradient=gradients.swish),
    Case("backprop_swish", make.binary(-30, 30, "X", "Y"), "function", "array", inplace="dY", specials=("dY", "X")),
    Case("sigmoid", make.unary(-30, 30), "function", inplace="X", gradient=gradients.from_Y("sigmoid")),
    Case("backprop_sigmoid", make.binary(0, 1, "Y"), "function", "array", inplace="Y"),
    Case("dsigmoid", make.unary(0, 1, "Y"), "rounded", "array", inplace="Y"),
    Case("dtanh", make.unary(-1, 1, "Y"), "rounded", "array", inplace="Y"),
    Case("erf", make.unary(-4, 4), "function"),
    Case("sechsq", make.unary(-4, 4), "function"),
]

ROWS = [
    *(
        Case("softmax", make.softmax(**more), "function", "array", inplace="x", gradient=gradients.softmax, label=label)
        for label, more in (("", {}), ("temperature", {"temperature": 2.5}), ("axis", {"axis": 0}))
    ),
    Case(
        "backprop_softmax",
        lambda d: {"Y": make.probabilities(d), "dY": d.floats(d.rows, d.width)},
        "sum",
        "array",
        specials=("dY",),
    ),
    Case(
        "backprop_softmax",
        lambda d: {"Y": make.probabilities(d), "dY": d.floats(d.rows, d.width), "temperature": 0.5},
        "sum",
        "array",
        specials=("dY",),
        label="temperature",
    ),
    *(
        Case("crossentropy_gradient", make.crossentropy(**more), "rounded", "array", specials=(), label=label)
        for label, more in (
            ("", {}),
            ("all", {"negated": True, "missing": 0, "smoothing": 0.1, "divisor": 7.0}),
        )
    ),
    Case("layernorm", make.layernorm, "sum", "array", gradient=gradients.layernorm),
    Case("backprop_layernorm", make.backprop_layernorm, "sum", "array", mutates=("dG", "db")),
    Case("rmsnorm", make.rmsnorm, "sum", "array", gradient=gradients.rmsnorm),
    Case("backprop_rmsnorm", make.backprop_rmsnorm, "sum", "array", mutates=("dG",)),
]

DROPOUT = [
    Case("dropout", make.dropout(0.3), "rounded", inplace="X", gradient=gradients.dropout),
    Case("dropout", make.dropout(0.0), inplace="X", kernels=(), label="nothing"),
]

MAXOUT = [
    row
    for P in (1, 2, 3, 4, 7)
    for row in (
        Case("maxout", make.pieces(P), gradient=gradients.maxout, label=f"P{P}"),
        Case("backprop_maxout", make.backprop_pieces(P), label=f"P{P}"),
    )
]

# Ragged sequences: rows are the rows of all sequences

RAGGED = [
    Case("reduce_sum", make.ragged(), "sum", "terms", gradient=gradients.reduce("reduce_sum")),
    Case("reduce_mean", make.ragged(), "sum", "terms", gradient=gradients.reduce("reduce_mean")),
    Case("reduce_max", make.ragged(minimum=1), gradient=gradients.reduce("reduce_max")),
    Case("reduce_first", make.ragged(minimum=1), gradient=gradients.reduce("reduce_first")),
    Case("reduce_last", make.ragged(minimum=1), gradient=gradients.reduce("reduce_last")),
    Case("backprop_reduce_sum", make.per_sequence("d_sums")),
    Case("backprop_reduce_mean", make.per_sequence("d_means"), "rounded"),
    Case("backprop_reduce_max", make.backprop_max),
    Case("backprop_reduce_first", make.bounds("first")),
    Case("backprop_reduce_last", make.bounds("last")),
    Case(
        "softmax_sequences",
        make.ragged("Xs"),
        "sum",
        "array",
        inplace="Xs",
        gradient=gradients.softmax_sequences,
    ),
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

WINDOWS = [
    row
    for nW, split in ((0, False), (1, False), (1, True), (2, True), (5, False))
    for row in (
        Case(
            "seq2col",
            make.window(nW, split),
            gradient=gradients.seq2col,
            label=f"{nW}{'-lengths' if split else ''}",
        ),
        Case(
            "backprop_seq2col",
            make.backprop_window(nW, split),
            "sum",
            "terms",
            label=f"{nW}{'-lengths' if split else ''}",
        ),
        Case(
            "backprop_seq2col",
            make.backprop_window(nW, split, plus=True),
            "sum",
            "terms",
            label=f"{nW}{'-lengths' if split else ''}-plus",
        ),
    )
]

TABLES = [
    *(
        Case(
            "gather_add",
            make.gather(K),
            "sum",
            "terms",
            gradient=gradients.gather,
            label=f"K{K}",
            kernels=("gather_add", "largest_index"),
        )
        for K in (1, 2, 3, 4, 6)
    ),
    Case("scatter_add", make.scatter(), "sum", "terms", mutates=("table",)),
    Case("scatter_add", make.scatter(2), "sum", "terms", mutates=("table",), label="2d"),
    Case("scatter_add", make.scatter_skipping, "sum", "terms", mutates=("table",), label="skip"),
    Case("hash", lambda d: {"ids": d.ids(d.rows * d.width), "seed": 0}),
    Case("hash", lambda d: {"ids": d.ids(d.rows * d.width), "seed": 2**32 - 1}, label="seed"),
    *(Case("ngrams", lambda d, n=n: {"n": n, "keys": d.ids(d.rows * d.width)}, label=f"n{n}") for n in (0, 1, 3)),
    Case(
        "hash_embed",
        lambda d: {"table": d.floats(make.V, d.width), "ids": d.ids(d.rows), "seed": 7},
        "sum",
        "terms",
        gradient=gradients.hash_embed,
    ),
    Case("backprop_hash_embed", make.backprop_hash_embed, "sum", "terms", mutates=("dtable",)),
    Case("hash_embeds", make.hash_embeds, "sum", "terms", kernels=("hash_embed",)),
    Case(
        "backprop_hash_embeds",
        make.backprop_hash_embeds,
        "sum",
        "terms",
        mutates=("dtables",),
        kernels=("backprop_hash_embed",),
    ),
    Case(
        "position_encode",
        lambda d: {"N": d.rows, "D": d.width, "out": d.floats(d.rows, d.width)},
        "rounded",
        "array",
        mutates=("out",),
        label="out",
    ),
    Case("position_encode", lambda d: {"N": d.rows, "D": d.width}, "rounded", "array"),
    Case("tile", lambda d: {"X": d.floats(d.rows, d.width), "reps": 3}),
]

BAGS = [
    row
    for v1 in (False, True)
    for row in (
        Case(
            "sparse_affine",
            make.sparse(v1),
            "sum",
            "terms",
            gradient=gradients.sparse_affine,
            label="v1" if v1 else "",
            kernels=("sparse_affine", "sparse_slots"),
        ),
        Case(
            "backprop_sparse_affine",
            make.backprop_sparse(v1),
            "sum",
            "terms",
            mutates=("dW", "db"),
            label="v1" if v1 else "",
            kernels=("backprop_sparse_weights", "backprop_sparse_values"),
        ),
    )
]

PRODUCTS = [
    *(
        Case(
            "gemm",
            make.gemm(t1, t2),
            "sum",
            "terms",
            gradient=gradients.gemm,
            label=f"{'T' if t1 else 'N'}{'T' if t2 else 'N'}",
        )
        for t1 in (False, True)
        for t2 in (False, True)
    ),
    Case("gemm", make.gemm(False, True, accumulate=False), "sum", "terms", mutates=("out",), label="out"),
    Case("gemm", make.gemm(True, False, accumulate=True), "sum", "terms", mutates=("out",), label="accumulate"),
    Case("affine", make.affine, "sum", "terms", gradient=gradients.affine),
    Case("affine_relu", make.affine, "sum", "terms", gradient=gradients.affine_relu),
    # A rounding of the logits, which are sums of many terms, is that of the result times their size.
    Case(
        "affine_softmax",
        lambda d: {**make.affine(d), "temperature": 1000.0},
        "sum",
        "array",
        gradient=gradients.affine_softmax,
        kernels=(),
    ),
    *(
        Case(
            "affine_activation",
            make.affine_activation(name, **more),
            "sum",
            "terms",
            gradient=gradients.affine_activation,
            label=name,
            kernels=("affine_map",),
        )
        for name, more in (("gelu", {}), ("mish", {"keep": False}), ("swish", {}), ("dish", {}))
    ),
    Case(
        "backprop_affine",
        make.backprop_affine,
        "sum",
        "terms",
        mutates=("dW", "db"),
        kernels=("backprop_affine", "column_sum"),
    ),
    *(
        row
        for P in (1, 2, 3, 4)
        for row in (
            Case(
                "affine_maxout_layernorm",
                make.affine_maxout_layernorm(P, keep=P < 3),
                "sum",
                "array",
                gradient=gradients.affine_maxout_layernorm,
                label=f"P{P}",
            ),
            Case(
                "affine_maxout_layernorm",
                make.affine_maxout_layernorm(P, drop=0.3, seed=P, plus=True),
                "sum",
                "array",
                gradient=gradients.affine_maxout_layernorm,
                label=f"P{P}-dropout",
            ),
            Case(
                "backprop_affine_maxout_layernorm",
                make.backprop_affine_maxout_layernorm(P, drop=0.4 if P % 2 else 0.0, seed=99),
                "sum",
                "array",
                mutates=("dW", "db", "dG", "dshift"),
                kernels=(),
                specials=(),
                label=f"P{P}",
            ),
            Case(
                "affine_maxout",
                make.affine_maxout(P),
                "sum",
                "terms",
                gradient=gradients.affine_maxout,
                label=f"P{P}",
            ),
            # Whether NaN * 0 of a piece that did not win is added to dW is the backend's own affair.
            Case(
                "backprop_affine_maxout",
                make.backprop_affine_maxout(P),
                "sum",
                "terms",
                mutates=("dW", "db"),
                specials=(),
                label=f"P{P}",
            ),
        )
    ),
]

RECURRENT = [
    Case(
        "lstm_forward_inference",
        make.lstm(depth, dirs),
        "sum",
        "array",
        gradient=gradients.lstm,
        specials=(),  # where NaN spreads to depends on the order of the sums
        label=f"{depth}x{dirs}",
        kernels=("lstm", "backprop_lstm", "lstm_scratch"),
    )
    for depth, dirs in ((1, 1), (1, 2), (3, 2))
]

# Where NaN spreads to depends on the order of the sums.
ATTENTION = [
    *(
        Case(
            "attention",
            make.attention(heads, **more),
            "sum",
            "array",
            gradient=gradients.attention if "mask" not in more else None,
            specials=(),
            label=label,
        )
        for label, heads, more in (
            ("1", 1, {}),
            ("causal", 2, {"causal": True}),
            ("mask", 2, {"mask": None}),
            ("predict", 2, {"keep": False, "causal": True, "mask": None}),
        )
    ),
    *(
        Case("backprop_attention", make.backprop_attention(2, **more), "sum", "array", specials=(), label=label)
        for label, more in (("2", {}), ("causal", {"causal": True}), ("mask", {"mask": None, "causal": True}))
    ),
    Case("rotary", make.rotary("X"), "rounded", "array", inplace="X", gradient=gradients.rotary, specials=()),
    Case("rotary", make.rotary("X", base=100.0), "rounded", "array", inplace="X", specials=(), label="base"),
    Case("backprop_rotary", make.rotary("dY"), "rounded", "array", inplace="dY", specials=()),
]

ADAM_CHANGES = ("weights", "gradient", "mom1", "mom2")
STEP_CHANGES = ("weights", "gradients", "averages", "mom1", "mom2")

TRAINING = [
    Case("adam", make.adam, "function", "array", mutates=ADAM_CHANGES),
    Case(
        "adam",
        lambda d: {**make.adam(d), "mod_rate": 0.5},
        "function",
        "array",
        mutates=ADAM_CHANGES,
        label="mod_rate",
    ),
    *(
        Case(
            "apply_gradients",
            make.apply_gradients(**settings),  # type: ignore[arg-type]
            "function",
            "array",
            mutates=STEP_CHANGES[: 3 + settings.get("moments", 2)],
            label=label,
        )
        for label, settings in (
            ("adam", {}),
            ("radam", {"learn_rate": 0.0, "momentum_rate": 0.01}),
            ("sgd", {"moments": 0}),
            ("momentum", {"moments": 1, "share": 0.9, "learn_rate": 0.003, "momentum_rate": 0.01, "ema_decay": 0.99}),
            ("lion", {"moments": 1, "by_sign": 1.0}),
            ("penalty", {"unscale": 0.25, "penalty": 0.1}),
        )
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

CASES = [
    *[*ELEMENTWISE, *ROWS, *DROPOUT, *MAXOUT, *RAGGED, *WINDOWS],
    *[*TABLES, *BAGS, *PRODUCTS, *RECURRENT, *ATTENTION, *TRAINING],
]

# Kernels that no op calls alone; where they are tested instead.
TESTED_ELSEWHERE = {
    "dropout_mask": "test_ops_random.py",
    "axpy": "test_blas.py",
    "single_from_half": "test_half.py",
    "half_from_single": "test_half.py",
    **dict.fromkeys(("join_sequences", "pad_sequences", "interleave_sequences", "split_columns"), "test_ops_lists.py"),
}
