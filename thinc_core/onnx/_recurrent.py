"""Rules for recurrent layers, and for layers that read sequences from their ends."""

from typing import Any, Iterator, List, Tuple

import numpy

from ..model import Model
from ._rules import rule
from ._sequences import PADDED
from ._values import Columns, combine, with_data


@rule("lstm")
def lstm(graph: Any, model: Model, X: Any) -> Columns:
    cells, outputs = graph.param(model, "HC0")
    return _run(graph, model, X, "LSTM", [outputs, cells], [1, 2, 0, 3])


@rule("gru")
def gru(graph: Any, model: Model, X: Any) -> Columns:
    return _run(graph, model, X, "GRU", [graph.param(model, "H0")], [1, 0, 2], linear_before_reset=1)


def _run(graph: Any, model: Model, X: Any, kind: str, initial: List[Any], order: List[int], **more: Any) -> Columns:
    """Layer by layer. initial: what to start from, (depth, dirs, nH) each. order: of our gates, as ONNX wants them."""
    X = graph.sequences(X, PADDED)
    depth, dirs, nH = initial[0].shape
    data, lengths, count = X.data, graph.cast(X.lengths, "int32"), graph.shape(X.data, 1, 2)
    layers = list(_weights(graph.param(model, kind), len(order), model.get_dim("nI"), (depth, dirs, nH), order))
    for layer in range(depth):
        weights = [numpy.stack(each) for each in zip(*layers[layer * dirs : (layer + 1) * dirs])]
        states = [graph.op("Expand", state[layer][:, None], graph.sizes(dirs, count, nH)) for state in initial]
        direction = "bidirectional" if dirs == 2 else "forward"
        inputs = (data, *weights, lengths, *states)
        Y = graph.op(kind, *inputs, hidden_size=nH, direction=direction, **more)  # (steps, dirs, B, nH)
        data = graph.op("Reshape", graph.op("Transpose", Y, perm=[0, 2, 1, 3]), [0, 0, dirs * nH])
    # Runtimes differ in what they give behind the end of a sequence, if that has no rows at all.
    steps = graph.column(graph.arange(graph.shape(data, 0, 1)))
    inside = graph.op("Unsqueeze", graph.op("Less", steps, graph.row(X.lengths)), [2])
    return with_data(X, graph.op("Where", inside, data, 0.0))


def _weights(
    params: Any, gates: int, nI: int, shape: Tuple[int, int, int], order: List[int]
) -> Iterator[Tuple[Any, Any, Any]]:
    """For each layer, for each direction: W (gates * nH, n_in), R (gates * nH, nH) and both biases end to end."""
    (depth, dirs, nH), at = shape, 0
    for layer in range(depth):
        n_in = nH * dirs if layer else nI
        for _ in range(dirs):
            parts = []
            for width in (n_in, 1, nH, 1):
                size = gates * nH * width
                parts.append(params[at : at + size].reshape(gates, nH, width)[order].reshape(gates * nH, width))
                at += size
            W, bx, R, bh = parts
            yield W, R, numpy.concatenate([bx, bh]).reshape(-1)


@rule("bidirectional", "bidirectional.forward_v2")
def bidirectional(graph: Any, model: Model, X: Any) -> Any:
    X = graph.sequences(X, PADDED)
    turns = model._func.__name__ == "forward_v2"
    left, right = model.layers
    Y = graph.sequences(graph.run(right, _turned(graph, X) if turns else X), PADDED)
    both = [graph.run(left, X), _turned(graph, Y) if turns else Y]
    return combine(lambda parts: graph.op("Concat", *parts, axis=-1), both)


def _turned(graph: Any, X: Columns) -> Columns:
    return with_data(X, graph.op("ReverseSequence", X.data, X.lengths, time_axis=0, batch_axis=1))
