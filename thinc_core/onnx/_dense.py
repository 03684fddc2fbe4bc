"""Rules for layers of rows: dense layers, activations, normalisation."""

import math
from typing import Any, Callable, Dict, Sequence, Tuple

import numpy

from ..layers import clipped_linear
from ..layers._activations import LEAK, SELU_ALPHA, SELU_SCALE
from ..layers.softmax import NORMALIZE_ATTR, TEMPERATURE_ATTR
from ..model import Model
from ._rules import rule


def affine(graph: Any, X: str, W: Any, b: Any) -> str:
    """X @ W.T + b, for X of any rank."""
    return graph.op("Add", graph.op("MatMul", X, numpy.ascontiguousarray(W.T)), b)


def dense(graph: Any, model: Model, X: Any) -> str:
    return affine(graph, graph.array(X), graph.param(model, "W"), graph.param(model, "b"))


def scaled(graph: Any, X: str, factor: float) -> str:
    return graph.op("Mul", X, factor)


def gelu(graph: Any, X: str) -> str:
    phi = graph.op("Add", graph.op("Erf", scaled(graph, X, math.sqrt(0.5))), 1.0)
    return graph.op("Mul", X, scaled(graph, phi, 0.5))


def gelu_approx(graph: Any, X: str) -> str:
    clipped = graph.op("Clip", X, -1000.0, 1000.0)  # as the op does: the cube must not overflow
    square = graph.op("Add", scaled(graph, graph.op("Mul", clipped, clipped), 0.044715), 1.0)
    inner = scaled(graph, graph.op("Mul", clipped, square), 2 * math.sqrt(2 / math.pi))
    return graph.op("Mul", X, graph.op("Sigmoid", inner))


def mish(graph: Any, X: str) -> str:
    return graph.op("Mul", X, graph.op("Tanh", graph.op("Softplus", X)))


def swish(graph: Any, X: str) -> str:
    return graph.op("Mul", X, graph.op("Sigmoid", X))


def dish(graph: Any, X: str) -> str:
    clipped = graph.op("Clip", X, -1e18, 1e18)  # whose square is finite
    root = graph.op("Sqrt", graph.op("Add", graph.op("Mul", clipped, clipped), 1.0))
    slope = scaled(graph, graph.op("Add", graph.op("Div", clipped, root), 1.0), 0.5)
    return graph.op("Mul", X, slope)


def line(graph: Any, X: str, slope: float, offset: float, low: float, high: float) -> str:
    """clip(slope * X + offset, low, high)."""
    return graph.op("Clip", graph.op("Add", scaled(graph, X, slope), offset), low, high)


def hard_swish(graph: Any, X: str) -> str:
    return graph.op("Mul", X, line(graph, X, 0.2, 0.5, 0.0, 1.0))


def hard_swish_mobilenet(graph: Any, X: str) -> str:
    return graph.op("Mul", X, scaled(graph, line(graph, X, 1.0, 3.0, 0.0, 6.0), 1 / 6))


def _operator(kind: str, **attributes: Any) -> Callable[[Any, str], str]:
    return lambda graph, X: graph.op(kind, X, **attributes)


def _line(*values: float) -> Callable[[Any, str], str]:
    return lambda graph, X: line(graph, X, *values)


ACTIVATIONS: Dict[str, Callable[[Any, str], str]] = {
    "relu": _operator("Relu"),
    "leaky_relu": _operator("LeakyRelu", alpha=LEAK),
    "elu": _operator("Elu", alpha=1.0),
    "selu": _operator("Selu", alpha=SELU_ALPHA, gamma=SELU_SCALE),
    "softplus": _operator("Softplus"),
    "tanh": _operator("Tanh"),
    "sigmoid": _operator("Sigmoid"),
    "gelu": gelu,
    "gelu_approx": gelu_approx,
    "mish": mish,
    "dish": dish,
    "swish": swish,
    "silu": swish,
    "hard_swish": hard_swish,
    "hard_swish_mobilenet": hard_swish_mobilenet,
    "hard_sigmoid": _line(0.2, 0.5, 0.0, 1.0),
    "hard_tanh": _line(1.0, 0.0, -1.0, 1.0),
    "relu_k": _line(1.0, 0.0, 0.0, 6.0),
    "log_softmax": _operator("LogSoftmax", axis=-1),
}


def _dense_with(activation: str) -> Callable[[Any, Model, Any], str]:
    return lambda graph, model, X: ACTIVATIONS[activation](graph, dense(graph, model, X))


