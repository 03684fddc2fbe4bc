"""Shims: the parts of a model that another framework owns, behind one small interface.

Modules are read when one of their names is first asked for; none of them imports its framework before it is used.
"""

import importlib
from typing import TYPE_CHECKING, Any, Dict, List

from .shim import Shim

if TYPE_CHECKING:
    from ._keras import keras_model_fns, maybe_handshake_model
    from .mxnet import MXNetShim
    from .onnx import ONNXShim
    from .pytorch import PyTorchShim
    from .pytorch_grad_scaler import PyTorchGradScaler
    from .pytorch_module import as_pytorch_module
    from .tensorflow import TensorFlowShim
    from .torchscript import TorchScriptShim

__all__ = [
    "MXNetShim",
    "ONNXShim",
    "PyTorchGradScaler",
    "PyTorchShim",
    "Shim",
    "TensorFlowShim",
    "TorchScriptShim",
    "as_pytorch_module",
    "keras_model_fns",
    "maybe_handshake_model",
]

_HOME: Dict[str, str] = {
    "MXNetShim": "mxnet",
    "ONNXShim": "onnx",
    "PyTorchGradScaler": "pytorch_grad_scaler",
    "PyTorchShim": "pytorch",
    "TensorFlowShim": "tensorflow",
    "TorchScriptShim": "torchscript",
    "as_pytorch_module": "pytorch_module",
    "keras_model_fns": "_keras",
    "maybe_handshake_model": "_keras",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    return value


def __dir__() -> List[str]:
    return sorted({*globals(), *__all__})
