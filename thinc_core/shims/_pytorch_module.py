"""The torch.nn.Module around a model, and the autograd function that it is run by. Importing this imports PyTorch."""

from typing import Any, Callable, Dict, Iterator, List, Tuple

import torch

from .._frameworks import is_xp_array, torch2xp, xp2torch
from .._model_tree import node_path
from ..model import Model
from ..types import Padded, Ragged

LAYERS = f"{__package__.rpartition('.')[0]}.layers"
WANTS_LOGITS = {(f"{LAYERS}.softmax", "forward"), (f"{LAYERS}.multisoftmax", "forward")}


class PyTorchModule(torch.nn.Module):
    """See as_pytorch_module."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model
        self.nodes, self.shims = torch.nn.ModuleDict(), torch.nn.ModuleList()
        self._shared: Dict[Tuple[int, str], Tuple[Any, int]] = {}  # array and address, as they were last seen
        for index, node in enumerate(model.walk()):
            _check_node(model, node)
            if node.param_names:
                self.nodes[str(index)] = holder = torch.nn.Module()
                for name in node.param_names:
                    tensor = _tensor(node.get_param(name))
                    parameter = torch.nn.Parameter(tensor, requires_grad=tensor.is_floating_point())
                    holder.register_parameter(name, parameter)
                    self._shared[index, name] = (node.get_param(name), parameter.data_ptr())
            self.shims.extend(shim._model for shim in node.shims if isinstance(shim._model, torch.nn.Module))

    def forward(self, X: Any) -> Any:
        self._share()
        shape: List[Any] = []
        tensors = list(_leaves(torch.is_tensor, X))
        outputs = _Run.apply(self, X, shape, *tensors, *self.nodes.parameters())
        return _replaced(is_xp_array, shape[0], iter(outputs))

    def extra_repr(self) -> str:
        return repr(self.model.name)

    def _apply(self, fn: Callable[[Any], Any], *args: Any, **kwargs: Any) -> "PyTorchModule":
        """What to(), cuda() and double() do to every tensor. The model follows to the device."""
        super()._apply(fn, *args, **kwargs)
        device = next((parameter.device for parameter in self.nodes.parameters()), None)
        current = "cpu" if device is None or device.type == "cpu" else "gpu"
        if device is not None and self.model.ops.device_type != current:
            if current == "gpu":
                self.model.to_gpu(device.index or 0)
            else:
                self.model.to_cpu()
        self._share(take_tensors=True)
        return self

    def _share(self, take_tensors: bool = False) -> None:
        """Make parameters and arrays share their memory again, where one of them was replaced since the last time.

        The one that was replaced has the new value; take_tensors: the tensor has it.
        """
        nodes = list(self.model.walk())
        for (index, name), (array, address) in list(self._shared.items()):
            node, parameter = nodes[index], self.nodes[str(index)].get_parameter(name)
            current = node.get_param(name)
            if current is array and parameter.data_ptr() == address and not take_tensors:
                continue
            if current is not array and not take_tensors:
                parameter.data = _tensor(current)
            else:
                node.set_param(name, torch2xp(parameter, ops=node.ops))
            self._shared[index, name] = (node.get_param(name), parameter.data_ptr())

    def gradients(self) -> List[Any]:
        """Take the gradients of all parameters out of the model, in the order of the parameters; None where none is."""
        nodes, found = list(self.model.walk()), []
        for index, name in self._shared:
            node = nodes[index]
            found.append(node._params._grads.pop((node.id, name), None))
        return found

    def put_back(self, gradients: List[Any]) -> None:
        """The opposite of gradients()."""
        nodes = list(self.model.walk())
        for (index, name), gradient in zip(self._shared, gradients):
            if gradient is not None:
                nodes[index].set_grad(name, gradient)


class _Run(torch.autograd.Function):
    """begin_update and its callback as a node of PyTorch's graph."""

    @staticmethod
    def forward(ctx: Any, module: PyTorchModule, X: Any, shape: List[Any], *tensors: Any) -> Any:
        ops = module.model.ops
        arrays = _replaced(torch.is_tensor, X, iter(torch2xp(tensor, ops=ops) for tensor in tensors))
        Y, ctx.backprop = module.model(arrays, module.training)
        outputs = tuple(_tensor(array) for array in _leaves(is_xp_array, Y))
        ctx.module, ctx.Y, ctx.n_inputs = module, Y, len(list(_leaves(torch.is_tensor, X)))
        # The callback knows the arrays. PyTorch looks whether anyone wrote into them before it is called.
        ctx.save_for_backward(*tensors, *outputs)
        shape.append(Y)
        return outputs

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, *dY: Any) -> Any:
        n_inputs, module, _ = ctx.n_inputs, ctx.module, ctx.saved_tensors
        dY_arrays = iter(torch2xp(each, ops=module.model.ops) for each in dY)
        others = module.gradients()
        try:
            dX = ctx.backprop(_replaced(is_xp_array, ctx.Y, dY_arrays))
        finally:
            own = module.gradients()
            module.put_back(others)
        found = list(_leaves(is_xp_array, dX))
        found = found if len(found) == n_inputs else [None] * n_inputs  # layers without a gradient return nothing
        inputs = zip(ctx.saved_tensors[:n_inputs], found)
        dX_tensors = [_tensor(dx) if dx is not None and x.is_floating_point() else None for x, dx in inputs]
        return (None, None, None, *dX_tensors, *(None if dW is None else _tensor(dW) for dW in own))


def _tensor(array: Any) -> Any:
    """A tensor over the memory of an array, where that is."""
    device = None if hasattr(array, "__array_interface__") else f"cuda:{array.data.device_id}"
    return xp2torch(array, device=device or torch.device("cpu"))


def _leaves(is_leaf: Callable[[Any], bool], value: Any) -> Iterator[Any]:
    """Tensors or arrays inside lists, tuples, dicts, Ragged and Padded, in order."""
    if is_leaf(value):
        yield value
    elif isinstance(value, (Ragged, Padded)):
        yield from _leaves(is_leaf, value.data)
    elif isinstance(value, (list, tuple, dict)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _leaves(is_leaf, each)


def _replaced(is_leaf: Callable[[Any], bool], value: Any, new: Iterator[Any]) -> Any:
    """The same structure around other leaves."""
    if is_leaf(value):
        return next(new)
    if isinstance(value, Ragged):
        data = _replaced(is_leaf, value.data, new)
        return Ragged(data.reshape((len(data), *value.data_shape[1:])), value.lengths)
    if isinstance(value, Padded):
        return Padded(_replaced(is_leaf, value.data, new), value.size_at_t, value.lengths, value.indices)
    if isinstance(value, dict):
        return {key: _replaced(is_leaf, each, new) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)([_replaced(is_leaf, each, new) for each in value])
    return value


def _check_node(model: Model, node: Model) -> None:
    missing = [name for name in node.param_names if not node.has_param(name)]
    if missing:
        what = f"got none for {missing[0]!r} of {node_path(model, node)} (call model.initialize() first)"
        raise ValueError(f"as_pytorch_module: every parameter must be set; {what}")
    function = node._func
    if (getattr(function, "__module__", ""), getattr(function, "__name__", "")) in WANTS_LOGITS:
        what = f"got the softmax layer {node_path(model, node)}, whose gradient is that of its logits"
        hint = "Linear and softmax_activation, or Linear and a loss on logits"
        raise ValueError(f"as_pytorch_module: the gradient must be that of the output; {what} (use {hint})")
