"""The gradients of the rows of cases.py: (ops, args, dY) -> gradient of every float argument, by name."""

from __future__ import annotations

from typing import Any, Callable

from case_arguments import Args


def from_X(backprop: str) -> Callable[[Any, Args, Any], Args]:
    """The gradient of an elementwise op whose backprop takes what the op took."""

    def gradient(ops: Any, args: Args, dY: Any) -> Args:
        return {"X": getattr(ops, backprop)(dY, **args)}

    return gradient


def from_Y(op: str, name: str = "X") -> Callable[[Any, Args, Any], Args]:
    """The gradient of an elementwise op whose backprop takes what the op returned."""

    def gradient(ops: Any, args: Args, dY: Any) -> Args:
        return {name: getattr(ops, f"backprop_{op}")(dY, getattr(ops, op)(**args))}

    return gradient


def swish(ops: Any, args: Args, dY: Any) -> Args:
    return {"X": ops.backprop_swish(dY, args["X"], ops.swish(args["X"]))}


def softmax(ops: Any, args: Args, dY: Any) -> Args:
    same = {key: value for key, value in args.items() if key != "x"}
    return {"x": ops.backprop_softmax(ops.softmax(**args), dY, **same)}


def layernorm(ops: Any, args: Args, dY: Any) -> Args:
    X, G, b = args["X"], args["G"], args["b"]
    dG, db = ops.xp.zeros_like(G), ops.xp.zeros_like(b)
    _, mu, rstd = ops.layernorm(X, G, b)
    dX = ops.backprop_layernorm(dY, X, G, mu, rstd, dG, db)
    return {"X": dX, "G": dG, "b": db}


def maxout(ops: Any, args: Args, dY: Any) -> Args:
    return {"X": ops.backprop_maxout(dY, ops.maxout(**args)[1], args["X"].shape[2])}


def reduce(op: str) -> Callable[[Any, Args, Any], Args]:
    """The gradient of a reduction from whatever else it returned and the lengths."""

    def gradient(ops: Any, args: Args, dY: Any) -> Args:
        result = getattr(ops, op)(**args)
        extra = result[1:] if isinstance(result, tuple) else ()
        lengths = () if op in ("reduce_first", "reduce_last") else (args["lengths"],)
        return {"X": getattr(ops, f"backprop_{op}")(dY, *extra, *lengths)}

    return gradient


def softmax_sequences(ops: Any, args: Args, dY: Any) -> Args:
    Y = ops.softmax_sequences(**args)
    return {"Xs": ops.backprop_softmax_sequences(dY, Y, args["lengths"])}


def seq2col(ops: Any, args: Args, dY: Any) -> Args:
    return {"seq": ops.backprop_seq2col(dY, args["nW"], lengths=args["lengths"])}


def gather(ops: Any, args: Args, dY: Any) -> Args:
    dtable = ops.xp.zeros_like(args["table"])
    for k in range(args["indices"].shape[1]):
        ops.scatter_add(dtable, args["indices"][:, k], dY)
    return {"table": dtable}


def sparse_affine(ops: Any, args: Args, dY: Any) -> Args:
    given = {name: value for name, value in args.items() if name != "b"}
    dW, db = ops.xp.zeros_like(args["W"]), ops.xp.zeros_like(args["b"])
    return {"values": ops.backprop_sparse_affine(dY, **given, dW=dW, db=db), "W": dW, "b": db}


def hash_embed(ops: Any, args: Args, dY: Any) -> Args:
    dtable = ops.xp.zeros_like(args["table"])
    ops.backprop_hash_embed(dY, args["ids"], args["seed"], dtable)
    return {"table": dtable}


def gemm(ops: Any, args: Args, dY: Any) -> Args:
    x, y, t1, t2 = args["x"], args["y"], args["trans1"], args["trans2"]
    dx = ops.gemm(y, dY, trans1=t2, trans2=True) if t1 else ops.gemm(dY, y, trans2=not t2)
    dy = ops.gemm(dY, x, trans1=True, trans2=t1) if t2 else ops.gemm(x, dY, trans1=not t1)
    return {"x": dx, "y": dy}


