"""Matrix products: plain, transposed, with bias, with what follows them fused, and their gradients."""

from typing import Any, Callable, Dict, Optional, Sequence, Tuple

import numpy as np

from ..result import Target
from ..rows import At, Op

# (rows, inputs, outputs): the layers of a tagger at four batch sizes, then larger ones.
SHAPES = (
    (1, 96, 288),
    (8, 96, 288),
    (32, 96, 288),
    (128, 96, 288),
    (1000, 96, 288),
    (4000, 96, 288),
    (4000, 300, 300),
    (64, 768, 3072),
    (2000, 768, 768),
)
# Plain products also of few rows and of few classes.
PRODUCTS = (*SHAPES, (2, 96, 768), (100, 300, 10))
WIDE = ((32, 96, 288), (1000, 96, 288), (4000, 300, 300))
P = 3


def flops(at: At) -> float:
    """One multiplication and one addition each."""
    M, K, N = at.shape
    return 2.0 * M * K * N


def fast(at: At) -> Sequence[Target]:
    """At least 0.9 of the faster of both, 1.1 of it when there are few rows."""
    limit = 1 / (1.1 if at.rows <= 128 else 0.9)
    return Target("numpy", limit), Target("torch", limit)


def layer_args(at: At) -> Tuple[np.ndarray, ...]:
    """Inputs, weights as initialisation makes them, bias: what comes out has the size of what goes in."""
    M, K, N = at.shape
    return at.array(M, K), at.array(N, K, seed=1) / at.array(1).dtype.type(K**0.5), at.array(N, seed=2)


def backward_args(at: At) -> Tuple[np.ndarray, ...]:
    """Gradient, inputs, weights, and where the gradients of weights and bias go."""
    X, weight, b = layer_args(at)
    return at.array(at.rows, at.width, seed=3), X, weight, np.zeros_like(weight), np.zeros_like(b)


def products() -> Sequence[Op]:
    """The three products of a layer, with and without the rest of it."""
    common: Dict[str, Any] = {"flops": flops, "sizes": PRODUCTS, "judged": PRODUCTS, "wide": WIDE}
    twice = {**common, "flops": lambda at: 2 * flops(at)}
    winners = {
        **twice,
        "flops": lambda at: 2 * flops(at) / P,
        "sizes": SHAPES,
        "judged": SHAPES,
    }  # of the pieces only one has a gradient
    return (
        Op(
            "gemm",
            lambda at: layer_args(at)[:2],
            lambda t, x, w: lambda: t.matmul(x, w.T),
            lambda x, w: x @ w.T,
            fast,
            lambda ops, x, w: ops.gemm(x, w, trans2=True),
            **common,
        ),
        Op(
            "gemm dX",
            lambda at: backward_args(at)[0:3:2],
            lambda t, dy, w: lambda: t.matmul(dy, w),
            lambda dy, w: dy @ w,
            fast,
            lambda ops, dy, w: ops.gemm(dy, w),
            **common,
        ),
        Op(
            "gemm dW",
            lambda at: backward_args(at)[:2],
            lambda t, dy, x: lambda: t.matmul(dy.T, x),
            lambda dy, x: dy.T @ x,
            fast,
            lambda ops, dy, x: ops.gemm(dy, x, trans1=True),
            **common,
        ),
        Op(
            "affine",
            layer_args,
            lambda t, x, w, b: lambda: t.nn.functional.linear(x, w, b),
            lambda x, w, b: x @ w.T + b,
            fast,
            **common,
        ),
        Op("backprop_affine", backward_args, torch_backward, numpy_backward, original=False, **twice),
        Op("backprop_affine_maxout", maxout_backward_args, torch_maxout_backward, original=False, **winners),
        Op("backprop_affine_maxout_layernorm", norm_backward_args, original=False, **winners),
    )


def torch_backward(t: Any, dy: Any, x: Any, w: Any, dw: Any, db: Any) -> Callable[[], Any]:
    """All three gradients, added up where ours are."""
    return lambda: (dy @ w, dw.addmm_(dy.T, x), db.add_(dy.sum(0)))


def numpy_backward(dy: np.ndarray, x: np.ndarray, w: np.ndarray, dw: np.ndarray, db: np.ndarray) -> np.ndarray:
    """The plain expression."""
    dw += dy.T @ x
    db += dy.sum(axis=0)
    return dy @ w


def maxout_backward_args(at: At) -> Tuple[np.ndarray, ...]:
    """Gradient, winners, inputs, weights in pieces, and where the gradients of weights and bias go."""
    X, weight, b = maxout_args(at)
    M, O = at.rows, len(weight)  # noqa: E741
    which = at.array(M, O, P, seed=4).argmax(axis=2).astype("int32")
    return at.array(M, O, seed=3), which, X, weight, np.zeros_like(weight), np.zeros_like(b)


def norm_backward_args(at: At) -> Tuple[np.ndarray, ...]:
    """The same behind a layer norm: what it normalised, its statistics and gain, and where its gradients go too."""
    dY, which, X, weight, dW, db = maxout_backward_args(at)
    best, G = at.array(*dY.shape, seed=5), at.array(dY.shape[1], seed=6)
    rstd = 1 / np.sqrt(best.var(axis=1) + best.dtype.type(1e-8))
    return dY, best, which, best.mean(axis=1), rstd, X, weight, G, dW, db, np.zeros_like(G), np.zeros_like(G)


