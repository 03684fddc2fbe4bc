"""chain: layers one after the other."""

from typing import Any, Optional, TypeVar

from .._marks import skips_dX
from ..config import registry
from ..model import Model
from ._fusion import adds, adds_to_gradient, part
from ._in_turn import init_in_turn
from ._normalized_maxout import normalized
from ._steps import begins_steps, run_steps, run_steps_plus

InT = TypeVar("InT")
MidT = TypeVar("MidT")
OutT = TypeVar("OutT")


@registry.layers("chain.v1")
def chain_no_types(*layer: Model) -> Model:
    """chain for configs, where the layers come as a list of any length."""
    return chain(*layer)


def chain(layer1: Model[InT, Any], layer2: Model[Any, Any], *layers: Model[Any, Any]) -> Model[InT, Any]:
    """Y = ...(layer2(layer1(X))). Predicting keeps no more activations than one layer needs."""
    children = [layer1, layer2, *layers]
    dims = {"nO": children[-1].maybe_get_dim("nO")}
    if layer1.has_dim("nI") is not False:
        dims["nI"] = layer1.maybe_get_dim("nI")
    return Model(">>".join(child.name for child in children), forward, init=init, dims=dims, layers=children)


forward = part("chain")(adds_to_gradient(skips_dX(run_steps)))
forward.__module__, forward.__qualname__ = __name__, "forward"  # what errors, pickle and to_onnx know the layer by
adds(forward, run_steps_plus)
begins_steps(forward, normalized)


def init(model: Model[InT, OutT], X: Optional[InT] = None, Y: Optional[OutT] = None) -> None:
    init_in_turn(model, X, Y)
