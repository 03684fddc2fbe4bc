"""Logistic: the older name of sigmoid_activation."""

from ..config import registry
from ..model import Model
from ..types import Floats2d
from .sigmoid_activation import forward


@registry.layers("Logistic.v1")
def Logistic() -> Model[Floats2d, Floats2d]:
    """Y = 1 / (1 + exp(-X)); the same layer as sigmoid_activation under the name that older configs have.

    X, Y: (B, O).
    """
    return Model("logistic", forward)