rule("linear")(dense)
for _layer in ("relu", "gelu", "mish", "dish", "swish", "hard_swish", "hard_swish_mobilenet", "sigmoid"):
    rule(_layer)(_dense_with(_layer))


@rule("clipped_linear")
def clipped(graph: Any, model: Model, X: Any) -> str:
    return line(graph, dense(graph, model, X), *(float(model.attrs[name]) for name in clipped_linear.LINE))


@rule("activation", "sigmoid_activation", "softmax_activation")
def activation(graph: Any, model: Model, X: Any) -> Any:
    name = model.attrs.get("activation")
    if name is None:
        kind = "Softmax" if model._func.__module__.endswith("softmax_activation") else "Sigmoid"
        return graph.op(kind, graph.array(X), **({"axis": -1} if kind == "Softmax" else {}))
    return graph.map_data(X, lambda data: ACTIVATIONS[name](graph, data))


@rule("softmax")
def softmax(graph: Any, model: Model, X: Any) -> str:
    logits = dense(graph, model, X)
    if not model.attrs[NORMALIZE_ATTR]:
        return logits
    return graph.op("Softmax", scaled(graph, logits, 1 / float(model.attrs[TEMPERATURE_ATTR])), axis=-1)


@rule("multisoftmax")
def multi_softmax(graph: Any, model: Model, X: Any) -> str:
    logits = dense(graph, model, X)
    if not model.attrs.get(NORMALIZE_ATTR, True):
        return logits
    groups = graph.split(logits, list(model.attrs["nOs"]))
    return graph.op("Concat", *(graph.op("Softmax", group, axis=-1) for group in groups), axis=-1)


@rule("maxout")
def maxout(graph: Any, model: Model, X: Any) -> str:
    W, b = graph.param(model, "W"), graph.param(model, "b")
    nO, nP, nI = W.shape
    pieces = affine(graph, graph.array(X), W.transpose(1, 0, 2).reshape(nP * nO, nI), b.T.reshape(-1))
    return graph.op("Max", *graph.split(pieces, [nO] * nP))


@rule("swiglu")
def swiglu(graph: Any, model: Model, X: Any) -> str:
    gate, value = graph.split(dense(graph, model, X), [model.get_dim("nO")] * 2)
    return graph.op("Mul", swish(graph, gate), value)


@rule("lora")
def lora(graph: Any, model: Model, X: Any) -> str:
    layer, A, B = model.layers[0], graph.param(model, "A"), graph.param(model, "B")
    change = model.attrs["alpha"] / model.get_dim("rank") * (B @ A)
    return affine(graph, graph.array(X), graph.param(layer, "W") + change, graph.param(layer, "b"))


@rule("layernorm")
def layernorm(graph: Any, model: Model, X: Any) -> str:
    G, b = graph.param(model, "G"), graph.param(model, "b")
    return graph.op("LayerNormalization", graph.array(X), G, b, axis=-1, epsilon=1e-8)


@rule("rmsnorm")
def rmsnorm(graph: Any, model: Model, X: Any) -> str:
    square = graph.op("Mul", graph.array(X), X)
    mean = graph.op("ReduceMean", square, [-1], keepdims=1)
    root = graph.op("Sqrt", graph.op("Add", mean, float(model.attrs["eps"])))
    return graph.op("Mul", graph.op("Div", X, root), graph.param(model, "G"))


@rule("batchnorm")
def batchnorm(graph: Any, model: Model, X: Any) -> str:
    G, b, mean, var = (graph.param(model, name) for name in ("G", "b", "mean", "var"))
    scale = G / numpy.sqrt(var + model.attrs["eps"])
    return graph.op("Add", graph.op("Mul", graph.op("Sub", graph.array(X), mean), scale), b)


@rule("cauchysimilarity")
def cauchy_similarity(graph: Any, model: Model, pair: Any) -> str:
    first, second = pair_of(pair)
    apart = graph.op("Sub", graph.array(first), graph.array(second))
    weighted = graph.op("Mul", graph.op("Mul", apart, apart), graph.param(model, "W"))
    total = graph.op("ReduceSum", weighted, [1], keepdims=0)
    return graph.op("Reciprocal", graph.op("Add", total, 1.0))


def pair_of(X: Any) -> Tuple[Any, Any]:
    """The items of a pair. RAISES: ValueError for anything else."""
    if not isinstance(X, tuple) or len(X) != 2:
        raise ValueError("X must be a pair")
    return X[0], X[1]


def joined(graph: Any, parts: Sequence[str]) -> str:
    """Tensors side by side."""
    return graph.op("Concat", *parts, axis=-1)
