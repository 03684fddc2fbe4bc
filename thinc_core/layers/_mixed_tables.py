"""Tables of vectors side by side, mixed by a Maxout layer: a batch of words has few different prefixes, suffixes or
shapes. So each different id is looked up and multiplied by its block of the weights once, and what the Maxout layer
sees of a word is the sum of the products of its ids.
"""

from itertools import accumulate as running_sum
from typing import Any, Callable, List, NamedTuple, Sequence, Tuple

import numpy

from ..model import Model
from ..types import Floats2d, Ints2d
from ._fusion import column_of, is_part
from ._gradients import accumulate

MIN_ROWS = 128
# Different ids per row and table, above which gathering costs more than the products saved (measured, 96 wide).
MAX_SHARE = 0.5


class Table(NamedTuple):
    """A table of vectors, the different ids in its column of the batch, and the rows of its products among all."""

    layer: Model
    ids: Any
    rows: slice


class MixedTables:
    """A step of a chain that stands for two of its layers: the tables, and the Maxout layer that mixes them."""

    def __init__(self, tables: List[Table], index: Any, mixer: Model) -> None:
        self.tables, self.index, self.mixer, self.nodes = tables, index, mixer, (mixer,)
        self.name, self._layers = mixer.name, [*(table.layer for table in tables), mixer]

    @staticmethod
    def _func(step: "MixedTables", X: Ints2d, is_train: bool) -> Tuple[Floats2d, Callable]:
        return forward(step, X, is_train)


def fused(layers: Sequence[Model], X: Any) -> Sequence[Any]:
    """The layers of a chain that begins with a concatenate, as they are best run on X.

    Any layer that was replaced, wrapped or given another forward function is left alone.
    """
    if type(X) is not numpy.ndarray or X.ndim != 2 or len(X) < MIN_ROWS or len(layers) < 2:
        return layers
    behind = layers[1]._layers if is_part(layers[1], "chain") else layers[1:2]
    columns = [column_of(branch) for branch in layers[0]._layers]
    if not behind or not is_part(behind[0], "maxout") or None in columns or max(columns) >= X.shape[1]:
        return layers
    if sum(branch.maybe_get_dim("nO") or 0 for branch in layers[0]._layers) != behind[0].maybe_get_dim("nI"):
        return layers
    found = [numpy.unique(X[:, column], return_inverse=True) for column in columns]
    ends = list(running_sum(len(ids) for ids, _ in found))
    if ends[-1] > MAX_SHARE * len(X) * len(found):
        return layers
    starts = [0, *ends[:-1]]
    index = numpy.stack([inverse.reshape(-1) + start for (_, inverse), start in zip(found, starts)], axis=1)
    tables = [
        Table(branch._layers[1], ids, slice(start, start + len(ids)))
        for branch, (ids, _), start in zip(layers[0]._layers, found, starts)
    ]
    return [MixedTables(tables, index.astype("int32"), behind[0]), *behind[1:], *layers[2:]]


def forward(step: MixedTables, X: Ints2d, is_train: bool) -> Tuple[Floats2d, Callable]:
    tables, index, mixer = step.tables, step.index, step.mixer
    ops: Any = mixer.ops
    W = mixer.get_param("W")
    nO, nP, nI = W.shape
    W2d = W.reshape(nO * nP, nI)
    vectors, callbacks = zip(*[table.layer._func(table.layer, table.ids, is_train) for table in tables])
    ends = list(running_sum(V.shape[1] for V in vectors))
    blocks = [slice(end - V.shape[1], end) for V, end in zip(vectors, ends)]
    products = ops.alloc((tables[-1].rows.stop, nO * nP), dtype=W.dtype, zeros=False)
    for table, V, block in zip(tables, vectors, blocks):
        ops.gemm(V, W2d[:, block], out=products[table.rows], trans2=True)
    # Every word has one id of the first table, so that is where the bias goes.
    products[tables[0].rows] += mixer.get_param("b").reshape(-1)
    Y, which = ops.maxout(ops.gather_add(products, index).reshape(len(index), nO, nP))

    def add_gradients(d_products: Any, dW: Any, db: Any) -> None:
        db += d_products[tables[0].rows].sum(axis=0).reshape(db.shape)
        for table, V, block in zip(tables, vectors, blocks):
            dW.reshape(W2d.shape)[:, block] += ops.gemm(d_products[table.rows], V, trans1=True)

    def backprop(dY: Floats2d) -> Ints2d:
        dZ = ops.backprop_maxout(dY, which, nP).reshape(len(index), nO * nP)
        d_products = ops.alloc(products_shape, dtype=W.dtype)
        for column in index.T:
            ops.scatter_add(d_products, column, dZ)
        accumulate(mixer, add_gradients, (d_products,), "W", "b")
        for table, callback, block in zip(tables, callbacks, blocks):
            callback(ops.gemm(d_products[table.rows], W2d[:, block]))
        return ops.alloc(X.shape, dtype=X.dtype)

    products_shape = products.shape
    return Y, backprop
