"""HashEmbed: vectors for any number of ids out of a small table, by hashing every id to four rows."""

from typing import Any, Callable, Dict, Optional, Tuple, Union

from ..config import registry
from ..initializers import uniform_init
from ..model import Model
from ..types import Floats2d, Ints1d, Ints2d
from ..util import partial
from ._fusion import part
from ._gradients import accumulate_marked, drop_columns
from .array_getitem import ints_getitem
from .chain import chain

InT = Union[Ints1d, Ints2d]


@registry.layers("HashEmbed.v1")
def HashEmbed(
    nO: int,
    nV: int,
    *,
    seed: Optional[int] = None,
    column: Optional[int] = None,
    initializer: Optional[Callable] = None,
    dropout: Optional[float] = None,
) -> Model[InT, Floats2d]:
    """Y[b] = sum over k < 4 of E[hash(X[b], seed)[k] % nV].

    X: (B,) ids, or (B, columns) when `column` says which one to look at.  Y: (B, nO).  Params: E (nV, nO).
    seed: of the hash, in [0, 2**32); None takes the id of the node. It is saved with the model.
    dropout: probability of zeroing an output column, for all rows alike, while training.
    SOURCE: Svenstrup et al. 2017, arXiv:1709.03933, with fixed weights.
    """
    attrs: Dict[str, Any] = {"column": column, "seed": seed}
    if dropout is not None:
        attrs["dropout_rate"] = dropout
    core: Model = Model(
        "hashembed",
        forward,
        init=partial(init, initializer or uniform_init),
        dims={"nO": nO, "nV": nV, "nI": None},
        params={"E": None},
        attrs=attrs,
    )
    if seed is None:
        core.attrs["seed"] = core.id
    if column is None:
        return core
    model: Model = chain(ints_getitem((slice(0, None), column)), core)
    model.attrs["column"] = column
    return model


@part("hash table")
def forward(model: Model[Ints1d, Floats2d], ids: Ints1d, is_train: bool) -> Tuple[Floats2d, Callable]:
    ops, seed = model.ops, model.attrs["seed"]
    keys = ops.as_contig(ids if ids.size else ids.reshape(0), dtype="uint64")
    Y, mask = drop_columns(model, ops.hash_embed(model.get_param("E"), keys, seed), is_train)

    def backprop(dY: Floats2d) -> Ints1d:
        accumulate_marked(model, ops.backprop_hash_embed, (dY if mask is None else dY * mask, keys, seed), "E")
        return ops.alloc(ids.shape, dtype="int32")

    return Y, backprop


def init(
    initializer: Callable, model: Model[Ints1d, Floats2d], X: Optional[Ints1d] = None, Y: Optional[Floats2d] = None
) -> None:
    model.set_param("E", initializer(model.ops, (model.get_dim("nV"), model.get_dim("nO"))))


init.param_shapes = {"E": ("nV", "nO")}  # type: ignore[attr-defined]
