"""What the layers that replace ids share: the gradient they hand back, a table that is searched for many at once."""

from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy

from ..errors import KindError
from ..model import Model, deserialize_attr


class IdTable(Dict[int, int]):
    """A dict from unsigned 64-bit ids to int32, not to be changed, that keeps its ids sorted for `find`."""

    _sorted: Optional[Tuple[Any, Any]] = None

    def find(self, ids: Any, default: int) -> Any:
        """ids: (N,) integers on the host; a negative one is its two's complement. RETURNS: (N,) int32."""
        if self._sorted is None:
            keys = numpy.fromiter(self.keys(), "uint64", len(self))
            values = numpy.fromiter(self.values(), "int64", len(self)).astype("int32")
            order = keys.argsort()
            self._sorted = keys[order], values[order]
        keys, values = self._sorted
        if not len(keys):
            return numpy.full(ids.shape, default, dtype="int32")
        wanted = ids.astype("uint64")
        rows = numpy.minimum(keys.searchsorted(wanted), len(keys) - 1)
        return numpy.where(keys[rows] == wanted, values[rows], numpy.int32(default))


@deserialize_attr.register(IdTable)
def _(_: IdTable, value: bytes, name: str, model: Model) -> IdTable:
    return IdTable(deserialize_attr({}, value, name, model))


def column_of_ids(model: Model, X: Any, column: Optional[int]) -> Any:
    """The (N,) ids in an array, on the host. column: which one of (N, columns) they are in.

    RAISES: KindError for an array of another rank.
    """
    ids = model.ops.to_numpy(X)
    if column is not None and ids.ndim == 2:
        # An empty batch may not know how wide it would be.
        ids = ids[:, column] if ids.size else ids.reshape(-1)
    elif column is not None or ids.ndim != 1:
        rank = "1 dimension (or say which column)" if column is None else f"2 dimensions to take column {column}"
        raise KindError(f"{model.name}: X must have {rank}; got shape {ids.shape}")
    return ids


def no_gradient(model: Model, X: Any) -> Callable[[Any], Any]:
    """The backprop of a layer of ids: zeros like an array, an empty list for anything else."""
    if not hasattr(X, "dtype"):
        return _empty_list
    ops, shape, dtype = model.ops, X.shape, X.dtype
    return lambda dY: ops.alloc(shape, dtype=dtype)


def _empty_list(dY: Any) -> List[Any]:
    return []
