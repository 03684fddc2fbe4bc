"""PyTorchShim: a PyTorch module as a part of a model."""

import contextlib
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from .. import compat
from .._frameworks import (
    assert_pytorch_installed,
    convert_recursive,
    get_torch_default_device,
    is_torch_array,
    iterate_recursive,
)
from ..backends import context_pools, get_current_ops, use_pytorch_for_gpu_memory
from ..errors import ModelLoadError
from ..types import ArgsKwargs
from ._torch_backward import backward
from ._torch_modes import EvalMode
from ._torch_state import (
    default_deserialize_torch_model,
    default_serialize_torch_model,
    deserialize_torch_safetensors,
    serialize_torch_safetensors,
)
from ._torch_update import swapped, update_parameters
from .pytorch_grad_scaler import PyTorchGradScaler
from .shim import Shim

__all__ = [
    "PyTorchShim",
    "default_deserialize_torch_model",
    "default_serialize_torch_model",
    "deserialize_torch_safetensors",
    "serialize_torch_safetensors",
]

Serializer = Callable[[Any], bytes]
Deserializer = Callable[[Any, bytes, Any], Any]


class PyTorchShim(Shim):
    """A torch.nn.Module and what runs, updates, saves and moves it.

    model: the module; it is moved to the device.  config: kept in `cfg`, and saved.
    mixed_precision: run forwards with torch.autocast, in the type of the device (float16 on CUDA, bfloat16 on a CPU);
        what comes out in 16 bits is made float32 again.
    grad_scaler: for the gradients inside of it; None: one that works when mixed_precision is on and the device is CUDA.
    device: None means the device of the current ops.
    serialize_model, deserialize_model: model -> bytes, and (model, bytes, device) -> model, in the place of a state
        dict written by torch.save and read with weights_only, so that no code of a file is run.
    On the first one for a GPU, CuPy gets its memory from PyTorch: neither library can use what the other keeps.
    """

    def __init__(
        self,
        model: Any,
        config: Optional[Dict[str, Any]] = None,
        optimizer: Any = None,
        mixed_precision: bool = False,
        grad_scaler: Optional[PyTorchGradScaler] = None,
        device: Any = None,
        serialize_model: Optional[Serializer] = None,
        deserialize_model: Optional[Deserializer] = None,
    ) -> None:
        assert_pytorch_installed()
        super().__init__(model, config, optimizer)
        device = get_torch_default_device() if device is None else compat.torch.device(device)
        if model is not None:
            model.to(device)
        if grad_scaler is None:
            grad_scaler = PyTorchGradScaler(mixed_precision and device.type == "cuda")
        grad_scaler.to_(device)
        self._grad_scaler = grad_scaler
        self._mixed_precision = mixed_precision
        self._serialize_model = serialize_model or default_serialize_torch_model
        self._deserialize_model = deserialize_model or default_deserialize_torch_model
        self._eval_mode = EvalMode()
        if get_current_ops().name == "cupy" and "pytorch" not in context_pools.get():
            use_pytorch_for_gpu_memory()

    @property
    def device(self) -> Any:
        """Where the module is: the device of its first parameter; of the current ops when it has none."""
        found = None if self._model is None else _first_parameter(self._model)
        return get_torch_default_device() if found is None else found.device

    # Running.

    def __call__(self, inputs: ArgsKwargs, is_train: bool) -> Tuple[Any, Callable[..., Any]]:
        if is_train:
            return self.begin_update(inputs)
        return self.predict(inputs), _no_backprop

    def predict(self, inputs: ArgsKwargs) -> Any:
        """Run in evaluation mode, without gradients. All parts of the module keep the mode that they were in."""
        self._eval_mode.begin(self._model)
        try:
            with compat.torch.no_grad():
                return self._run(inputs) if self._mixed_precision else self._model(*inputs.args, **inputs.kwargs)
        finally:
            self._eval_mode.end()

    def begin_update(self, inputs: ArgsKwargs) -> Tuple[Any, Callable[[ArgsKwargs], Any]]:
        """Run for training. A module in evaluation mode is put into training mode; when it is in training mode
        already, its parts stay in the modes they have, so frozen ones stay frozen.

        RETURNS: what the module returned, and backprop(the arguments of torch.autograd.backward) -> inputs with each
        tensor replaced by its gradient, None where it has none. Gradients of parameters add up in the module.
        """
        if not compat.torch.is_grad_enabled():  # which is meant for the code around this model
            with compat.torch.enable_grad():
                return self.begin_update(inputs)
        if not self._model.training:
            self._model.train()
        outputs = self._run(inputs) if self._mixed_precision else self._model(*inputs.args, **inputs.kwargs)
        called: List[bool] = []

        def backprop(grads: ArgsKwargs) -> Any:
            if called and not grads.kwargs.get("retain_graph"):
                raise RuntimeError(
                    "pytorch: backprop must be called once after each begin_update, as PyTorch frees what it has kept "
                    "for it; got a second call"
                )
            called.append(True)
            return self._backprop(inputs, grads)

        return outputs, backprop

    def _run(self, inputs: ArgsKwargs) -> Any:
        """Run in mixed precision."""
        torch = compat.torch
        with torch.autocast(self.device.type):
            outputs = self._model(*inputs.args, **inputs.kwargs)
        narrow = (torch.float16, torch.bfloat16)
        return convert_recursive(lambda obj: is_torch_array(obj) and obj.dtype in narrow, lambda Y: Y.float(), outputs)

    def _backprop(self, inputs: ArgsKwargs, grads: ArgsKwargs) -> Any:
        scaler, args, kwargs = self._grad_scaler, grads.args, grads.kwargs
        scales = scaler.enabled
        if scales and kwargs.get("grad_tensors") is not None:
            kwargs = {**kwargs, "grad_tensors": scaler.scale(kwargs["grad_tensors"])}
        if not args or args[0] != ():
            backward(*args, **kwargs)
        if scales:
            self._unscale(iterate_recursive(is_torch_array, inputs))
        args = inputs.args
        if len(args) == 1 and not inputs.kwargs and isinstance(args[0], compat.torch.Tensor):
            return ArgsKwargs((_taken_gradient(args[0]),), {})
        return convert_recursive(is_torch_array, _taken_gradient, inputs)

    def _unscale(self, inputs: Iterator[Any]) -> None:
        """Gradients of the inputs as they would be without scale; zeros when one of them is not finite."""
        gradients = [tensor.grad for tensor in inputs if tensor.grad is not None]
        self._grad_scaler.unscale_(gradients)
        for gradient in gradients:
            gradient.masked_fill_(self._grad_scaler.flag(gradient.device).bool(), 0.0)

    # Parameters.

    def finish_update(self, optimizer: Any) -> None:
        """Update every parameter that has a gradient, all in one step of an Optimizer of this library, and clear the
        gradients. Keys are (id, name of the parameter); the memory of the parameters stays where it is.
        """
        with_grad = [each for each in self._model.named_parameters() if each[1].grad is not None]
        scaler = self._grad_scaler
        if scaler.enabled and with_grad:
            scaler.unscale_([parameter.grad for _, parameter in with_grad])
            if scaler.found_inf:
                for _, parameter in with_grad:
                    parameter.grad.zero_()
                with_grad = []
            scaler.update()
        update_parameters(self.id, with_grad, optimizer)

    @contextlib.contextmanager
    def use_params(self, params: Dict[Any, Any]) -> Iterator[None]:
        """Swap in other parameters within the block, without copying where they are on the device of the module.

        params: arrays under (id, name), as in optimizer.averages; names of buffers and string keys
            "pytorch_<id>_<name>" are good too. Others are ignored.
        """
        with swapped(self.id, self._model, params):
            yield

    # Copies, devices, files.

    def __getstate__(self) -> Dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_eval_mode"}

    def __setstate__(self, state: Dict[str, Any]) -> None:
        super().__setstate__(state)
        self._eval_mode = EvalMode()

    def to_device(self, device_type: str, device_id: int) -> None:
        """Move the module to "cpu", "gpu" (the CUDA device of that number) or "mps"."""
        if device_type not in ("cpu", "gpu", "mps"):
            raise ValueError(f"to_device: device_type must be 'cpu', 'gpu' or 'mps'; got {device_type!r}")
        self._move(f"cuda:{device_id}" if device_type == "gpu" else device_type)

    def _move(self, device: Any) -> None:
        if self._model is not None:
            self._model.to(device)
        self._grad_scaler.to_(device)

    def to_bytes(self) -> bytes:
        """msgpack of {"config": cfg, "state": the bytes of the module}."""
        import srsly

        return srsly.msgpack_dumps({"config": self.cfg, "state": self._serialize_model(self._model)})

    def from_bytes(self, bytes_data: bytes) -> "PyTorchShim":
        """Load what to_bytes gave, onto the device of the current ops; no code of the file is run.

        RAISES: ModelLoadError when it does not fit; the module is then as it was.
        """
        config, state = unpacked(bytes_data, "state")
        device = get_torch_default_device()
        self._model = self._deserialize_model(self._model, state, device)
        self._grad_scaler.to_(device)
        self.cfg = config
        return self