def affine(ops: Any, args: Args, dY: Any) -> Args:
    dW, db = ops.xp.zeros_like(args["W"]), ops.xp.zeros_like(args["b"])
    return {"X": ops.backprop_affine(dY, args["X"], args["W"], dW, db), "W": dW, "b": db}


def affine_relu(ops: Any, args: Args, dY: Any) -> Args:
    return affine(ops, args, ops.backprop_relu(dY, ops.affine_relu(**args)))


def affine_activation(ops: Any, args: Args, dY: Any) -> Args:
    name = args["activation"]
    Y, Z = ops.affine_activation(args["X"], args["W"], args["b"], name)
    dZ = ops.backprop_swish(dY, Z, Y) if name == "swish" else getattr(ops, f"backprop_{name}")(dY, Z)
    return affine(ops, args, dZ)


def affine_softmax(ops: Any, args: Args, dY: Any) -> Args:
    X, W, T = args["X"], args["W"], args["temperature"]
    dZ = ops.backprop_softmax(ops.affine_softmax(**args), dY, temperature=T)
    dW, db = ops.xp.zeros_like(W), ops.xp.zeros_like(args["b"])
    return {"X": ops.backprop_affine(dZ, X, W, dW, db), "W": dW, "b": db}


def affine_maxout_layernorm(ops: Any, args: Args, dY: Any) -> Args:
    X, W, b, G = (args[name] for name in ("X", "W", "b", "G"))
    drop = {name: args[name] for name in ("drop", "seed") if name in args}
    _, *kept = ops.affine_maxout_layernorm(X, W, b, G, args["shift"], args["eps"], **drop)
    dW, db, dG, d_shift = (ops.xp.zeros_like(param) for param in (W, b, G, args["shift"]))
    dX = ops.backprop_affine_maxout_layernorm(dY, *kept, X, W, G, dW, db, dG, d_shift, **drop)
    plus = {"plus": dY} if "plus" in args else {}
    return {"X": dX, "W": dW, "b": db, "G": dG, "shift": d_shift, **plus}


def dropout(ops: Any, args: Args, dY: Any) -> Args:
    return {"X": ops.dropout(dY, args["drop"], args["seed"])}


def affine_maxout(ops: Any, args: Args, dY: Any) -> Args:
    dW, db = ops.xp.zeros_like(args["W"]), ops.xp.zeros_like(args["b"])
    _, which = ops.affine_maxout(**args)
    return {"X": ops.backprop_affine_maxout(dY, which, args["X"], args["W"], dW, db), "W": dW, "b": db}


def lstm(ops: Any, args: Args, dY: Any) -> Args:
    _, state = ops.lstm_forward_training(**args)
    dX, d_params, dH0, dC0 = ops.backprop_lstm_states(dY, args["size_at_t"], args["params"], state)
    return {"X": dX, "params": d_params, "H0": dH0, "C0": dC0}


def rmsnorm(ops: Any, args: Args, dY: Any) -> Args:
    dG = ops.xp.zeros_like(args["G"])
    _, rstd = ops.rmsnorm(**args)
    return {"X": ops.backprop_rmsnorm(dY, args["X"], args["G"], rstd, dG), "G": dG}


def attention(ops: Any, args: Args, dY: Any) -> Args:
    """Without a mask, which is constant."""
    QKV, lengths, n_heads = args["QKV"], args["lengths"], args["n_heads"]
    causal = args.get("causal", False)
    _, weights = ops.attention(QKV, lengths, n_heads, causal=causal)
    return {"QKV": ops.backprop_attention(dY, QKV, weights, lengths, n_heads, causal=causal)}


def rotary(ops: Any, args: Args, dY: Any) -> Args:
    same = {key: value for key, value in args.items() if key != "X"}
    return {"X": ops.backprop_rotary(dY, **same)}
