"""How layers find out how wide they are, from sample data or from their neighbours."""

from typing import Any, Callable, Optional, TypeVar

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
