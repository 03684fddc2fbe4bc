"""activation: an activation function by its name, without parameters."""

from typing import Any, Callable, Tuple, TypeVar

from ..backends import checks
from ..config import registry
from ..model import Model
from ._activations import ACTIVATIONS
from ._batches import map_arrays
from ._checks import on_device
from ._widths import keeps_width

InT = TypeVar("InT")


@registry.layers("activation.v1")
def activation(name: str) -> Model[InT, InT]:
    """Y = f(X), elementwise.

    X, Y: array, list of arrays, Ragged or Padded.
    name: relu, leaky_relu (slope 0.01 below 0), elu, selu, softplus, tanh, sigmoid, gelu, gelu_approx (by tanh), mish,
        swish or silu, dish, hard_swish, hard_swish_mobilenet, hard_sigmoid, hard_tanh, relu_k (at most 6), or
        log_softmax, over the last axis.
    """
    if name not in ACTIVATIONS:
        raise ValueError(f"activation: name must be one of {', '.join(ACTIVATIONS)}; got {name!r}")
    return Model("activation", forward, attrs={"activation": name})


@keeps_width
def forward(model: Model[InT, InT], X: InT, is_train: bool) -> Tuple[InT, Callable]:
    ops, (run, slope) = model.ops, ACTIVATIONS[model.attrs["activation"]]

    def activate(array: Any) -> Tuple[Any, Callable]:
        checks.floats(model.name, "X", on_device(model, array))
        Y = run(ops, array)
        return Y, lambda dY: slope(ops, dY, array, Y)

    return map_arrays(model, X, activate)
