"""uniqued: run a layer on the different rows of a batch only."""

from typing import Any, Callable, Optional, Tuple

import numpy

from ..backends import checks
from ..config import registry
from ..model import Model
from ..types import Floats2d, Ints2d
from ._checks import check_shape
from ._gradients import backprop_child
from ._widths import width_of_child
from ._wrapper import init_child


@registry.layers("uniqued.v1")
def uniqued(layer: Model, *, column: int = 0) -> Model[Ints2d, Floats2d]:
    """Y = layer(X), worked out once for rows that are equal.

    X: (B, columns) ids.  Y: (B, nO).
    column: rows are looked up by this one; should rows that are equal there differ elsewhere, by all of them.
    """
    dims = {dim: layer.maybe_get_dim(dim) for dim in ("nO", "nI")}
    attrs = {"column": column}
    return Model(f"uniqued({layer.name})", forward, init=init, dims=dims, layers=[layer], attrs=attrs)


@width_of_child
def forward(model: Model[Ints2d, Floats2d], X: Ints2d, is_train: bool) -> Tuple[Floats2d, Callable]:
    ops: Any = model.ops
    checks.array(model.name, "X", X, ops.xp)
    layer = model._layers[0]
    if X.size < 2:
        return layer(X, is_train)
    first, inverse, counts = (ops.asarray1i(each) for each in _find(ops.to_numpy(X), model.attrs["column"]))
    Y, callback = layer(X[first], is_train)
    Y_shape = (len(inverse), *Y.shape[1:])

    def backprop(dY: Floats2d) -> Any:
        check_shape(model, dY, Y_shape)
        dY_unique = ops.alloc((len(first), *dY.shape[1:]), dtype=dY.dtype)
        ops.scatter_add(dY_unique, inverse, dY)
        dX = backprop_child(model, callback, dY_unique)
        if dX.dtype.kind == "f":  # equal rows share the gradient of the one that was run
            dX = dX / counts.astype(dX.dtype).reshape((-1, *[1] * (dX.ndim - 1)))
        return dX[inverse]

    return Y[inverse], backprop


def init(model: Model[Ints2d, Floats2d], X: Optional[Ints2d] = None, Y: Optional[Floats2d] = None) -> None:
    init_child(model, X, Y)


def _find(X: Any, column: int) -> Tuple[Any, Any, Any]:
    """Where each different row stands first, which of them each row is, and how often each comes."""
    rows = X.reshape(len(X), -1)
    keys = rows[:, column] if X.ndim > 1 else X
    _, first, inverse, counts = numpy.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    if not numpy.array_equal(rows[first[inverse]], rows):
        _, first, inverse, counts = numpy.unique(
            rows, axis=0, return_index=True, return_inverse=True, return_counts=True
        )
    return first, inverse.reshape(-1), counts