def torch_maxout_backward(t: Any, dy: Any, which: Any, x: Any, w: Any, dw: Any, db: Any) -> Callable[[], Any]:
    """The gradient scattered to the pieces, then the three of a layer."""
    index, shape = which.long()[:, :, None], (*dy.shape, P)
    flat, dflat, dbias = w.view(-1, x.shape[1]), dw.view(-1, x.shape[1]), db.view(-1)

    def call() -> Any:
        dz = t.zeros(shape, dtype=dy.dtype).scatter_(2, index, dy[:, :, None]).view(len(x), -1)
        return dz @ flat, dflat.addmm_(dz.T, x), dbias.add_(dz.sum(0))

    return call


def fused_target(at: At) -> Sequence[Target]:
    """Costs what the product alone costs, when there are enough inputs to hide it behind."""
    return (Target("gemm", 1.1),) if at.shape[1] >= 96 else ()


def fused(
    name: str,
    call: Any,
    plain: Callable[..., Any],
    args: Any = layer_args,
    torch: Optional[Any] = None,
    targets: Any = fused_target,
) -> Op:
    """A layer with what follows its product in one op; the original has to run them one by one."""

    def gemm(ops: Any, X: Any, weight: Any, *others: Any) -> Any:
        return ops.gemm(X, weight.reshape(-1, X.shape[1]), trans2=True)

    return Op(
        name,
        args,
        torch,
        None,
        targets,
        call,
        original=lambda api, *arguments: lambda: plain(native(api), *arguments),
        flops=flops,
        beside={"gemm": gemm},
        sizes=SHAPES,
        judged=SHAPES,
        wide=WIDE,
    )


def native(api: Any, known: Dict[int, Any] = {}) -> Any:  # noqa: B006
    """The original's ops, made once."""
    return known.setdefault(id(api), api.NumpyOps())


def activation(name: str, torch: Callable[..., Any], keep: bool = False) -> Op:
    """A layer with an elementwise function behind it; for training it keeps what goes into the function too."""

    def plain(ops: Any, X: Any, weight: Any, b: Any) -> Any:
        return getattr(ops, name)(ops.affine(X, weight, b))

    def call(ops: Any, X: Any, weight: Any, b: Any) -> Any:
        if name == "relu":
            return ops.affine_relu(X, weight, b)
        return ops.affine_activation(X, weight, b, name, keep)

    title = f"affine_{name} keep" if keep else f"affine_{name}"
    return fused(title, call, plain, torch=lambda t, x, w, b: lambda: torch(t, t.nn.functional.linear(x, w, b)))


def maxout_args(at: At) -> Tuple[np.ndarray, ...]:
    """Inputs, weights and bias of outputs in pieces."""
    X, weight, b = layer_args(at)
    return X, weight.reshape(-1, P, X.shape[1]), b.reshape(-1, P)


def norm_args(at: At) -> Tuple[np.ndarray, ...]:
    """The same with the gain and bias of the layer norm behind it."""
    outputs = at.width // P
    return *maxout_args(at), at.array(outputs, seed=5), at.array(outputs, seed=6)


def maxout(ops: Any, X: Any, weight: Any, b: Any) -> Any:
    """Product, then maximum."""
    Z = ops.affine(X, weight.reshape(-1, X.shape[1]), b.reshape(-1))
    return ops.maxout(Z.reshape(len(X), -1, P))


def maxout_norm(ops: Any, X: Any, weight: Any, b: Any, G: Any, bias: Any) -> Any:
    """Product and maximum, then layer norm. (The original has no op for the norm.)"""
    return ops.layernorm(maxout(ops, X, weight, b)[0], G, bias)


def torch_maxout(t: Any, x: Any, w: Any, b: Any, *norm: Any) -> Callable[[], Any]:
    """linear, max, layer norm."""
    flat, bias = w.reshape(-1, x.shape[1]), b.reshape(-1)
    shape = (x.shape[0], w.shape[0], P)

    def call() -> Any:
        best = t.nn.functional.linear(x, flat, bias).view(shape).max(2)[0]
        return t.layer_norm(best, best.shape[1:], *norm) if norm else best

    return call


OPS = (
    *products(),
    activation("relu", lambda t, z: t.relu(z)),
    activation("gelu", lambda t, z: t.nn.functional.gelu(z)),
    activation("mish", lambda t, z: t.nn.functional.mish(z)),
    activation("swish", lambda t, z: t.nn.functional.silu(z)),
    activation("sigmoid", lambda t, z: t.sigmoid(z)),
    activation("gelu", lambda t, z: t.nn.functional.gelu(z), keep=True),
    fused(
        "affine_softmax",
        lambda ops, *args: ops.affine_softmax(*args),
        lambda ops, *args: ops.softmax(ops.affine(*args)),
        torch=lambda t, x, w, b: lambda: t.softmax(t.nn.functional.linear(x, w, b), 1),
        targets=(),
    ),
    fused("affine_maxout", lambda ops, *args: ops.affine_maxout(*args), maxout, maxout_args, torch_maxout),
    fused(
        "affine_maxout_layernorm",
        lambda ops, *args: ops.affine_maxout_layernorm(*args),
        maxout_norm,
        norm_args,
        torch_maxout,
    ),
)
