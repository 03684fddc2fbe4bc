"""One row per op: our time beside a copy of the same bytes, the original and PyTorch, over a sweep of sizes."""

import re
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence

import numpy as np

from .common import OURS, Report, Result, Target, chosen, paired

W = 96  # the usual width of a layer
SIZES = (64, 1000, 4000, 40_000)  # rows: from one short batch to beyond the second-level cache
JUDGED = 4000  # targets are stated for this many rows


@dataclass
class Row:
    """One op at one size.

    call: runs the op with the backend it is given; also used for the original unless `original` is there or False.
    torch: the same work in PyTorch, given the module; None when there is no counterpart.
    traffic: bytes read and written at least once; flops: multiplications and additions, for products.
    """

    name: str
    size: str
    call: Callable[[Any], Any]
    torch: Optional[Callable[[Any], Callable[[], Any]]] = None
    original: Any = True
    traffic: float = 0.0
    flops: float = 0.0
    targets: Sequence[Target] = ()


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    """Reproducible float32 input."""
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def sentence_lengths(rows: int) -> np.ndarray:
    """Lengths between 1 and 40 that sum to rows, as sentences have."""
    rng, lengths = np.random.default_rng(3), []
    while sum(lengths) < rows:
        lengths.append(min(int(rng.integers(1, 41)), rows - sum(lengths)))
    return np.asarray(lengths, dtype="i")


def tensors(torch: Any, *arrays: np.ndarray) -> List[Any]:
    """The arrays as tensors that share their memory."""
    return [torch.from_numpy(array) for array in arrays]


def activations(n: int) -> Iterator[Row]:
    """Elementwise functions and their gradients."""
    X, dY = normal(n, W), normal(n, W, seed=1)
    Y = np.maximum(X, 0)
    size, bytes_ = f"{n}x{W}", X.nbytes
    copy = [Target("copy", 1.3), Target("torch", 1.0)]

    def forward(name: str, torch_call: Callable[[Any, Any], Any], targets: Sequence[Target]) -> Row:
        return Row(name, size, lambda ops: getattr(ops, name)(X), one(torch_call, X), True, 2 * bytes_, 0, targets)

    def backward(name: str, saved: np.ndarray, torch_call: Callable[..., Any], targets: Sequence[Target]) -> Row:
        call = lambda ops: getattr(ops, name)(dY, saved)  # noqa: E731
        return Row(name, size, call, one(torch_call, dY, saved), True, 3 * bytes_, 0, targets)

    yield forward("relu", lambda t, x: t.relu(x), copy)
    yield backward("backprop_relu", Y, lambda t, dy, y: t.ops.aten.threshold_backward(dy, y, 0), copy)
    yield forward("gelu", lambda t, x: t.nn.functional.gelu(x), [Target("torch", 1.0)])
    yield backward("backprop_gelu", X, lambda t, dy, x: t.ops.aten.gelu_backward(dy, x), [Target("torch", 1.0)])
    yield forward("mish", lambda t, x: t.nn.functional.mish(x), [Target("torch", 0.15)])
    yield backward("backprop_mish", X, lambda t, dy, x: t.ops.aten.mish_backward(dy, x), [Target("torch", 0.15)])


def one(function: Callable[..., Any], *arrays: np.ndarray) -> Callable[[Any], Callable[[], Any]]:
    """A PyTorch side that calls function(torch, tensors...)."""

    def build(torch: Any) -> Callable[[], Any]:
        inputs = tensors(torch, *arrays)
        return lambda: function(torch, *inputs)

    return build


