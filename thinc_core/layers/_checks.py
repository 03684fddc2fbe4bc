"""What layers check of a batch or of a gradient, where no op does it for them."""

from typing import Any, List, Optional, Tuple

from ..backends import checks
from ..errors import KindError, ShapeError
from ..model import Model
from ..util import get_width


def check_items(model: Model, X: Any, what: str, name: str = "X", count: Optional[int] = None) -> None:
    """RAISES: KindError unless X is a list or tuple, of so many items; what: the words for what it must be."""
    if not isinstance(X, (list, tuple)):
        raise KindError(f"{model.name}: {name} must be {what}; got {type(X).__name__}")
    if count is not None and len(X) != count:
        raise KindError(f"{model.name}: {name} must be {what}; got a {type(X).__name__} of {len(X)}")


def check_array(model: Model, X: Any) -> None:
    """RAISES: KindError unless X is an array."""
    if not hasattr(X, "shape"):
        raise KindError(f"{model.name}: X must be an array; got {type(X).__name__}")


def on_device(model: Model, X: Any) -> Any:
    """X, for layers that begin with plain array code; ops see to it by themselves.

    RAISES: TypeError for an array of another library or GPU than the model's.
    """
    checks.array(model.name, "X", X, model.ops.xp)
    return X


def as_wide(X: Any, W: Any) -> Any:
    """X; but if it is a batch without rows that does not know how wide they would be, as wide as the weights expect."""
    try:
        return X if X.shape[-1] else X.reshape((*X.shape[:-1], W.shape[-1]))
    except (AttributeError, IndexError):
        return X  # not an array of rows at all: the op that takes it says so


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


def check_gradient(layer: str, dY: Any, Y: Any) -> None:
    """RAISES: ValueError when an incoming gradient differs from the output in shape or dtype."""
    if dY.shape != Y.shape:
        raise ValueError(f"{layer}: dY must have the shape of the output {Y.shape}; got {dY.shape}")
    if dY.dtype != Y.dtype:
        raise ValueError(f"{layer}: dY must have the dtype of the output {Y.dtype}; got {dY.dtype}")


def check_shape(model: Model, dY: Any, shape: Tuple[int, ...]) -> None:
    """RAISES: ValueError when an incoming gradient has another shape than the output, unless both have no elements."""
    if dY.shape != shape and (dY.size or 0 not in shape):
        raise ValueError(f"{model.name}: dY must have the shape of the output {tuple(shape)}; got {tuple(dY.shape)}")


def check_lengths(model: Model, dYs: Any, lengths: List[int]) -> None:
    """RAISES: ValueError when the arrays of a list have other lengths than those of the output."""
    found = [dY.shape[0] for dY in dYs]
    if found != lengths:
        raise ValueError(f"{model.name}: dY must be arrays of the lengths {lengths}, as the output is; got {found}")


def check_width(model: Model, dY: Any, width: int) -> None:
    """RAISES: ValueError when a gradient that has rows is not as wide as the output."""
    found = get_width(dY)
    if found != width and _has_rows(dY):
        raise ValueError(f"{model.name}: dY must have width {width}, as the output has; got {found}")


def _has_rows(X: Any) -> bool:
    data = X if hasattr(X, "shape") or isinstance(X, (list, tuple)) else X.data
    return any(len(item) for item in data) if isinstance(data, (list, tuple)) else bool(data.size)


def look_up(table: Any, ids: Any) -> Any:
    """The rows of a table, negative ids counted from its end. RAISES: IndexError for ids that are none."""
    try:
        return table[ids]
    except IndexError:
        least, most, n = ids.min(initial=0), ids.max(initial=0), len(table)
        raise IndexError(f"embed: ids must be integers in [-{n}, {n}); got {ids.dtype}, {least} to {most}") from None
