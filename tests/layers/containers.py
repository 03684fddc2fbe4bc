"""Batches of sequences in every container, and the few vector operations that gradient checks need on them."""

from typing import Any, List

import numpy

from thinc_core.types import Padded, Ragged

KINDS = ("array", "list", "ragged", "padded")


def pack(ops: Any, kind: str, Xs: List[Any], empty: Any) -> Any:
    """A list of arrays as another kind of batch; `empty` stands for the data of none."""
    if kind == "list":
        return Xs
    if kind in ("padded", "array3d"):
        padded = ops.list2padded(Xs)
        return padded if kind == "padded" else padded.data
    if kind == "nested":
        return [Xs[:2], [], Xs[2:]]
    flat = numpy.concatenate(Xs) if Xs else empty
    if kind == "array":
        return flat
    if kind == "pair":
        return (flat, 2 - flat)
    ragged = Ragged(flat, numpy.asarray([len(X) for X in Xs], dtype="int32"))
    return (ragged.data, ragged.lengths) if kind == "data_and_lengths" else ragged


def kind_of(X: Any) -> Any:
    """The kind, and for tuples and lists that of the members."""
    if isinstance(X, (list, tuple)):
        return (type(X), [kind_of(item) for item in X])
    return type(X)


def arrays(X: Any) -> List[Any]:
    """The arrays of data inside a batch; integer arrays are no data."""
    if isinstance(X, (list, tuple)):
        return [array for item in X for array in arrays(item)]
    if isinstance(X, (Ragged, Padded)):
        return [X.data]
    return [X] if X.dtype.kind == "f" else []


def like(X: Any, make: Any) -> Any:
    """A batch of the same structure with make(array) in place of each array of data."""
    if isinstance(X, (list, tuple)):
        return type(X)(like(item, make) for item in X)
    if isinstance(X, Ragged):
        return Ragged(make(X.dataXd), X.lengths)
    if isinstance(X, Padded):
        return Padded(make(X.data), X.size_at_t, X.lengths, X.indices)
    return make(X) if X.dtype.kind == "f" else X


def noise(X: Any, random: numpy.random.RandomState) -> Any:
    return like(X, lambda array: random.normal(size=array.shape).astype(array.dtype))


def step(X: Any, direction: Any, size: float) -> Any:
    """X + size * direction."""
    moves = iter(arrays(direction))
    return like(X, lambda array: array + size * next(moves).reshape(array.shape))


def dot(X: Any, Y: Any) -> float:
    left, right = arrays(X), arrays(Y)
    assert [array.shape for array in left] == [array.shape for array in right]
    return sum(float((a * b).sum()) for a, b in zip(left, right))


def assert_same(X: Any, Y: Any, **tolerance: float) -> None:
    assert kind_of(X) == kind_of(Y)
    for a, b in zip(arrays(X), arrays(Y)):
        assert a.shape == b.shape
        numpy.testing.assert_allclose(a, b, **(tolerance or {"rtol": 0, "atol": 0}))
