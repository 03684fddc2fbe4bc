"""siamese: one layer for both members of a pair, and the similarity of what it makes of them."""

from typing import Any, Callable, Optional, Tuple, TypeVar

from ..config import registry
from ..model import Model
from ._checks import check_items
from ._gradients import backprop_each
from ._widths import hand_down, sample_width

LayerT = TypeVar("LayerT")
SimT = TypeVar("SimT")
OutT = TypeVar("OutT")


@registry.layers("siamese.v1")
def siamese(
    layer: Model[LayerT, SimT], similarity: Model[Tuple[SimT, SimT], OutT]
) -> Model[Tuple[LayerT, LayerT], OutT]:
    """Y = similarity((layer(X1), layer(X2))), for a pair X = (X1, X2).

    SOURCE: Bromley et al. 1993, Signature verification using a "Siamese" time delay neural network.
    """
    dims = {"nI": layer.maybe_get_dim("nI"), "nO": similarity.maybe_get_dim("nO")}
    name = f"siamese({layer.name}, {similarity.name})"
    return Model(name, forward, init=init, dims=dims, layers=[layer, similarity])


def forward(
    model: Model[Tuple[LayerT, LayerT], OutT], X: Tuple[LayerT, LayerT], is_train: bool
) -> Tuple[OutT, Callable]:
    layer, similarity = model._layers
    check_items(model, X, "a pair", count=2)
    first, second = X
    Y1, callback1 = layer(first, is_train)
    Y2, callback2 = layer(second, is_train)
    Y, callback = similarity((Y1, Y2), is_train)

    def backprop(dY: OutT) -> Tuple[LayerT, LayerT]:
        dY1, dY2 = backprop_each(model, [callback], [dY], [similarity])[0]
        dX1, dX2 = backprop_each(model, [callback1, callback2], [dY1, dY2], [layer, layer])
        return dX1, dX2

    return Y, backprop


def init(model: Model, X: Optional[Tuple[Any, Any]] = None, Y: Any = None) -> None:
    layer, similarity = model.layers
    width = None if X is None else sample_width(X[0]) or sample_width(X[1])
    if width is not None and layer.has_dim("nI") is not False:
        layer.set_dim("nI", width)
    hand_down(model, "nI", layer, "nI")
    hand_down(model, "nO", similarity, "nO")
    layer.initialize(X=None if X is None else X[0])
    hand_down(layer, "nO", similarity, "nI")
    pair = None if X is None else (layer.predict(X[0]), layer.predict(X[1]))
    similarity.initialize(X=pair, Y=Y)
    hand_down(layer, "nI", model, "nI")
    hand_down(similarity, "nO", model, "nO")
