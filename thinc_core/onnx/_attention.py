"""The rule for self-attention: sequences as the rows of a grid, in which what lies beyond their ends is masked."""

import math
from typing import Any, Callable, Tuple

import numpy

from ..model import Model
from ._dense import affine
from ._rules import rule
from ._sequences import LIST, PADDED, RAGGED, longest, owners, place_in_sequence, starts
from ._values import Columns, with_data

LOWEST = -1e30  # of a score: small enough to weigh nothing, and no infinity, whose differences would be NaN


@rule("self_attention")
def self_attention(graph: Any, model: Model, Xs: Any) -> Any:
    X, lengths, restore = grid(graph, Xs)
    nO, nH = model.get_dim("nO"), model.get_dim("nH")
    D, steps = nO // nH, graph.arange(graph.shape(X, 1, 2))
    QKV = affine(graph, X, graph.param(model, "W_in"), graph.param(model, "b_in"))
    heads = [_heads(graph, part, nH, D) for part in graph.split(QKV, [nO] * 3)]
    if model.attrs["rotary"]:
        heads[:2] = [_turned(graph, part, steps, D) for part in heads[:2]]
    Q, K, V = heads
    scores = graph.op("MatMul", Q, graph.op("Transpose", K, perm=[0, 1, 3, 2]))
    scores = graph.op("Mul", scores, 1 / math.sqrt(D))
    inside = graph.op("Less", graph.row(steps), graph.column(lengths))  # (B, L)
    seen = graph.op("Unsqueeze", inside, [1, 2])
    if model.attrs["causal"]:
        seen = graph.op("And", seen, graph.op("LessOrEqual", graph.row(steps), graph.column(steps)))
    weights = graph.op("Softmax", graph.op("Where", seen, scores, LOWEST), axis=-1)
    mixed = graph.op("Transpose", graph.op("MatMul", weights, V), perm=[0, 2, 1, 3])
    Y = affine(graph, graph.op("Reshape", mixed, [0, 0, nO]), graph.param(model, "W"), graph.param(model, "b"))
    return restore(graph.op("Where", graph.op("Unsqueeze", inside, [2]), Y, 0.0))


def grid(graph: Any, X: Any) -> Tuple[str, str, Callable[[str], Any]]:
    """(B, steps, width) of a batch, the lengths, and what makes a batch like X of such a tensor."""
    X = graph.sequences(X, RAGGED, LIST, PADDED)
    if isinstance(X, Columns):
        swapped = graph.op("Transpose", X.data, perm=[1, 0, 2])
        return swapped, X.lengths, lambda Y: with_data(X, graph.op("Transpose", Y, perm=[1, 0, 2]))
    steps = graph.row(graph.arange(longest(graph, X.lengths)))
    index = graph.op("Add", graph.column(starts(graph, X.lengths)), steps)
    valid = graph.op("Less", steps, graph.column(X.lengths))

    def restore(Y: str) -> Any:
        owner = owners(graph, X)
        place = graph.op("Concat", *map(graph.column, (owner, place_in_sequence(graph, X, owner))), axis=1)
        return with_data(X, graph.op("GatherND", Y, place))

    return graph.where_index(X.data, index, valid), X.lengths, restore


def _heads(graph: Any, X: str, nH: int, D: int) -> str:
    """(B, L, nH * D) as (B, nH, L, D)."""
    return graph.op("Transpose", graph.op("Reshape", X, [0, 0, nH, D]), perm=[0, 2, 1, 3])


def _turned(graph: Any, X: str, steps: str, D: int) -> str:
    """Rotary positions: column j of a head and column j + D / 2 turned by the angle step * 10000 ** (-2 j / D)."""
    speeds = 10000.0 ** (-numpy.arange(D // 2) * 2.0 / D)
    # Angles of many turns need more than float32; what is left of them behind whole turns does not.
    wide = graph.op("Cast", steps, to=graph._onnx.TensorProto.DOUBLE)
    angles = graph.op("Mul", graph.column(wide), graph.constant(speeds, exact=True))
    angles = graph.op("Mod", angles, graph.constant(numpy.float64(2 * math.pi), exact=True), fmod=1)
    angles = graph.cast(angles, "float32")
    cos, sin = (graph.op(kind, angles) for kind in ("Cos", "Sin"))
    a, b = graph.split(X, [D // 2] * 2)
    left = graph.op("Sub", graph.op("Mul", a, cos), graph.op("Mul", b, sin))
    right = graph.op("Add", graph.op("Mul", b, cos), graph.op("Mul", a, sin))
    return graph.op("Concat", left, right, axis=-1)
