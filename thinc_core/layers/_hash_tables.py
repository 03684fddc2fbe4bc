"""HashEmbed tables side by side, whatever comes behind them: all are looked up in one op, which writes each vector to
its place, and gets the gradients from there.
"""

from itertools import accumulate as running_sum
from typing import Any, Callable, List, NamedTuple, Optional, Tuple

import numpy

from ..backends import NumpyOps
from ..model import Model
from ..types import Floats2d, Ints2d
from ._fusion import column_of, is_part
from ._gradients import accumulate_each

HOST = NumpyOps()


class HashTables(NamedTuple):
    """The tables of a concatenate and the columns whose ids they look up."""

    layers: List[Model]
    columns: List[int]


def hash_tables(model: Model, X: Any) -> Optional[HashTables]:
    """What a concatenate of nothing but HashEmbed layers does with X; None when it does, or holds, something else."""
    if type(X) is not getattr(model.ops.xp, "ndarray", None) or X.ndim != 2 or X.dtype.kind not in "iu":
        return None
    columns = [column_of(branch) for branch in model._layers]
    if None in columns or max(columns) >= X.shape[1]:
        return None
    layers = [branch._layers[1] for branch in model._layers]
    if not all(is_part(layer, "hash table") and layer.has_param("E") for layer in layers):
        return None
    same = len({layer.get_param("E").dtype for layer in layers}) == 1
    return HashTables(layers, columns) if same else None


def forward_hashed(tables: HashTables, ops: Any, X: Ints2d, is_train: bool) -> Tuple[Floats2d, Callable]:
    layers, columns = tables
    seeds = [layer.attrs["seed"] for layer in layers]
    params = [layer.get_param("E") for layer in layers]
    Y = ops.hash_embeds(params, X, columns, seeds)
    ends = list(running_sum(E.shape[1] for E in params))
    blocks = [slice(start, end) for start, end in zip([0, *ends], ends)]
    mask = _column_mask(layers, ops, Y.shape[1], blocks) if is_train else None
    if mask is not None:
        Y *= mask

    def backprop(dY: Floats2d) -> Ints2d:
        dY = dY if mask is None else (dY * mask).astype(dY.dtype, copy=False)
        accumulate_each(layers, ops.backprop_hash_embeds, (dY, X, columns, seeds), "E")
        return ops.alloc(X.shape, dtype=X.dtype)

    return Y, backprop


def _column_mask(layers: List[Model], ops: Any, width: int, blocks: List[slice]) -> Any:
    """Dropout of whole columns of each table; made on the host, as it is small. None without dropout."""
    if not any(layer.attrs.get("dropout_rate") for layer in layers):
        return None
    mask = numpy.ones(width, dtype="float32")
    for layer, block in zip(layers, blocks):
        rate = layer.attrs.get("dropout_rate")
        if rate:
            mask[block] = HOST.get_dropout_mask((block.stop - block.start,), rate)
    return ops.asarray(mask)