def unpacked(data: bytes, key: str) -> Tuple[Dict[str, Any], bytes]:
    """The config, and the bytes under a key, of a saved shim. RAISES: ModelLoadError when they are not there."""
    from .._model_io import unpack

    try:
        message = unpack(data)
    except Exception as error:
        raise ModelLoadError(f"pytorch: must be a saved module; got {len(data)} damaged bytes ({error})") from error
    if not isinstance(message, dict) or not isinstance(message.get(key), bytes):
        found = sorted(message) if isinstance(message, dict) else type(message).__name__
        raise ModelLoadError(f"pytorch: a saved module must have bytes under {key!r}; got {found}")
    config = message.get("config")
    return config if isinstance(config, dict) else {}, message[key]


def _first_parameter(module: Any) -> Any:
    for parameter in module._parameters.values():
        if parameter is not None:
            return parameter
    for child in module._modules.values():
        found = None if child is None else _first_parameter(child)
        if found is not None:
            return found
    return None


def _taken_gradient(tensor: Any) -> Any:
    """The gradient of an input, which is no longer its own: a second callback would add to it."""
    gradient, tensor.grad = tensor.grad, None
    return gradient


def _no_backprop(dY: Any) -> Any:
    raise RuntimeError("pytorch: backprop needs a run with is_train=True; got one of a prediction")