def softmaxes(n: int) -> Iterator[Row]:
    """Softmax, maxout, dropout."""
    X, dY, cands, size = normal(n, W), normal(n, W, seed=1), normal(n, W, 3), f"{n}x{W}"
    E = np.exp(X - X.max(axis=1, keepdims=True))
    Y, which, bytes_ = E / E.sum(axis=1, keepdims=True), cands.argmax(axis=2).astype("i"), X.nbytes
    soft = one(lambda t, x: t.softmax(x, 1), X)
    soft_back = one(lambda t, dy, y: t.ops.aten._softmax_backward_data(dy, y, 1, t.float32), dY, Y)
    maximum = one(lambda t, x: t.max(x, dim=2), cands)
    drop = one(lambda t, x: t.nn.functional.dropout(x, 0.2), np.ones_like(X))
    cube, copy = f"{size}x3", Target("copy", 1.5)
    yield Row("softmax", size, lambda o: o.softmax(X), soft, True, 2 * bytes_, 0, [Target("torch", 0.8)])
    back = [Target("torch", 1.0)]
    yield Row("backprop_softmax", size, lambda o: o.backprop_softmax(Y, dY), soft_back, True, 3 * bytes_, 0, back)
    yield Row("maxout P=3", cube, lambda o: o.maxout(cands), maximum, True, 5 * bytes_, 0, [copy, *back])
    unpool = lambda o: o.backprop_maxout(dY, which, 3)  # noqa: E731
    yield Row("backprop_maxout P=3", cube, unpool, None, True, 5 * bytes_, 0, [copy])
    mask = lambda o: o.get_dropout_mask((n, W), 0.2)  # noqa: E731
    yield Row("get_dropout_mask", size, mask, drop, True, bytes_, 0, [Target("thinc", 0.1)])


def layer_norms(n: int, width: int = W) -> Iterator[Row]:
    """Layer norm and its gradient, at the usual width and a larger one."""
    X, dY = normal(n, width), normal(n, width, seed=1)
    G, b = normal(width, seed=2), normal(width, seed=3)
    mu, rstd = X.mean(axis=1), 1 / np.sqrt(X.var(axis=1) + 1e-8)
    dG, db, size = np.zeros_like(G), np.zeros_like(b), f"{n}x{width}"
    targets = [Target("torch", 1.0), Target("copy", 2.0)]

    def torch_backward(torch: Any, dy: Any, x: Any, m: Any, r: Any, g: Any, c: Any) -> Any:
        backward = torch.ops.aten.native_layer_norm_backward
        return backward(dy, x, (width,), m[:, None], r[:, None], g, c, [True] * 3)

    forward = one(lambda t, x, g, c: t.layer_norm(x, (width,), g, c), X, G, b)
    backward = one(torch_backward, dY, X, mu, rstd, G, b)
    yield Row("layernorm", size, lambda o: o.layernorm(X, G, b), forward, layer_norm_layer(X), 2 * X.nbytes, 0, targets)
    call = lambda o: o.backprop_layernorm(dY, X, G, mu, rstd, dG, db)  # noqa: E731
    yield Row("backprop_layernorm", size, call, backward, False, 3 * X.nbytes, 0, targets)
    if width == W:
        yield from layer_norms(n, 300)


def layer_norm_layer(X: np.ndarray) -> Callable[[Any], Callable[[], Any]]:
    """The original has no layer norm op; its layer is the nearest thing."""

    def build(api: Any) -> Callable[[], Any]:
        model = api.LayerNorm(X.shape[1]).initialize()
        return lambda: model.predict(X)

    return build


def embeddings(n: int) -> Iterator[Row]:
    """Hashing, gathers and scatters, windows."""
    rng, rows = np.random.default_rng(5), 5000
    ids = rng.integers(0, 2**63, n).astype("uint64")
    table, dY, X = normal(rows, W), normal(n, W, seed=1), normal(n, W, seed=2)
    indices, single = rng.integers(0, rows, (n, 4)).astype("i"), rng.integers(0, rows, n).astype("i")
    lengths, size, bytes_, wide = sentence_lengths(n), f"{n}x{W}", X.nbytes, normal(n, 3 * W)
    copy = [Target("copy", 1.3)]
    bag = one(lambda t, i, v: t.nn.functional.embedding_bag(i, v, mode="sum"), indices.astype("int64"), table)
    add = one(lambda t, v, i, y: v.index_add_(0, i, y), table.copy(), single.astype("int64"), dY)
    scattered, into = table.copy(), np.zeros_like(table)
    yield Row("hash", f"{n}", lambda o: o.hash(ids, 7), None, True, ids.nbytes * 3, 0, [Target("thinc", 0.6)])
    yield Row(
        "gather_add K=4", size, lambda o: o.gather_add(table, indices), bag, True, 5 * bytes_, 0, [Target("copy", 1.5)]
    )
    yield Row("scatter_add", size, lambda o: o.scatter_add(scattered, single, dY), add, True, 3 * bytes_, 0, copy)
    hashed = lambda api: lambda: api.NumpyOps().gather_add(table, api.NumpyOps().hash(ids, 7) % rows)  # noqa: E731
    yield Row("hash_embed", size, lambda o: o.hash_embed(table, ids, 7), None, hashed, 5 * bytes_, 0, [])
    yield Row("backprop_hash_embed", size, lambda o: o.backprop_hash_embed(dY, ids, 7, into), None, False, 9 * bytes_)
    yield Row("seq2col nW=1", size, lambda o: o.seq2col(X, 1), None, True, 4 * bytes_, 0, copy)
    yield Row("seq2col nW=1 lengths", size, lambda o: o.seq2col(X, 1, lengths=lengths), None, True, 4 * bytes_, 0, copy)
    yield Row("backprop_seq2col nW=1", size, lambda o: o.backprop_seq2col(wide, 1), None, True, 4 * bytes_, 0, copy)


