"""Rows of ids that a batch has more than once, as it has most words: layers that look at each row alone run on the
different rows, and every row gets the result of its like. On the way back, the gradients of like rows add up.
"""

from typing import Any, Callable, List, Optional, Sequence, Tuple

import numpy

from ..model import Model
from ..types import Floats2d, Ints2d
from ._checks import check_shape
from ._fusion import column_of, is_part
from ._mixed_tables import MIN_ROWS, fused
from ._steps import back_through, run_each, steps_of

# Different rows per row, above which tables that are looked up apart save more (see _mixed_tables.py).
MAX_SHARE = 0.6
# Random odd numbers: rows of few bits, such as small ids, rarely have the same sum of products.
FACTORS = numpy.random.RandomState(0).randint(1, 2**62, 64).astype("uint64") * numpy.uint64(2) + numpy.uint64(1)


class DistinctRows:
    """A step of a chain that stands for the first layers of it. index: which of the different rows each row is."""

    nodes: Tuple[Any, ...] = ()  # errors are named where they occur

    def __init__(self, layers: Sequence[Model], rows: Ints2d, index: Any) -> None:
        self.steps: List[Any] = [layers[0], *steps_of(layers[1:], None)]
        self.rows, self.index, self.name, self._layers = rows, index, layers[0].name, layers

    @staticmethod
    def _func(step: "DistinctRows", X: Ints2d, is_train: bool) -> Tuple[Floats2d, Callable]:
        V, callbacks = run_each(step.steps, step.rows, is_train)
        last, ops, index = step._layers[-1], step._layers[0].ops, step.index
        shape = (len(index), *V.shape[1:])

        def backprop(dY: Floats2d) -> Ints2d:
            check_shape(last, dY, shape)
            back_through(step.steps, callbacks, ops.scatter_add(ops.alloc(V_shape, dtype=dY.dtype), index, dY))
            return ops.alloc(X.shape, dtype=X.dtype)

        V_shape = V.shape
        return V.take(index, axis=0), backprop


def plan(layers: Sequence[Model], X: Any) -> Sequence[Any]:
    """The layers of a chain that begins with a concatenate, as they are best run on X."""
    if type(X) is not numpy.ndarray or X.ndim != 2 or len(X) < MIN_ROWS or X.dtype.kind not in "iu":
        return layers
    count = count_alone(layers)
    found = different(X) if count > 1 and X.shape[1] <= len(FACTORS) else None
    return fused(layers, X) if found is None else [DistinctRows(layers[:count], *found), *layers[count:]]


def count_alone(layers: Sequence[Model]) -> int:
    """How many of the layers, from a concatenate of tables on, look at each row alone and draw no random numbers."""
    if None in map(column_of, layers[0]._layers):
        return 0
    count = 1
    while count < len(layers) and _looks_at_each_row(layers[count]):
        count += 1
    return count


def _looks_at_each_row(layer: Model) -> bool:
    if is_part(layer, "chain"):
        return all(map(_looks_at_each_row, layer._layers))
    return is_part(layer, "maxout", "dense", "layernorm")


def different(X: Any) -> Optional[Tuple[Any, Any]]:
    """The different rows of X, and which of them each row is; None when there are too many."""
    keys = X.astype("uint64", copy=False) @ FACTORS[: X.shape[1]]
    _, first, index = numpy.unique(keys, return_index=True, return_inverse=True)
    if len(first) > MAX_SHARE * len(X):
        return None
    rows, index = X[first], index.reshape(-1).astype("int32")
    return (rows, index) if (rows.take(index, axis=0) == X).all() else None
