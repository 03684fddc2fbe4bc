"""Layers that are run together, where that gives the same result sooner. The tree of nodes stays as it is.

Tables of vectors side by side, mixed by a Maxout layer: a batch of words has few different prefixes, suffixes or
shapes. So each different id is looked up and multiplied by its block of the weights once, and what the Maxout layer
sees of a word is the sum of the products of its ids.

A Maxout layer and the LayerNorm behind it: rows are normalised while the cache still holds them.

HashEmbed tables side by side, whatever comes behind them: all are looked up in one op, which writes each vector to its
place, and gets the gradients from there.
"""

from itertools import accumulate as running_sum
from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Tuple, TypeVar

import numpy

from ..model import Model
from ..types import Floats2d, Ints2d
from ._gradients import accumulate, accumulate_each, drop_columns
from ._widths import as_wide

MIN_ROWS = 128
# Different ids per row and table, above which gathering costs more than the products saved (measured, 96 wide).
MAX_SHARE = 0.5


ForwardT = TypeVar("ForwardT", bound=Callable[..., Any])


def part(name: str) -> Callable[[ForwardT], ForwardT]:
    """Say which part of a fused step a layer can be, on its forward function: "chain", "getitem", "table",
    "hash table", "maxout" or "layernorm"."""

    def mark(forward: ForwardT) -> ForwardT:
        forward.fused_part = name  # type: ignore[attr-defined]
        return forward

    return mark


def is_part(layer: Model, *names: str) -> bool:
    return getattr(layer._func, "fused_part", None) in names


class Table(NamedTuple):
    """A table of vectors, the different ids in its column of the batch, and the rows of its products among all."""

    layer: Model
    ids: Any
    rows: slice


class MixedTables:
    """A step of a chain that stands for two of its layers: the tables, and the Maxout layer that mixes them."""

    def __init__(self, tables: List[Table], index: Any, mixer: Model) -> None:
        self.tables, self.index, self.mixer = tables, index, mixer
        self.name, self._layers = mixer.name, [*(table.layer for table in tables), mixer]

    @staticmethod
    def _func(step: "MixedTables", X: Ints2d, is_train: bool) -> Tuple[Floats2d, Callable]:
        return forward(step, X, is_train)


def fused(chain: Model, X: Any) -> Sequence[Any]:
    """The layers of a chain that begins with a concatenate, as they are best run on X.

    Any layer that was replaced, wrapped or given another forward function is left alone.
    """
    layers = chain._layers
    if type(X) is not numpy.ndarray or X.ndim != 2 or len(X) < MIN_ROWS or len(layers) < 2:
        return layers
    behind = layers[1]._layers if is_part(layers[1], "chain") else layers[1:2]
    columns = [_column(branch) for branch in layers[0]._layers]
    if not behind or not is_part(behind[0], "maxout") or None in columns or max(columns) >= X.shape[1]:
        return layers
    if sum(branch.maybe_get_dim("nO") or 0 for branch in layers[0]._layers) != behind[0].maybe_get_dim("nI"):
        return layers
    found = [numpy.unique(X[:, column], return_inverse=True) for column in columns]
    ends = numpy.cumsum([len(ids) for ids, _ in found])
    if ends[-1] > MAX_SHARE * len(X) * len(found):
        return layers
    starts = [0, *ends[:-1].tolist()]
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
    ends = numpy.cumsum([V.shape[1] for V in vectors]).tolist()
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


class HashTables(NamedTuple):
    """The tables of a concatenate and the columns whose ids they look up."""

    layers: List[Model]
    columns: List[int]


def hash_tables(model: Model, X: Any) -> Optional[HashTables]:
    """What a concatenate of nothing but HashEmbed layers does with X; None when it does, or holds, something else."""
    if type(X) is not numpy.ndarray or X.ndim != 2 or X.dtype.kind not in "iu":
        return None
    columns = [_column(branch) for branch in model._layers]
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


def _column(branch: Model) -> Any:
    """The column whose ids a branch looks up, or None when it does something else."""
    if not is_part(branch, "chain") or len(branch._layers) != 2:
        return None
    pick, table = branch._layers
    index = pick._attrs.get("index") if is_part(pick, "getitem") and is_part(table, "table", "hash table") else None
    if not isinstance(index, tuple) or len(index) != 2:
        return None
    every, column = index
    is_column = every in (slice(0, None), slice(None)) and isinstance(column, int) and column >= 0
    return column if is_column else None


class NormalizedMaxout:
    """A step of a chain that stands for a Maxout layer and the LayerNorm behind it."""

    def __init__(self, mixer: Model, norm: Model) -> None:
        self.mixer, self.norm = mixer, norm
        self.name, self._layers = mixer.name, [mixer, norm]

    @staticmethod
    def _func(step: "NormalizedMaxout", X: Floats2d, is_train: bool) -> Tuple[Floats2d, Callable]:
        mixer, norm, ops = step.mixer, step.norm, step.mixer.ops
        W, G = mixer.get_param("W"), norm.get_param("G")
        X = as_wide(X, W)
        args = (X, W, mixer.get_param("b"), G, norm.get_param("b"))
        Y, *kept = ops.affine_maxout_layernorm(*args, keep=is_train)

        def backprop(dY: Floats2d) -> Floats2d:
            best, which, mu, rstd = kept if is_train else ops.affine_maxout_layernorm(*args)[1:]
            d_best = accumulate(norm, ops.backprop_layernorm, (dY, best, G, mu, rstd), "G", "b")
            return accumulate(mixer, ops.backprop_affine_maxout, (d_best, which, X, W), "W", "b")

        return Y, backprop


def normalized(layers: Sequence[Any]) -> Sequence[Any]:
    """The layers, of which the first is a Maxout, joined with the second when that is a LayerNorm of its width."""
    if len(layers) < 2 or not is_part(layers[1], "layernorm"):
        return layers
    mixer, norm = layers[:2]
    if mixer.ops is not norm.ops or not norm.has_param("G") or not norm.has_param("b") or not mixer.has_param("W"):
        return layers
    if norm.get_param("G").shape != mixer.get_param("W").shape[:1]:
        return layers
    return [NormalizedMaxout(mixer, norm), *layers[2:]]