def sequences(n: int) -> Iterator[Row]:
    """Reductions over sequences and changes of container."""
    X, lengths = normal(n, W), sentence_lengths(n)
    B, bytes_ = len(lengths), X.nbytes
    size, dY = f"{n}x{W}, {B} seqs", normal(B, W, seed=1)
    which = (np.random.default_rng(2).random((B, W)) * lengths[:, None]).astype("i")
    seqs = np.split(X, np.cumsum(lengths)[:-1])
    target = [Target("copy", 1.5)]
    for kind in ("sum", "mean", "max"):
        short = (
            1 + (2 if kind == "max" else 1) * B / n
        )  # rows of X, then per sequence one row, and where its maxima are
        yield Row(
            f"reduce_{kind}",
            size,
            lambda o, k=kind: getattr(o, f"reduce_{k}")(X, lengths),
            None,
            True,
            short * bytes_,
            0,
            target,
        )
        back = (dY, which, lengths) if kind == "max" else (dY, lengths)
        yield Row(
            f"backprop_reduce_{kind}",
            size,
            lambda o, k=kind, a=back: getattr(o, f"backprop_reduce_{k}")(*a),
            None,
            True,
            short * bytes_,
            0,
            target,
        )
    padded = B * int(lengths.max()) * W * 4
    rnn = lambda t: lambda: t.nn.utils.rnn.pad_sequence(parts(t), batch_first=True)  # noqa: E731
    parts_cache: Dict[str, Any] = {}

    def parts(torch: Any) -> Any:
        return parts_cache.setdefault("parts", tensors(torch, *seqs))

    yield Row(
        "flatten", size, lambda o: o.flatten(seqs), lambda t: lambda: t.cat(parts(t)), True, 2 * bytes_, 0, target
    )
    yield Row("unflatten", size, lambda o: o.unflatten(X, lengths), None, True)
    yield Row("pad", size, lambda o: o.pad(seqs), rnn, True, bytes_ + padded, 0, target)
    yield Row("list2padded", size, lambda o: o.list2padded(seqs), None, True, bytes_ + padded, 0, target)


def optimisers(n: int) -> Iterator[Row]:
    """Parameter updates; n counts thousands of rows of nothing: sizes are numbers of parameters."""
    count = 250 * n
    weights, gradient = normal(count), normal(count, seed=1)
    mom1, mom2, shown = np.zeros_like(weights), np.zeros_like(weights), f"{count}"
    rates = (0.9, 0.999, 1e-8, 0.001)

    def fused(torch: Any) -> Callable[[], Any]:
        parameter = torch.nn.Parameter(torch.from_numpy(weights.copy()))
        parameter.grad = torch.from_numpy(gradient.copy())
        return torch.optim.Adam([parameter], fused=True).step

    def clip(torch: Any) -> Callable[[], Any]:
        parameter = torch.nn.Parameter(torch.from_numpy(weights.copy()))
        parameter.grad = torch.from_numpy(gradient.copy())
        return lambda: torch.nn.utils.clip_grad_norm_([parameter], 1e9)

    bytes_ = weights.nbytes
    yield Row(
        "adam",
        shown,
        lambda o: o.adam(weights, gradient, mom1, mom2, *rates),
        fused,
        True,
        7 * bytes_,
        0,
        [Target("copy", 1.3), Target("torch", 1.0)],
    )
    calm = gradient.copy()
    yield Row(
        "clip_gradient", shown, lambda o: o.clip_gradient(calm, 1e9), clip, True, bytes_, 0, [Target("copy", 1.2)]
    )


