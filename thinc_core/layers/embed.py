"""Embed: a table of vectors looked up by id."""

from typing import Any, Callable, Dict, Optional, Tuple, Union

from ..config import registry
from ..initializers import uniform_init
from ..model import Model
from ..types import Floats2d, Ints1d, Ints2d
from ..util import partial
from ._checks import look_up
from ._fusion import part
from ._gradients import accumulate, drop_columns
from ._widths import set_from_samples
from .array_getitem import ints_getitem
from .chain import chain

InT = Union[Ints1d, Ints2d]


@registry.layers("Embed.v1")
def Embed(
    nO: Optional[int] = None,
    nV: Optional[int] = None,
    *,
    column: Optional[int] = None,
    initializer: Optional[Callable] = None,
    dropout: Optional[float] = None,
) -> Model[InT, Floats2d]:
    """Y[b] = E[X[b]].

    X: (B,) ids in [-nV, nV), or (B, columns) when `column` says which one to look at.  Y: (B, nO).  Params: E (nV, nO).
    dropout: probability of zeroing an output column, for all rows alike, while training.
    """
    attrs: Dict[str, Any] = {} if dropout is None else {"dropout_rate": dropout}
    model: Model = Model(
        "embed",
        forward,
        init=partial(init, initializer or uniform_init),
        dims={"nO": nO, "nV": nV},
        params={"E": None},
        attrs=attrs,
    )
    if column is not None:
        model = chain(ints_getitem((slice(0, None), column)), model)
    model.attrs["column"] = column
    return model


@part("table")
def forward(model: Model[Ints1d, Floats2d], ids: Ints1d, is_train: bool) -> Tuple[Floats2d, Callable]:
    E = model.get_param("E")
    ids = ids if ids.size else ids.reshape(0)
    Y, mask = drop_columns(model, look_up(E, ids), is_train)

    def backprop(dY: Floats2d) -> Ints1d:
        accumulate(model, _add_rows(model, ids), (dY if mask is None else dY * mask,), "E")
        return model.ops.alloc(ids.shape, dtype="int32")

    return Y, backprop


def init(
    initializer: Callable, model: Model[Ints1d, Floats2d], X: Optional[Ints1d] = None, Y: Optional[Floats2d] = None
) -> None:
    set_from_samples(model, None, Y)
    model.set_param("E", initializer(model.ops, (model.get_dim("nV"), model.get_dim("nO"))))


init.param_shapes = {"E": ("nV", "nO")}  # type: ignore[attr-defined]


def _add_rows(model: Model, ids: Ints1d) -> Callable[[Floats2d, Floats2d], None]:
    def add(dY: Floats2d, dE: Floats2d) -> None:
        # Lookups count negative ids from the end, and so must their gradients.
        rows = ids.reshape(-1) if ids.dtype.kind == "u" else ids.reshape(-1) % dE.shape[0]
        model.ops.scatter_add(dE, rows, dY.reshape(-1, dE.shape[1]))

    return add
