"""Rules for batches of sequences: their containers, windows of rows, sums over rows, layers wrapped around others."""

from typing import Any, Callable, Optional, Tuple

import numpy

from ..model import Model
from ._combinators import as_matrix
from ._dense import affine
from ._rules import rule
from ._values import Columns, Rows, kind_of, with_data

RAGGED, LIST, PADDED, ARRAY = "a Ragged", "a list of arrays", "a Padded", "an array"


# How rows belong to sequences.


def starts(graph: Any, lengths: str) -> str:
    """(B,) the number of the first row of each sequence."""
    return graph.op("CumSum", lengths, 0, exclusive=1)


def owners(graph: Any, X: Rows) -> str:
    """(T,) which sequence each row is of: how many sequences end at it or before."""
    count = graph.shape(X.data, 0, 1)
    ends = graph.op("CumSum", X.lengths, 0)
    marks = graph.zeros(graph.op("Add", count, [1]), value=0)
    ones = graph.zeros(graph.shape(X.lengths), value=1)
    marks = graph.op("ScatterElements", marks, ends, ones, axis=0, reduction="add")
    return graph.slice(graph.op("CumSum", marks, 0), 0, count, 0)


def place_in_sequence(graph: Any, X: Rows, owner: str) -> str:
    """(T,) how many rows of its sequence are before each."""
    first = graph.op("Gather", starts(graph, X.lengths), owner)
    return graph.op("Sub", graph.arange(graph.shape(X.data, 0, 1)), first)


def sum_rows(graph: Any, X: Rows, owner: str, how: str = "add", initial: float = 0.0) -> str:
    """(B, width) the rows of each sequence added up, or the largest values with how="max"."""
    total = graph.zeros(graph.shape(X.lengths), graph.shape(X.data, 1), value=initial)
    return graph.op("ScatterND", total, graph.column(owner), X.data, reduction=how)


# Other containers.


def longest(graph: Any, lengths: str) -> str:
    """The length of the longest sequence, 0 of none, as a tensor of rank 1."""
    return graph.op("ReduceMax", graph.op("Concat", lengths, [0], axis=0), [0], keepdims=1)


def to_columns(graph: Any, X: Rows) -> Columns:
    """As list2padded: the longest sequence first, of two equal ones the later."""
    count = graph.shape(X.lengths)
    ranks = graph.op("Add", graph.op("Mul", X.lengths, count), graph.arange(count))
    _, order = graph.ops("TopK", 2, ranks, count, axis=0, largest=1, sorted=1)
    lengths = graph.op("Gather", X.lengths, order)
    steps = graph.column(graph.arange(longest(graph, lengths)))
    index = graph.op("Add", steps, graph.row(graph.op("Gather", starts(graph, X.lengths), order)))
    valid = graph.op("Less", steps, graph.row(lengths))
    return Columns(graph.where_index(X.data, index, valid), lengths, order)


def to_rows(graph: Any, X: Columns, kind: str) -> Rows:
    """As padded2list: the sequences in their original order."""
    count = graph.shape(X.indices)
    column = graph.op("ScatterElements", X.indices, X.indices, graph.arange(count), axis=0)
    lengths = graph.op("Gather", X.lengths, column)
    total = graph.op("ReduceSum", lengths, [0], keepdims=1)
    rows = Rows(graph.zeros(total, 1), lengths, kind)  # only to number the rows
    owner = owners(graph, rows)
    step = place_in_sequence(graph, rows, owner)
    index = graph.op("Add", graph.op("Mul", step, count), graph.op("Gather", column, owner))
    return Rows(graph.op("Gather", as_matrix(graph, X.data), index, axis=0), lengths, kind)


def columns_like(graph: Any, X: Columns, Y: Rows) -> Columns:
    """Rows, one sequence after the other in their original order, in the columns of X."""
    lengths = graph.op("Gather", Y.lengths, X.indices)
    steps = graph.column(graph.arange(graph.shape(X.data, 0, 1)))
    index = graph.op("Add", steps, graph.row(graph.op("Gather", starts(graph, Y.lengths), X.indices)))
    valid = graph.op("Less", steps, graph.row(lengths))
    return with_data(X, graph.where_index(Y.data, index, valid))


@rule("list2array")
def list2array(graph: Any, model: Model, X: Any) -> str:
    return graph.sequences(X, LIST).data


@rule("list2ragged")
def list2ragged(graph: Any, model: Model, X: Any) -> Rows:
    X = graph.sequences(X, LIST)
    return Rows(X.data, X.lengths, "ragged")


@rule("ragged2list")
def ragged2list(graph: Any, model: Model, X: Any) -> Rows:
    X = graph.sequences(X, RAGGED)
    return Rows(X.data, X.lengths, "list")


@rule("list2padded")
def list2padded(graph: Any, model: Model, X: Any) -> Columns:
    return to_columns(graph, graph.sequences(X, LIST))


@rule("padded2list")
def padded2list(graph: Any, model: Model, X: Any) -> Rows:
    return to_rows(graph, graph.sequences(X, PADDED), "list")


# Layers around a layer.


@rule("with_array")
def with_array(graph: Any, model: Model, X: Any) -> Any:
    _refuse_pad(model, X)
    return graph.map_data(X, lambda data: graph.array(graph.run(model.layers[0], data)))


@rule("with_array2d")
def with_array2d(graph: Any, model: Model, X: Any) -> Any:
    _refuse_pad(model, X)
    if not isinstance(X, Columns):
        return with_array(graph, model, X)
    Y = graph.run(model.layers[0], as_matrix(graph, X.data))
    return with_data(X, graph.reshape(Y, graph.shape(X.data, 0, 2), graph.shape(Y, 1)))


