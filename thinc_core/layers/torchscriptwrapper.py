"""TorchScriptWrapper: a TorchScript module as a layer."""

from typing import Any, Callable, Optional

from .. import compat
from .._frameworks import assert_pytorch_installed
from ..config import registry
from ..model import Model
from ..shims.pytorch import PyTorchShim
from ..shims.pytorch_grad_scaler import PyTorchGradScaler
from ..shims.torchscript import TorchScriptShim, without_deprecation
from .pytorchwrapper import wrapper


@registry.layers("TorchScriptWrapper.v1")
def TorchScriptWrapper_v1(
    torchscript_model: Any = None,
    convert_inputs: Optional[Callable] = None,
    convert_outputs: Optional[Callable] = None,
    mixed_precision: bool = False,
    grad_scaler: Optional[PyTorchGradScaler] = None,
    device: Any = None,
) -> Model[Any, Any]:
    """PyTorchWrapper_v2 for a torch.jit.ScriptModule: its files hold the program too, and load into an empty wrapper.

    torchscript_model: None makes a layer to load into.
    """
    shim = TorchScriptShim(torchscript_model, mixed_precision=mixed_precision, grad_scaler=grad_scaler, device=device)
    return wrapper(shim, convert_inputs, convert_outputs, "pytorch_script")


@registry.layers("pytorch_to_torchscript_wrapper.v1")
def pytorch_to_torchscript_wrapper(model: Model[Any, Any]) -> Model[Any, Any]:
    """The layer of a PyTorchWrapper with its module compiled by torch.jit.script, and all settings kept.

    RAISES: ValueError when the model holds no PyTorch module.
    """
    assert_pytorch_installed()
    if not model.shims:
        raise IndexError(
            f"pytorch_to_torchscript_wrapper: model must hold a PyTorchShim; got {model.name!r} without shims"
        )
    shim = model.shims[0]
    if not isinstance(shim, PyTorchShim):
        found = type(shim).__name__
        raise ValueError(f"pytorch_to_torchscript_wrapper: model must hold a PyTorchShim; got {found}")
    if not isinstance(shim._model, compat.torch.nn.Module):
        found = type(shim._model).__name__
        raise ValueError(f"pytorch_to_torchscript_wrapper: the shim must hold a torch.nn.Module; got {found}")
    return TorchScriptWrapper_v1(
        without_deprecation(compat.torch.jit.script, shim._model),
        model.attrs["convert_inputs"],
        model.attrs["convert_outputs"],
        mixed_precision=shim._mixed_precision,
        grad_scaler=shim._grad_scaler,
        device=shim.device,
    )
