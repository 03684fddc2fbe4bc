"""What layers share in their backward pass: where gradients of parameters go, checks, masks, the identity."""

from typing import Any, Callable, List, Optional, Sequence, Tuple

from ..errors import KindError, add_node_to_error
from ..model import Model
from ..types import Floats1d, Floats2d
from ..util import get_width


def accumulate(model: Model, op: Callable, args: Tuple[Any, ...], *names: str) -> Any:
    """Run op(*args, *buffers), which adds to one gradient buffer per parameter name. RETURNS: what the op returns.

    The buffers are the live gradients of the node, except under a proxy, which has to be told every gradient.
    """
    buffers = [_buffer(model, name) for name in names]
    result = op(*args, *buffers)
    for name, buffer in zip(names, buffers):
        _tell_proxy(model, name, buffer)
    return result


def accumulate_in(owners: Sequence[Tuple[Model, str]], op: Callable, args: Tuple[Any, ...], *more: Any) -> Any:
    """Run op(*args, *buffers, *more) like accumulate, for parameters of several nodes: (node, name) of each buffer."""
    buffers = [_buffer(model, name) for model, name in owners]
    result = op(*args, *buffers, *more)
    for (model, name), buffer in zip(owners, buffers):
        _tell_proxy(model, name, buffer)
    return result


def accumulate_each(models: Sequence[Model], op: Callable, args: Tuple[Any, ...], name: str) -> None:
    """Run op(*args, buffers), which adds to a list of gradient buffers, those of one parameter of each node."""
    buffers = [_buffer(model, name) for model in models]
    op(*args, buffers)
    for model, buffer in zip(models, buffers):
        _tell_proxy(model, name, buffer)


def _buffer(model: Model, name: str) -> Any:
    if not model.has_grad_proxy:
        return model.grad_buffer(name)
    param = model.get_param(name)
    return model.ops.alloc(param.shape, dtype=param.dtype)


def _tell_proxy(model: Model, name: str, buffer: Any) -> None:
    if model.has_grad_proxy:
        model.inc_grad(name, buffer)


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


def backprop_each(
    model: Model, callbacks: Sequence[Callable], dYs: Sequence[Any], layers: Optional[Sequence[Model]] = None
) -> List[Any]:
    """[callback(dY), ...] of the layers of a node, those named in `layers` if not all of them in their order.

    RAISES: what a callback raises, with the path of its layer; ValueError unless there is one gradient per callback.
    """
    dXs: List[Any] = []
    try:
        if len(dYs) != len(callbacks):
            raise ValueError(f"{model.name}: dY must have {len(callbacks)} items, as the output has; got {len(dYs)}")
        for callback, dY in zip(callbacks, dYs):
            dXs.append(callback(dY))
    except Exception as error:
        layers = model._layers if layers is None else layers
        if len(dXs) < len(layers) and len(dYs) == len(callbacks):
            add_node_to_error(error, layers[len(dXs)])
        add_node_to_error(error, model)
        raise
    return dXs


def backprop_child(model: Model, callback: Callable, *dY: Any) -> Any:
    """callback(*dY), that of the only layer of a node. RAISES: what it raises, with the path of the layer."""
    try:
        return callback(*dY)
    except Exception as error:
        for node in (*model._layers[:1], model):
            add_node_to_error(error, node)
        raise


def identity(dY: Any) -> Any:
    """The backprop of a layer that returns its input."""
    return dY


def drop_columns(model: Model, Y: Floats2d, is_train: bool) -> Tuple[Floats2d, Optional[Floats1d]]:
    """Dropout of whole columns, in place on Y; without dropout there is no mask."""
    mask: Any
    rate = model.attrs.get("dropout_rate") if is_train else None
    if not rate:
        return Y, None
    mask = model.ops.get_dropout_mask((Y.shape[-1],), rate)
    Y *= mask
    return Y, mask
