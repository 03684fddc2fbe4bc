"""with_reshape: run a layer for arrays of rank 2 on one of higher rank."""

from typing import Any, Callable, Optional, Tuple, TypeVar, cast

from ..config import registry
from ..model import Model
from ..types import Array2d, Array3d
from ._checks import check_array, check_shape
from ._gradients import backprop_child
from ._widths import width_of_child
from ._wrapper import init_child

InT = TypeVar("InT", bound=Array3d)
OutT = TypeVar("OutT", bound=Array2d)


@registry.layers("with_reshape.v1")
def with_reshape(layer: Model[OutT, OutT]) -> Model[InT, InT]:
    """X: (..., nI), whose leading axes become the rows of one matrix.  Y: (..., nO)."""
    dims = {dim: layer.maybe_get_dim(dim) for dim in ("nO", "nI")}
    return Model(f"with_reshape({layer.name})", forward, init=init, layers=[layer], dims=dims)


@width_of_child
def forward(model: Model[InT, InT], X: InT, is_train: bool) -> Tuple[InT, Callable]:
    check_array(model, X)
    Y, callback = model._layers[0](_as_rows(X), is_train)
    Y_shape = (*X.shape[:-1], Y.shape[-1])

    def backprop(dY: InT) -> InT:
        check_shape(model, dY, Y_shape)
        return cast(InT, backprop_child(model, callback, _as_rows(dY)).reshape(X.shape))

    return cast(InT, Y.reshape(Y_shape)), backprop


def init(model: Model[InT, InT], X: Optional[InT] = None, Y: Optional[InT] = None) -> None:
    init_child(model, None if X is None else _as_rows(X), None if Y is None else _as_rows(Y))


def _as_rows(X: Any) -> Any:
    rows = 1
    for size in X.shape[:-1]:
        rows *= size
    return X.reshape((rows, X.shape[-1]))
