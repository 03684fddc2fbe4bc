"""Dropout: random zeros while training."""

from functools import partial
from typing import Any, Callable, Optional, Tuple, TypeVar

from ..config import registry
from ..model import Model
from ._batches import map_arrays
from ._fusion import part
from ._gradients import identity
from ._widths import keeps_width

InT = TypeVar("InT")


@registry.layers("Dropout.v1")
def Dropout(rate: float = 0.0) -> Model[InT, InT]:
    """While training, zero each value with probability `rate` and scale the others by 1 / (1 - rate).

    X, Y: array, list of arrays, Ragged or Padded.
    Attrs: dropout_rate, see set_dropout_rate; is_enabled, which turns the layer off when false.
    SOURCE: Srivastava et al. 2014, JMLR 15.
    """
    return Model("dropout", forward, attrs={"dropout_rate": rate, "is_enabled": True})


@keeps_width
@part("dropout")
def forward(model: Model[InT, InT], X: InT, is_train: bool) -> Tuple[InT, Callable]:
    if not (is_train and model.attrs["dropout_rate"] and model.attrs["is_enabled"]):
        return X, identity

    def drop(array: Any) -> Tuple[Any, Callable]:
        run = partial(_dropped, model.ops, *draw(model, is_train))
        return run(array), run

    return map_arrays(model, X, drop)


def _dropped(ops: Any, rate: float, seed: int, X: Any) -> Any:
    """X after dropout with that draw; the gradient is the same function of dY."""
    if X.dtype.kind == "f":
        return ops.dropout(X, rate, seed)
    return X * ops.dropout(ops.alloc(X.shape) + 1, rate, seed)


def draw(model: Optional[Model], is_train: bool) -> Tuple[float, int]:
    """Rate and seed of the next mask of a Dropout node; the rate is 0 when it drops nothing, or is None."""
    if model is None or not is_train or not model.attrs["is_enabled"] or not model.attrs["dropout_rate"]:
        return 0.0, 0
    rate = model.attrs["dropout_rate"]
    return rate, model.ops.dropout_seed(rate)
