"""How the layers of a chain are initialised: each on what the one before gives, none more than once."""

from typing import Any, Optional

from ..errors import add_node_to_error
from ..model import Model
from ._widths import hand_down, output_width, sample_width


def init_in_turn(model: Model, X: Any, Y: Any) -> Any:
    """Initialise the layers in order, each on the prediction of the one before. RETURNS: the last one, if X is given.

    Chains inside take part in this, so that no layer runs more often than once for all levels together.
    """
    layers = model.layers
    if layers:
        hand_down(model, "nI", layers[0], "nI")
        hand_down(model, "nO", layers[-1], "nO")
    width = model.maybe_get_dim("nI")
    for layer in layers:
        if X is None and width is not None and layer.has_dim("nI") is None:
            layer.set_dim("nI", width)
        # A width that nothing else tells is taken from the final output, which is right for the last layer only.
        layer_Y = Y if layer.has_dim("nO") is None else None
        if layer._func is model._func and layer.init is model.init:
            try:
                X = init_in_turn(layer, X, layer_Y)
            except Exception as error:
                add_node_to_error(error, layer)
                raise
        else:
            layer.initialize(X=X, Y=layer_Y)
            X = None if X is None else layer.predict(X)
        width = output_width(layer, width) if X is None else _width(X)
    if layers:
        hand_down(layers[0], "nI", model, "nI")
        hand_down(layers[-1], "nO", model, "nO")
    if model.has_dim("nO") is None:
        model.set_dim("nO", width)
    return X


def _width(X: Any) -> Optional[int]:
    try:
        return sample_width(X)
    except ValueError:
        return None