def recurrent(n: int) -> Iterator[Row]:
    """LSTM over packed sequences; PyTorch takes them padded, which its fastest code needs."""
    lengths = np.sort(sentence_lengths(n))[::-1]
    sizes = (lengths[:, None] > np.arange(lengths[0])).sum(axis=0).astype("i")
    X, dY, start = normal(n, W), normal(n, W, seed=1), np.zeros((1, 1, W), "f")
    params, size = normal(4 * W * (2 * W + 2), seed=2) * np.float32(0.1), f"{n}x{W}, {len(lengths)} seqs"

    def train(ops: Any) -> None:
        ops.backprop_lstm(dY, sizes, params, ops.lstm_forward_training(params, start, start, X, sizes)[1])

    def layer(torch: Any, backward: bool) -> Callable[[], Any]:
        lstm, padded = torch.nn.LSTM(W, W), torch.zeros(len(sizes), len(lengths), W)

        def call() -> None:
            with torch.set_grad_enabled(backward):
                inputs = padded.detach().requires_grad_(backward)
                Y = lstm(inputs)[0]
                if backward:
                    torch.autograd.backward(Y, padded)

        return call

    predict = lambda o: o.lstm_forward_inference(params, start, start, X, sizes)  # noqa: E731
    yield Row("lstm", size, predict, lambda t: layer(t, False), targets=[Target("torch", 1 / 1.2)])
    yield Row("lstm and backprop_lstm", size, train, lambda t: layer(t, True), targets=[Target("torch", 1 / 1.5)])


