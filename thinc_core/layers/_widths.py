"""How layers find out how wide they are, from sample data or from their neighbours."""

from typing import Any, Callable, Optional, TypeVar

from ..model import Model
from ..util import get_width

ForwardT = TypeVar("ForwardT", bound=Callable[..., Any])


def sample_width(sample: Any) -> Optional[int]:
    """Width of sample data, or None when there are none or they are empty and tell nothing."""
    return None if sample is None else get_width(sample) or None


def as_wide(X: Any, W: Any) -> Any:
    """X; but if it is a batch without rows that does not know how wide they would be, as wide as the weights expect."""
    return X if X.shape[-1] else X.reshape((*X.shape[:-1], W.shape[-1]))


def hand_down(source: Model, source_dim: str, target: Model, target_dim: str) -> None:
    """Set the dim of the target if it is still unset and the source knows its own."""
    if source.has_dim(source_dim) and target.has_dim(target_dim) is None:
        target.set_dim(target_dim, source.get_dim(source_dim))


def keeps_width(forward: ForwardT) -> ForwardT:
    """Mark the forward function of a layer without dims whose output is as wide as its input."""
    forward.output_width = lambda model, width: width  # type: ignore[attr-defined]
    return forward


def output_width(layer: Model, width: Optional[int]) -> Optional[int]:
    """Width of what the layer returns for an input of that width, as far as it is known without running it."""
    rule = getattr(layer._func, "output_width", None)
    if layer.has_dim("nO") is not False or rule is None or width is None:
        return layer.maybe_get_dim("nO")
    return rule(layer, width)
