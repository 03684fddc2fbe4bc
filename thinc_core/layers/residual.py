"""residual: a layer with its input added to its output."""

from functools import partial
from typing import Callable, Optional, Tuple, TypeVar

from ..config import registry
from ..model import Model
from ._fusion import backprop_plus, run_plus
from ._gradients import backprop_child
from ._widths import width_of_child
from ._wrapper import init_child

InT = TypeVar("InT")


@registry.layers("residual.v1")
def residual(layer: Model[InT, InT]) -> Model[InT, InT]:
    """Y = X + layer(X), for an array, a list of arrays, Ragged or Padded.

    SOURCE: He et al. 2016, arXiv:1512.03385, equation 1.
    """
    dims = {dim: layer.maybe_get_dim(dim) for dim in ("nO", "nI")}
    return Model(f"residual({layer.name})", forward, init=init, dims=dims, layers=[layer])


@width_of_child
def forward(model: Model[InT, InT], X: InT, is_train: bool) -> Tuple[InT, Callable]:
    layer = model._layers[0]
    Y, backprop_layer = run_plus(layer, X, is_train, X)

    def backprop(dY: InT) -> InT:
        return backprop_child(model, partial(backprop_plus, layer, backprop_layer), dY, dY)

    return Y, backprop


def init(model: Model[InT, InT], X: Optional[InT] = None, Y: Optional[InT] = None) -> None:
    # The output has to be as wide as the input, so X tells the width of the output better than a final Y does.
    sample = Y if X is None else X
    init_child(model, X, sample if model.layers[0].has_dim("nO") is None else None)
