"""How layers find out how wide they are, from sample data or from their neighbours."""

from typing import Any, Callable, Optional, TypeVar

from ..backends import checks
from ..errors import ShapeError, add_node_to_error
from ..model import Model
from ..util import get_width

ForwardT = TypeVar("ForwardT", bound=Callable[..., Any])


def sample_width(sample: Any) -> Optional[int]:
    """Width of sample data, or None when there are none or they are empty and tell nothing."""
    return None if sample is None else get_width(sample) or None


def set_from_samples(model: Model, X: Any, Y: Any) -> None:
    """Set nI to the width of X and nO to that of Y, where they tell one."""
    for dim, sample in (("nI", X), ("nO", Y)):
        width = sample_width(sample)
        if width is not None:
            model.set_dim(dim, width)


def set_one_width(model: Model, X: Any, Y: Any) -> int:
    """Set the dims nI and nO of a layer that keeps its width, from whatever tells one of them. RETURNS: the width."""
    width = sample_width(X) or sample_width(Y) or model.maybe_get_dim("nO") or model.get_dim("nI")
    model.set_dim("nI", width)
    model.set_dim("nO", width)
    return width


def as_wide(X: Any, W: Any) -> Any:
    """X; but if it is a batch without rows that does not know how wide they would be, as wide as the weights expect."""
    try:
        return X if X.shape[-1] else X.reshape((*X.shape[:-1], W.shape[-1]))
    except (AttributeError, IndexError):
        return X  # not an array of rows at all: the op that takes it says so


def on_device(model: Model, X: Any) -> Any:
    """X, for layers that begin with plain array code; ops see to it by themselves.

    RAISES: TypeError for an array of another library or GPU than the model's.
    """
    checks.array(model.name, "X", X, model.ops.xp)
    return X


def float_rows(model: Model, X: Any, W: Any) -> Any:
    """as_wide, for a layer whose array code would take anything.

    RAISES: TypeError unless X is an array of floats on the device of the ops; ValueError unless it is (B, width of W).
    """
    checks.floats(model.name, "X", on_device(model, X))
    checks.ndim(model.name, "X", X, 2)
    X = as_wide(X, W)
    if X.shape[1] != W.shape[-1]:
        raise ShapeError(f"{model.name}: X must have width {W.shape[-1]}; got {X.shape}")
    return X


def hand_down(source: Model, source_dim: str, target: Model, target_dim: str) -> None:
    """Set the dim of the target if it is still unset and the source knows its own."""
    if source.has_dim(source_dim) and target.has_dim(target_dim) is None:
        target.set_dim(target_dim, source.get_dim(source_dim))


def keeps_width(forward: ForwardT) -> ForwardT:
    """Mark the forward function of a layer without dims whose output is as wide as its input."""
    forward.output_width = lambda model, width: width  # type: ignore[attr-defined]
    return forward


def width_of_child(forward: ForwardT) -> ForwardT:
    """Mark the forward function of a layer whose output is as wide as that of its only child."""
    forward.output_width = lambda model, width: output_width(model.layers[0], width)  # type: ignore[attr-defined]
    return forward


def width_of_any(forward: ForwardT) -> ForwardT:
    """Mark the forward function of a layer whose output is as wide as that of each child."""
    forward.output_width = _any_width  # type: ignore[attr-defined]
    return forward


def width_of_all(forward: ForwardT) -> ForwardT:
    """Mark the forward function of a layer whose output has the columns of all children."""
    forward.output_width = _total_width  # type: ignore[attr-defined]
    return forward


def _any_width(model: Model, width: Optional[int]) -> Optional[int]:
    return next((found for found in (output_width(layer, width) for layer in model.layers) if found), None)


def _total_width(model: Model, width: Optional[int]) -> Optional[int]:
    widths = [output_width(layer, width) for layer in model.layers]
    return None if None in widths else sum(widths)  # type: ignore[arg-type]


def output_width(layer: Model, width: Optional[int]) -> Optional[int]:
    """Width of what the layer returns for an input of that width, as far as it is known without running it."""
    rule = getattr(layer._func, "output_width", None)
    return layer.maybe_get_dim("nO") if rule is None else rule(layer, width)


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
