"""What layers share in their backward pass: where gradients of parameters go, callbacks of children, masks."""

from functools import partial
from typing import Any, Callable, List, Optional, Sequence, Tuple

from .._marks import backprop_without_dX
from ..errors import add_node_to_error
from ..model import Model
from ..types import Floats1d, Floats2d
from ._checks import check_shape


def accumulate(model: Model, op: Callable, args: Tuple[Any, ...], *names: str) -> Any:
    """Run op(*args, *buffers), which adds to one gradient buffer per parameter name. RETURNS: what the op returns.

    The buffers are the live gradients of the node, except under a proxy, which has to be told every gradient.
    """
    buffers = [_buffer(model, name) for name in names]
    result = op(*args, *buffers)
    for name, buffer in zip(names, buffers):
        _tell_proxy(model, name, buffer)
    return result


def accumulate_marked(model: Model, op: Callable, args: Tuple[Any, ...], *names: str) -> Any:
    """accumulate, with marks of the first buffer as the op's `touched`: the optimizer then looks nowhere else."""
    if model.has_grad_proxy:
        return accumulate(model, op, args, *names)
    buffer, touched = model.marked_grad_buffer(names[0])
    return op(*args, buffer, *map(model.grad_buffer, names[1:]), touched=touched)


def accumulate_in(owners: Sequence[Tuple[Model, str]], op: Callable, args: Tuple[Any, ...], *more: Any) -> Any:
    """Run op(*args, *buffers, *more) like accumulate, for parameters of several nodes: (node, name) of each buffer."""
    buffers = [_buffer(model, name) for model, name in owners]
    result = op(*args, *buffers, *more)
    for (model, name), buffer in zip(owners, buffers):
        _tell_proxy(model, name, buffer)
    return result


def accumulate_each(models: Sequence[Model], op: Callable, args: Tuple[Any, ...], name: str) -> None:
    """Run op(*args, buffers, touched=...), which adds to a list of gradient buffers, those of one parameter of each
    node, and marks where."""
    pairs = [(_buffer(m, name), None) if m.has_grad_proxy else m.marked_grad_buffer(name) for m in models]
    buffers, touched = zip(*pairs)
    op(*args, buffers, touched=None if all(marks is None for marks in touched) else touched)
    for model, buffer in zip(models, buffers):
        _tell_proxy(model, name, buffer)


def backprop_dense(
    model: Model, dZ: Floats2d, X: Floats2d, W: Any, needs_dX: bool, W_name: str = "W", b_name: str = "b"
) -> Any:
    """The backward pass of X @ W.T + b: dX if it is needed, else None; the gradients of W and b are added."""
    ops: Any = model.ops
    if needs_dX:
        return accumulate(model, ops.backprop_affine, (dZ, X, W), W_name, b_name)
    check_shape(model, dZ, (X.shape[0], W.shape[0]))
    accumulate(model, partial(add_products, ops), (dZ, X), W_name, b_name)
    return None


def add_products(ops: Any, dZ: Any, X: Any, dW: Any, db: Any) -> None:
    """Add what a dense layer's weights, of any shape, get from dZ: (B, all outputs)."""
    ops.gemm(dZ, X, out=dW.reshape(dZ.shape[1], X.shape[1]), trans1=True, accumulate=True)
    db += dZ.sum(axis=0).reshape(db.shape)


def _buffer(model: Model, name: str) -> Any:
    if not model.has_grad_proxy:
        return model.grad_buffer(name)
    param = model.get_param(name)
    return model.ops.alloc(param.shape, dtype=param.dtype)


def _tell_proxy(model: Model, name: str, buffer: Any) -> None:
    if model.has_grad_proxy:
        model.inc_grad(name, buffer)


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


def backprop_child_without_dX(model: Model, callback: Callable, dY: Any) -> None:
    """backprop_child for a gradient that nobody asks for."""
    backprop_child(model, partial(backprop_without_dX, model._layers[0], callback), dY)


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