def _refuse_pad(model: Model, X: Any) -> None:
    if model.attrs["pad"] and kind_of(X) == LIST:
        raise ValueError(f"pad must be 0; got {model.attrs['pad']} (with_ragged keeps windows inside their sequences)")


@rule("with_list", "with_ragged")
def with_rows(graph: Any, model: Model, X: Any) -> Any:
    kind = "list" if model._func.__module__.endswith("with_list") else "ragged"
    graph.sequences(X, RAGGED, LIST, PADDED)
    inner = to_rows(graph, X, kind) if isinstance(X, Columns) else Rows(X.data, X.lengths, kind)
    Y = graph.sequences(graph.run(model.layers[0], inner), RAGGED if kind == "ragged" else LIST)
    return columns_like(graph, X, Y) if isinstance(X, Columns) else Rows(Y.data, Y.lengths, X.kind)


@rule("with_padded")
def with_padded(graph: Any, model: Model, X: Any) -> Any:
    if isinstance(X, Columns):
        return graph.run(model.layers[0], X)
    if isinstance(X, str):
        steps, count = graph.shape(X, 0, 1), graph.shape(X, 1, 2)
        lengths = graph.op("Expand", steps, count)
        return graph.run(model.layers[0], Columns(X, lengths, graph.arange(count))).data
    X = graph.sequences(X, RAGGED, LIST)
    Y = graph.sequences(graph.run(model.layers[0], to_columns(graph, X)), PADDED)
    return to_rows(graph, Y, X.kind)


# Windows of rows.


def windows(graph: Any, X: Any, offsets: Any) -> Tuple[str, Callable[[str], Any]]:
    """(T, len(offsets) * width) for each row those at some offsets from it, zeros beyond the ends of its sequence; and
    what makes a batch like X of rows."""
    data = X if isinstance(X, str) else graph.sequences(X, RAGGED).data
    count = graph.shape(data, 0, 1)
    index = graph.op("Add", graph.column(graph.arange(count)), numpy.asarray(offsets, dtype="int64")[None])
    low: Any = 0
    high: Any = count
    if not isinstance(X, str):
        owner = owners(graph, X)
        low, high = (
            graph.column(graph.op("Gather", each, owner))
            for each in (starts(graph, X.lengths), graph.op("CumSum", X.lengths, 0))
        )
    valid = graph.op("And", graph.op("GreaterOrEqual", index, low), graph.op("Less", index, high))
    found = graph.where_index(data, index, valid)
    width = graph.op("Mul", graph.shape(data, 1, 2), [len(offsets)])
    rows = graph.reshape(found, count, width)
    return rows, lambda Y: Y if isinstance(X, str) else with_data(X, Y)


@rule("expand_window")
def expand_window(graph: Any, model: Model, X: Any) -> Any:
    nW = model.attrs["window_size"]
    rows, restore = windows(graph, X, range(-nW, nW + 1))
    return restore(rows)


@rule("conv1d")
def conv1d(graph: Any, model: Model, X: Any) -> Any:
    W, dilation = graph.param(model, "W"), model.attrs["dilation"]
    nO, nK, _ = W.shape
    reach = dilation * (nK - 1)
    first = reach if model.attrs["padding"] == "causal" else reach // 2
    rows, restore = windows(graph, X, numpy.arange(nK) * dilation - first)
    return restore(affine(graph, rows, W.reshape(nO, -1), graph.param(model, "b")))


# Sums over rows.


@rule("reduce_sum")
def reduce_sum(graph: Any, model: Model, X: Any) -> str:
    X = graph.sequences(X, RAGGED)
    return sum_rows(graph, X, owners(graph, X))


@rule("reduce_mean")
def reduce_mean(graph: Any, model: Model, X: Any) -> str:
    count = graph.cast(graph.op("Max", graph.column(X.lengths), 1), "float32")
    return graph.op("Div", reduce_sum(graph, model, X), count)


@rule("reduce_max")
def reduce_max(graph: Any, model: Model, X: Any) -> str:
    X = graph.sequences(X, RAGGED)
    return sum_rows(graph, X, owners(graph, X), "max", float("-inf"))


@rule("reduce_first")
def reduce_first(graph: Any, model: Model, X: Any) -> str:
    X = graph.sequences(X, RAGGED)
    return graph.op("Gather", X.data, starts(graph, X.lengths), axis=0)


@rule("reduce_last")
def reduce_last(graph: Any, model: Model, X: Any) -> str:
    X = graph.sequences(X, RAGGED)
    return graph.op("Gather", X.data, graph.op("Sub", graph.op("CumSum", X.lengths, 0), 1), axis=0)


# Attention of one query.


@rule("parametricattention", "parametricattention_v2")
def parametric_attention(graph: Any, model: Model, X: Any) -> Rows:
    X = graph.sequences(X, RAGGED)
    keys: Optional[Model] = model.maybe_get_ref("key_transform")
    K = X.data if keys is None else graph.array(graph.run(keys, X.data))
    scores = graph.op("MatMul", K, graph.param(model, "Q").reshape(-1, 1))
    owner = owners(graph, X)

    def spread(how: str, values: str, initial: float) -> str:
        return graph.op("Gather", sum_rows(graph, with_data(X, values), owner, how, initial), owner, axis=0)

    weights = graph.op("Exp", graph.op("Sub", scores, spread("max", scores, float("-inf"))))
    weights = graph.op("Div", weights, spread("add", weights, 0.0))
    return with_data(X, graph.op("Mul", X.data, weights))
