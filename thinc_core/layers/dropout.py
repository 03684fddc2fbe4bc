"""Dropout: random zeros while training."""

from typing import Any, Callable, List, Optional, Tuple, TypeVar

from ..config import registry
from ..model import Model
from ._fusion import part
from ._gradients import identity
from ._sequence import combine
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
    draws: List[Tuple[Any, ...]] = []

    def drop(arrays: Any) -> Any:
        draws.append((arrays[0].shape, *draw(model, is_train)))
        return _dropped(model.ops, arrays[0], *draws[-1])

    def backprop(dY: InT) -> InT:
        left = iter(draws)
        return combine(lambda arrays: _dropped(model.ops, arrays[0], *next(left)), [dY])

    return combine(drop, [X]), backprop


def _dropped(ops: Any, X: Any, shape: Any, rate: float, seed: int) -> Any:
    """X after dropout of an array of that shape with that draw; the gradient is the same function of dY."""
    if X.shape != shape:
        raise ValueError(f"dropout: dY must have the shape of the output {shape}; got {X.shape}")
    if X.dtype.kind == "f":
        return ops.dropout(X, rate, seed)
    return X * ops.dropout(ops.alloc(shape) + 1, rate, seed)


def draw(model: Optional[Model], is_train: bool) -> Tuple[float, int]:
    """Rate and seed of the next mask of a Dropout node; the rate is 0 when it drops nothing, or is None."""
    if model is None or not is_train or not model.attrs["is_enabled"] or not model.attrs["dropout_rate"]:
        return 0.0, 0
    rate = model.attrs["dropout_rate"]
    return rate, model.ops.dropout_seed(rate)
