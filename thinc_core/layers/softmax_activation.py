"""softmax_activation: softmax without parameters."""

from typing import Callable, Tuple

from ..config import registry
from ..model import Model
from ..types import Floats2d
from ._checks import check_gradient
from ._widths import keeps_width


@registry.layers("softmax_activation.v1")
def softmax_activation() -> Model[Floats2d, Floats2d]:
    """Y = softmax over the last axis of X. Unlike Softmax it has the true gradient.

    X, Y: (B, O).
    """
    return Model("softmax_activation", forward)


@keeps_width
def forward(model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool) -> Tuple[Floats2d, Callable]:
    Y = model.ops.softmax(X, inplace=False)

    def backprop(dY: Floats2d) -> Floats2d:
        check_gradient("softmax_activation", dY, Y)
        return model.ops.backprop_softmax(Y, dY)

    return Y, backprop
