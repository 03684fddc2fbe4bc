"""PyTorchWrapper: a PyTorch module as a layer, in the three versions there are."""

from typing import Any, Callable, Dict, Optional, Tuple

from ..config import registry
from ..model import Model
from ..shims.pytorch import PyTorchShim
from ..shims.pytorch_grad_scaler import PyTorchGradScaler
from ._pytorch import convert_pytorch_default_inputs, convert_pytorch_default_outputs


@registry.layers("PyTorchWrapper.v1")
def PyTorchWrapper(
    pytorch_model: Any, convert_inputs: Optional[Callable] = None, convert_outputs: Optional[Callable] = None
) -> Model[Any, Any]:
    """Y = pytorch_model(X): a torch.nn.Module with parameters that our optimizers update and our files hold.

    X: array, list or tuple of arguments, dict of keyword arguments, or ArgsKwargs.  Y: what the module returns, with
        arrays in the place of tensors. Both share their memory with PyTorch's, so the module must not write into X.
    convert_inputs, convert_outputs: see convert_pytorch_default_inputs and convert_pytorch_default_outputs.
    """
    return wrapper(PyTorchShim(pytorch_model), convert_inputs, convert_outputs)


@registry.layers("PyTorchWrapper.v2")
def PyTorchWrapper_v2(
    pytorch_model: Any,
    convert_inputs: Optional[Callable] = None,
    convert_outputs: Optional[Callable] = None,
    mixed_precision: bool = False,
    grad_scaler: Optional[PyTorchGradScaler] = None,
    device: Any = None,
) -> Model[Any, Any]:
    """PyTorchWrapper, on a device of choice and in mixed precision: see PyTorchShim."""
    settings: Dict[str, Any] = {"mixed_precision": mixed_precision, "grad_scaler": grad_scaler, "device": device}
    return wrapper(PyTorchShim(pytorch_model, **settings), convert_inputs, convert_outputs)


@registry.layers("PyTorchWrapper.v3")
def PyTorchWrapper_v3(
    pytorch_model: Any,
    convert_inputs: Optional[Callable] = None,
    convert_outputs: Optional[Callable] = None,
    mixed_precision: bool = False,
    grad_scaler: Optional[PyTorchGradScaler] = None,
    device: Any = None,
    serialize_model: Optional[Callable[[Any], bytes]] = None,
    deserialize_model: Optional[Callable[[Any, bytes, Any], Any]] = None,
) -> Model[Any, Any]:
    """PyTorchWrapper_v2, saved and loaded in a way of its own: see PyTorchShim."""
    settings: Dict[str, Any] = {"mixed_precision": mixed_precision, "grad_scaler": grad_scaler, "device": device}
    shim = PyTorchShim(pytorch_model, **settings, serialize_model=serialize_model, deserialize_model=deserialize_model)
    return wrapper(shim, convert_inputs, convert_outputs)


def wrapper(
    shim: PyTorchShim, convert_inputs: Optional[Callable], convert_outputs: Optional[Callable], name: str = "pytorch"
) -> Model[Any, Any]:
    """The node around a shim."""
    attrs = {
        "convert_inputs": convert_inputs or convert_pytorch_default_inputs,
        "convert_outputs": convert_outputs or convert_pytorch_default_outputs,
    }
    return Model(name, forward, attrs=attrs, shims=[shim], dims={"nI": None, "nO": None})


def forward(model: Model[Any, Any], X: Any, is_train: bool) -> Tuple[Any, Callable]:
    attrs = model._attrs
    inputs, get_dX = attrs["convert_inputs"](model, X, is_train)
    outputs, torch_backprop = model._shims[0](inputs, is_train)
    Y, get_dY = attrs["convert_outputs"](model, (X, outputs), is_train)

    def backprop(dY: Any) -> Any:
        return get_dX(torch_backprop(get_dY(dY)))

    return Y, backprop