def product_rows(M: int, K: int, N: int) -> Iterator[Row]:
    """Matrix products of one size: plain, with bias, and with the epilogues fused."""
    X, weight, b = normal(M, K), normal(N, K, seed=1), normal(N, seed=2)
    dY, dW, db, out = normal(M, N, seed=3), np.zeros_like(weight), np.zeros_like(b), np.zeros((M, N), "f")
    size, flops = f"{M}x{K}x{N}", 2.0 * M * K * N
    linear = one(lambda t, x, w, c: t.nn.functional.linear(x, w, c), X, weight, b)
    fast = [Target("numpy", 1 / (1.1 if M <= 128 else 0.9)), Target("torch", 1 / (1.1 if M <= 128 else 0.9))]
    yield Row(
        "gemm",
        size,
        lambda o: o.gemm(X, weight, trans2=True, out=out),
        one(lambda t, x, w, y: t.matmul(x, w.T, out=y), X, weight, out),
        True,
        0,
        flops,
        fast,
    )
    yield Row("affine", size, lambda o: o.affine(X, weight, b), linear, True, 0, flops, fast)
    yield Row(
        "affine_relu",
        size,
        lambda o: o.affine_relu(X, weight, b),
        one(lambda t, x, w, c: t.relu(t.nn.functional.linear(x, w, c)), X, weight, b),
        False,
        0,
        flops,
        [Target("gemm", 1.1)] if K >= 96 else [],
    )
    yield Row(
        "affine_activation gelu",
        size,
        lambda o: o.affine_activation(X, weight, b, "gelu", keep=False),
        one(lambda t, x, w, c: t.nn.functional.gelu(t.nn.functional.linear(x, w, c)), X, weight, b),
        False,
        0,
        flops,
        [Target("gemm", 1.1)] if K >= 96 else [],
    )
    if N % 3 == 0:
        cube, bias = weight.reshape(N // 3, 3, K), b.reshape(N // 3, 3)
        yield Row(
            "affine_maxout P=3",
            size,
            lambda o: o.affine_maxout(X, cube, bias),
            one(lambda t, x, w, c: t.nn.functional.linear(x, w, c).view(M, N // 3, 3).max(2), X, weight, b),
            False,
            0,
            flops,
            [Target("gemm", 1.1)] if K >= 96 else [],
        )
        G, shift = normal(N // 3, seed=5), normal(N // 3, seed=6)
        yield Row(
            "affine_maxout_layernorm P=3",
            size,
            lambda o: o.affine_maxout_layernorm(X, cube, bias, G, shift, keep=False),
            one(
                lambda t, x, w, c, g, s: t.nn.functional.layer_norm(
                    t.nn.functional.linear(x, w, c).view(M, N // 3, 3).max(2)[0], (N // 3,), g, s
                ),
                *(X, weight, b, G, shift),
            ),
            False,
            0,
            flops,
            [Target("gemm", 1.1)] if K >= 96 else [],
        )
    yield Row(
        "backprop_affine",
        size,
        lambda o: o.backprop_affine(dY, X, weight, dW, db),
        one(lambda t, d, x, w, g, h: (d @ w, g.addmm_(d.T, x), h.add_(d.sum(0))), dY, X, weight, dW.copy(), db.copy()),
        False,
        0,
        2 * flops,
        [Target("torch", 1.0)],
    )


PRODUCTS = (
    (1, 96, 288),
    (32, 96, 288),
    (1000, 96, 288),
    (4000, 96, 288),
    (4000, 300, 300),
    (64, 768, 3072),
    (2000, 768, 768),
)
FAMILIES = (activations, softmaxes, layer_norms, embeddings, sequences, recurrent, optimisers)


def all_rows(quick: bool) -> Iterator[Row]:
    """Every row: all families over the sweep, then the products."""
    for size in (1000,) if quick else SIZES:
        for family in FAMILIES:
            yield from family(size)
    for shape in PRODUCTS[:2] if quick else PRODUCTS:
        yield from product_rows(*shape)


def copy_of(traffic: float) -> Callable[[], Any]:
    """The floor: reading and writing as many bytes as the op must."""
    source = np.ones(max(1, int(traffic // 8)), dtype=np.float32)
    target = np.empty_like(source)
    return lambda: np.copyto(target, source)


def sides_of(row: Row, ops: Any, peers: Dict[str, Any]) -> Dict[str, Callable[[], Any]]:
    """What is timed in one row, by name."""
    sides: Dict[str, Callable[[], Any]] = {OURS: lambda: row.call(ops)}
    if row.traffic:
        sides["copy"] = copy_of(row.traffic)
    if row.flops:
        M, K, N = map(int, row.size.split("x"))
        A, B, C = normal(M, K), normal(N, K), np.zeros((M, N), "f")
        sides["numpy"] = lambda: np.dot(A, B.T, out=C)
        if any(target.peer == "gemm" for target in row.targets):
            sides["gemm"] = lambda: ops.gemm(A, B, trans2=True, out=C)
    if "thinc" in peers and row.original:
        api = peers["thinc"]
        native = api.NumpyOps()
        sides["thinc"] = row.original(api) if callable(row.original) else lambda: row.call(native)
    if "torch" in peers and row.torch is not None:
        sides["torch"] = row.torch(peers["torch"])
    return sides


def load(names: Sequence[str]) -> Dict[str, Any]:
    """The peers' modules, each held to one thread."""
    peers: Dict[str, Any] = {}
    if "thinc" in names:
        import thinc.api

        peers["thinc"] = thinc.api
    if "torch" in names:
        import torch

        torch.set_num_threads(1)
        torch.set_grad_enabled(False)
        peers["torch"] = torch
    return peers


def run(report: Report, only: Optional[str], quick: bool) -> None:
    """Measures every chosen row."""
    from thinc_core.api import NumpyOps

    ops, peers = NumpyOps(), load(report.peers)
    for row in all_rows(quick):
        if not chosen(row.name, only):
            continue
        costs = paired(sides_of(row, ops, peers), rounds=5 if quick else 15)
        judged = row.flops or int(re.split(r"\D", row.size)[0]) in (JUDGED, 250 * JUDGED)
        rate, work = ("GFLOP/s", row.flops / 1e9) if row.flops else ("GB/s", row.traffic / 1e9)
        rate = rate if work else ""
        report.add(Result("ops", row.name, row.size, costs, row.targets if judged else (), rate, work))
