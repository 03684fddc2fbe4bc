"""Rules for layers made of layers, and for those that pick or pass on."""

from typing import Any, Tuple

from ..model import Model
from ._dense import joined, pair_of
from ._rules import rule
from ._values import combine


@rule("chain")
def chain(graph: Any, model: Model, X: Any) -> Any:
    for layer in model.layers:
        X = graph.run(layer, X)
    return X


@rule("noop", "dropout")
def nothing(graph: Any, model: Model, X: Any) -> Any:
    return X


@rule("resizable", "with_cpu", "uniqued")
def child(graph: Any, model: Model, X: Any) -> Any:
    return graph.run(model.layers[0], X)


@rule("add")
def add(graph: Any, model: Model, X: Any) -> Any:
    Ys = [graph.run(layer, X) for layer in model.layers]
    return combine(lambda parts: graph.op("Sum", *parts), Ys) if Ys else X


@rule("concatenate")
def concatenate(graph: Any, model: Model, X: Any) -> Any:
    return combine(lambda parts: joined(graph, parts), [graph.run(layer, X) for layer in model.layers])


@rule("residual")
def residual(graph: Any, model: Model, X: Any) -> Any:
    return combine(lambda parts: graph.op("Add", *parts), [X, graph.run(model.layers[0], X)])


@rule("tuplify")
def tuplify(graph: Any, model: Model, X: Any) -> Tuple[Any, ...]:
    return tuple(graph.run(layer, X) for layer in model.layers)


@rule("siamese")
def siamese(graph: Any, model: Model, X: Any) -> Any:
    layer, similarity = model.layers
    first, second = pair_of(X)
    return graph.run(similarity, (graph.run(layer, first), graph.run(layer, second)))


@rule("with_getitem")
def with_getitem(graph: Any, model: Model, X: Any) -> Tuple[Any, ...]:
    if not isinstance(X, tuple):
        raise ValueError("X must be a tuple")
    items, index = list(X), model.attrs["idx"]
    items[index] = graph.run(model.layers[0], items[index])
    return tuple(items)


@rule("array_getitem")
def array_getitem(graph: Any, model: Model, X: Any) -> str:
    index = model.attrs["index"]
    Y, axis = graph.array(X), 0
    for part in index if isinstance(index, tuple) else (index,):
        if isinstance(part, slice):
            Y = _slice(graph, Y, part, axis)
            axis += 1
        elif isinstance(part, int) and not isinstance(part, bool):
            Y = graph.op("Gather", Y, part, axis=axis)
        elif isinstance(part, list) and all(isinstance(item, int) for item in part) and axis == _axes(index) - 1:
            Y = graph.op("Gather", Y, part, axis=axis)
            axis += 1
        else:
            raise ValueError(
                f"the index must be of whole numbers and slices, with a list at its end only; got {index!r}"
            )
    return Y


def _axes(index: Any) -> int:
    return len(index) if isinstance(index, tuple) else 1


def _slice(graph: Any, X: str, part: slice, axis: int) -> str:
    step = 1 if part.step is None else part.step
    if step < 1:
        raise ValueError(f"slices of the index must have positive steps; got {part!r}")
    if (part.start or 0) == 0 and part.stop is None and step == 1:
        return X
    stop = 2**62 if part.stop is None else part.stop  # beyond every end
    return graph.op("Slice", X, [part.start or 0], [stop], [axis], [step])


@rule("with_reshape")
def with_reshape(graph: Any, model: Model, X: Any) -> str:
    leading = graph.shape(graph.array(X), 0, -1)
    Y = graph.run(model.layers[0], as_matrix(graph, X))
    return graph.reshape(Y, leading, graph.shape(Y, -1))


def as_matrix(graph: Any, X: str) -> str:
    """All leading axes as rows."""
    count = graph.op("ReduceProd", graph.shape(X, 0, -1), [0], keepdims=1)
    return graph.reshape(X, count, graph.shape(X, -1))
