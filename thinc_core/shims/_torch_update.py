"""Parameters of PyTorch modules as arrays that share their memory: steps of an optimizer, swaps."""

import contextlib
from typing import Any, Callable, Dict, Iterable, Iterator, List, Tuple

from .._frameworks import is_torch_array, torch2xp, xp2torch
from .._updates import updates_together
from ..errors import add_note

KeyT = Tuple[int, str]


def update_parameters(owner: int, parameters: Iterable[Tuple[str, Any]], optimizer: Callable[..., Any]) -> None:
    """One step for (name, tensor with .grad) pairs, under keys (owner, name); their gradients are zero then."""
    rows = [((owner, name), parameter, *_arrays(parameter)) for name, parameter in parameters]
    if updates_together(optimizer):
        optimizer.apply_gradients((key, weights, gradient) for key, _, weights, gradient in rows)  # type: ignore[attr-defined]
        results = [weights for _, _, weights, _ in rows]
    else:
        results = [_updated(optimizer, *row) for row in rows]
    for (_, parameter, weights, gradient), result in zip(rows, results):
        if result is not weights or weights.dtype.itemsize != parameter.element_size():
            _write(parameter, result)
        if gradient.dtype.itemsize != parameter.element_size() or not updates_together(optimizer):
            parameter.grad.zero_()


def _updated(optimizer: Callable[..., Any], key: KeyT, parameter: Any, weights: Any, gradient: Any) -> Any:
    try:
        return optimizer(key, weights, gradient)[0]
    except Exception as error:
        add_note(error, f"in parameter {key[1]!r} of a PyTorch module")
        raise


def _arrays(parameter: Any) -> Tuple[Any, Any]:
    """Parameter and gradient as arrays over their memory: of rank 1 at least; float32 copies of bfloat16."""
    if parameter.grad.is_sparse:
        parameter.grad = parameter.grad.to_dense()
    return _array(parameter), _array(parameter.grad)


def _array(tensor: Any) -> Any:
    tensor = tensor.detach()
    return torch2xp(tensor if tensor.dim() else tensor.reshape(1))


def _write(parameter: Any, array: Any) -> None:
    new = xp2torch(array, device=parameter.device)
    parameter.detach().copy_(new.reshape(parameter.shape))


@contextlib.contextmanager
def swapped(owner: int, module: Any, params: Dict[Any, Any]) -> Iterator[None]:
    """Within the block, parameters and buffers of a module are those found under (owner, name)."""
    new: List[Tuple[Any, Any]] = []
    for name, tensor in [] if module is None or not params else _tensors(module):
        value = params.get((owner, name), params.get(f"pytorch_{owner}_{name}"))
        if value is not None:
            new.append((tensor, _fitting(tensor, name, value)))
    before = [(tensor, tensor.data) for tensor, _ in new]
    try:
        for tensor, value in new:
            tensor.data = value
        yield
    finally:
        for tensor, value in before:
            tensor.data = value


def _tensors(module: Any) -> Iterator[Tuple[str, Any]]:
    yield from module.named_parameters()
    yield from module.named_buffers()


def _fitting(tensor: Any, name: str, value: Any) -> Any:
    """The array or tensor as a value of this tensor."""
    if not is_torch_array(value):
        value = xp2torch(value, device=tensor.device)
    if value.shape != tensor.shape and value.shape != (tensor.numel(),):
        shapes = f"{tuple(tensor.shape)}; got {tuple(value.shape)}"
        raise ValueError(f"use_params: parameter {name!r} must have shape {shapes}")
    return value.detach().to(device=tensor.device, dtype=tensor.dtype).reshape(tensor.shape)
