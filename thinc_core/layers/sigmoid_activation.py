"""sigmoid_activation: logistic function without parameters."""

from typing import Callable, Tuple

from ..config import registry
from ..model import Model
from ..types import FloatsXdT
from ._widths import keeps_width


@registry.layers("sigmoid_activation.v1")
def sigmoid_activation() -> Model[FloatsXdT, FloatsXdT]:
    """Y = 1 / (1 + exp(-X)), elementwise, any shape."""
    return Model("sigmoid_activation", forward)


@keeps_width
def forward(model: Model[FloatsXdT, FloatsXdT], X: FloatsXdT, is_train: bool) -> Tuple[FloatsXdT, Callable]:
    Y = model.ops.sigmoid(X, inplace=False)

    def backprop(dY: FloatsXdT) -> FloatsXdT:
        return model.ops.backprop_sigmoid(dY, Y, inplace=False)

    return Y, backprop
