"""Dropout: random zeros while training."""

from typing import Any, Callable, Tuple, TypeVar

from ..config import registry
from ..model import Model
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
def forward(model: Model[InT, InT], X: InT, is_train: bool) -> Tuple[InT, Callable]:
    rate = model.attrs["dropout_rate"]
    if not (is_train and rate and model.attrs["is_enabled"]):
        return X, identity
    masks = combine(lambda arrays: model.ops.get_dropout_mask(arrays[0].shape, rate), [X])

    def backprop(dY: InT) -> InT:
        return combine(_multiply, [dY, masks])

    return combine(_multiply, [X, masks]), backprop


def _multiply(arrays: Any) -> Any:
    array, mask = arrays
    product = array * mask
    return product.astype(array.dtype, copy=False) if array.dtype.kind == "f" else product
