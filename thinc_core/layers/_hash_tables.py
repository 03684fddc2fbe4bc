"""HashEmbed tables side by side, whatever comes behind them: all are looked up in one op, which writes each vector to
its place, and gets the gradients from there.
"""

from itertools import accumulate as running_sum
from typing import Any, Callable, List, NamedTuple, Optional, Tuple

import numpy

from ..model import Model
from ..types import Floats2d, Ints2d
from ._fusion import column_of, is_part
from ._gradients import accumulate_each, drop_columns


class HashTables(NamedTuple):
    """The tables of a concatenate and the columns whose ids they look up."""

    layers: List[Model]
    columns: List[int]


def hash_tables(model: Model, X: Any) -> Optional[HashTables]:
    """What a concatenate of nothing but HashEmbed layers does with X; None when it does, or holds, something else."""
    if type(X) is not numpy.ndarray or X.ndim != 2 or X.dtype.kind not in "iu":
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
    masks = [drop_columns(layer, Y[:, block], is_train)[1] for layer, block in zip(layers, blocks)] if is_train else []

    def backprop(dY: Floats2d) -> Ints2d:
        if any(mask is not None for mask in masks):
            dY = dY.copy()
            for mask, block in zip(masks, blocks):
                if mask is not None:
                    dY[:, block] *= mask
        accumulate_each(layers, ops.backprop_hash_embeds, (dY, X, columns, seeds), "E")
        return ops.alloc(X.shape, dtype=X.dtype)

    return Y, backprop
