"""Shims: the parts of a model that another framework owns, behind one small interface.

Modules are read when one of their names is first asked for; none of them imports its framework before it is used.
"""

import importlib
from typing import TYPE_CHECKING, Any, Dict, List

from .shim import Shim

if TYPE_CHECKING:
    from .pytorch import PyTorchShim
    from .pytorch_grad_scaler import PyTorchGradScaler
    from .pytorch_module import as_pytorch_module
    from .torchscript import TorchScriptShim

__all__ = ["PyTorchGradScaler", "PyTorchShim", "Shim", "TorchScriptShim", "as_pytorch_module"]

_HOME: Dict[str, str] = {
    "PyTorchGradScaler": "pytorch_grad_scaler",
    "PyTorchShim": "pytorch",
    "TorchScriptShim": "torchscript",
    "as_pytorch_module": "pytorch_module",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    return value


def __dir__() -> List[str]:
    return sorted({*globals(), *__all__})
