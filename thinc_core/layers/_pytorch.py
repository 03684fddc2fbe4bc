"""How batches become arguments of PyTorch modules, and what those return becomes arrays, with the ways back.

What a wrapped call costs beyond the bare module of three parts, the best of 6,000 calls on a busy machine on which that
module takes 23 us: predict 13 us in evaluation mode and 18 us in training mode, which is switched for its parts one by
one; begin_update with its callback, which take 74 us there, 22 us. (benchmarks/bench_frameworks.py)
"""

from typing import Any, Callable, Iterator, List, Tuple

from .. import compat
from .._frameworks import convert_recursive, is_torch_array, is_xp_array, torch2xp, xp2torch
from ..model import Model
from ..types import ArgsKwargs


def convert_pytorch_default_inputs(
    model: Model, X: Any, is_train: bool
) -> Tuple[ArgsKwargs, Callable[[ArgsKwargs], Any]]:
    """Arrays anywhere in X as tensors that share their memory; only those of floats take part in gradients.

    X: ArgsKwargs as they are, a dict of keyword arguments, a list or tuple of arguments, or the only argument.
    RETURNS: the arguments, and a function that makes their gradients a value of the kind of X (a tuple for a list),
        with zeros for what has no gradient.
    """
    shim: Any = model._shims[0]
    device = shim.device
    if is_xp_array(X):
        x = xp2torch(X, is_train and X.dtype.kind in "fc", device)
        return ArgsKwargs((x,), {}), lambda gradients: _arrays(model, gradients.args[0], X)

    def to_tensor(array: Any) -> Any:
        return xp2torch(array, is_train and array.dtype.kind in "fc", device)

    def back(gradients: ArgsKwargs) -> Any:
        return _back(model, gradients, X)

    converted = convert_recursive(is_xp_array, to_tensor, X)
    if isinstance(X, ArgsKwargs):
        return converted, back
    if isinstance(X, dict):
        return ArgsKwargs(args=(), kwargs=converted), back
    if isinstance(X, (list, tuple)):
        return ArgsKwargs(args=tuple(converted), kwargs={}), back
    return ArgsKwargs(args=(converted,), kwargs={}), back


def _back(model: Model, gradients: ArgsKwargs, X: Any) -> Any:
    """The gradients of arguments in the kind of X."""
    if isinstance(X, ArgsKwargs):
        args, kwargs = _arrays(model, gradients.args, tuple(X.args)), _arrays(model, gradients.kwargs, X.kwargs)
        return ArgsKwargs(args=args, kwargs=kwargs)
    if isinstance(X, dict):
        return _arrays(model, gradients.kwargs, X)
    if isinstance(X, (list, tuple)):
        return _arrays(model, gradients.args, tuple(X))
    return _arrays(model, gradients.args[0], X)


def _arrays(model: Model, gradients: Any, X: Any) -> Any:
    """Tensors as arrays; zeros, in the shape and dtype of the array in X, where there is None."""
    if is_xp_array(X):
        return model.ops.xp.zeros(X.shape, dtype=X.dtype) if gradients is None else torch2xp(gradients, ops=model.ops)
    if isinstance(X, dict) and isinstance(gradients, dict):
        return {key: _arrays(model, gradients[key], value) for key, value in X.items()}
    if isinstance(X, (list, tuple)) and isinstance(gradients, (list, tuple)):
        return type(X)([_arrays(model, *pair) for pair in zip(gradients, X)])
    return convert_recursive(is_torch_array, lambda tensor: torch2xp(tensor, ops=model.ops), gradients)


def convert_pytorch_default_outputs(
    model: Model, X_Ytorch: Tuple[Any, Any], is_train: bool
) -> Tuple[Any, Callable[[Any], ArgsKwargs]]:
    """Tensors anywhere in the outputs as arrays that share their memory.

    X_Ytorch: the batch, and what the module returned.
    RETURNS: the outputs, and a function that makes their gradients the arguments of torch.autograd.backward. dY has the
        structure of the outputs; None, or a key left out, stands for no gradient.
    """
    _, outputs = X_Ytorch
    if isinstance(outputs, compat.torch.Tensor):
        return torch2xp(outputs, ops=model.ops), lambda dY: _one_backward(model, outputs, dY)

    def back(dY: Any) -> ArgsKwargs:
        return _backward_arguments(model, list(_pairs(model, outputs, dY)))

    return convert_recursive(is_torch_array, lambda tensor: torch2xp(tensor, ops=model.ops), outputs), back


def _backward_arguments(model: Model, pairs: List[Tuple[Any, Any]]) -> ArgsKwargs:
    """Outputs and their gradients, where outputs depend on anything that has one."""
    rows = [(Y, _to_gradient(model, Y, dY)) for Y, dY in pairs if Y.requires_grad]
    gradients = tuple(gradient for _, gradient in rows)
    kwargs = {"grad_tensors": gradients[0] if len(gradients) == 1 else gradients}
    return ArgsKwargs(args=(tuple(Y for Y, _ in rows),), kwargs=kwargs)


def _one_backward(model: Model, Y: Any, dY: Any) -> ArgsKwargs:
    """_backward_arguments of the only output there is."""
    if not Y.requires_grad:
        return ArgsKwargs(((),), {"grad_tensors": ()})
    return ArgsKwargs(((Y,),), {"grad_tensors": _to_gradient(model, Y, dY)})


def _to_gradient(model: Model, Y: Any, dY: Any) -> Any:
    shape = getattr(dY, "shape", None)
    if shape != Y.shape:  # torch.Size is a tuple
        found = type(dY).__name__ if shape is None else tuple(shape)
        raise ValueError(f"{model.name}: dY must have the shape of the output {tuple(Y.shape)}; got {found}")
    return xp2torch(dY, device=Y.device)


def _pairs(model: Model, Y: Any, dY: Any) -> Iterator[Tuple[Any, Any]]:
    """Each output with its gradient, where there is one."""
    if dY is None:
        return
    if is_torch_array(Y):
        yield Y, dY
    elif isinstance(Y, dict):
        for key, value in Y.items():
            yield from _pairs(model, value, dY.get(key))
    elif isinstance(Y, (list, tuple)):
        if not isinstance(dY, (list, tuple)) or len(dY) != len(Y):
            found = len(dY) if isinstance(dY, (list, tuple)) else type(dY).__name__
            raise ValueError(f"{model.name}: dY must have a gradient or None for each of {len(Y)} outputs; got {found}")
        for pair in zip(Y, dY):
            yield from _pairs(model, *pair)
