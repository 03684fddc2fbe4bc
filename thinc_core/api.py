"""Every public name in one place: `from thinc_core.api import Model, chain, Linear`.

Names are imported when they are first asked for, so importing this module costs next to nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any, Dict, List

if TYPE_CHECKING:
    from .accumulation import accumulate_gradients as accumulate_gradients
    from .backends import *  # noqa: F403
    from .compat import has_cupy as has_cupy
    from .config import Config as Config
    from .config import ConfigValidationError as ConfigValidationError
    from .config import registry as registry
    from .crossentropy import CrossEntropy as CrossEntropy
    from .diagnosis import check_finite as check_finite
    from .diagnosis import check_gradients as check_gradients
    from .grad_scaler import GradScaler as GradScaler
    from .initializers import *  # noqa: F403
    from .layers import *  # noqa: F403
    from .loss import *  # noqa: F403
    from .model import *  # noqa: F403
    from .more_initializers import *  # noqa: F403
    from .more_losses import *  # noqa: F403
    from .more_optimizers import *  # noqa: F403
    from .more_schedules import *  # noqa: F403
    from .onnx import onnx_inputs as onnx_inputs
    from .onnx import to_onnx as to_onnx
    from .optimizers import *  # noqa: F403
    from .safetensors_file import load_safetensors as load_safetensors
    from .safetensors_file import save_safetensors as save_safetensors
    from .schedules import *  # noqa: F403
    from .shims import *  # noqa: F403
    from .types import ArgsKwargs as ArgsKwargs
    from .types import Padded as Padded
    from .types import Ragged as Ragged
    from .types import Unserializable as Unserializable
    from .util import *  # noqa: F403

# Module: the names it exports here. Layers are not listed: thinc_core.layers.__all__ says which there are.
_NAMES: Dict[str, str] = {
    "accumulation": "accumulate_gradients",
    "backends": """
        AppleOps CupyOps MPSOps NumpyOps Ops get_current_ops get_matmul_precision get_ops set_current_ops
        set_gpu_allocator set_matmul_precision use_matmul_precision use_ops use_pytorch_for_gpu_memory
        use_tensorflow_for_gpu_memory
    """,
    "compat": "enable_mxnet enable_tensorflow has_cupy",
    "config": "Config ConfigValidationError registry",
    "crossentropy": "CrossEntropy",
    "diagnosis": "check_finite check_gradients",
    "grad_scaler": "GradScaler",
    "initializers": """
        configure_normal_init glorot_normal_init glorot_uniform_init he_normal_init he_uniform_init lecun_normal_init
        lecun_uniform_init normal_init normal_init_v2 uniform_init zero_init
    """,
    "loss": "CategoricalCrossentropy CosineDistance L2Distance Loss SequenceCategoricalCrossentropy",
    "model": """
        Model change_attr_values deserialize_attr serialize_attr set_dropout_rate wrap_model_recursive
    """,
    "more_initializers": """
        constant_init identity_init orthogonal_init truncated_normal_init variance_scaling_init
    """,
    "more_losses": "BinaryCrossEntropy FocalLoss HuberLoss",
    "more_optimizers": "Adafactor AdamW Lion RAdam_v2 SGD_v2",
    "more_schedules": """
        cosine cosine_restarts exponential inverse_sqrt multistep one_cycle plateau_v2 polynomial warmup
    """,
    "onnx": "onnx_inputs to_onnx",
    "optimizers": "Adam Optimizer RAdam SGD",
    "safetensors_file": "load_safetensors save_safetensors",
    "schedules": """
        Schedule compounding constant constant_then cyclic_triangular decaying plateau slanted_triangular warmup_linear
    """,
    "shims": """
        MXNetShim ONNXShim PyTorchGradScaler PyTorchShim Shim TensorFlowShim TorchScriptShim as_pytorch_module
        keras_model_fns maybe_handshake_model
    """,
    "types": "ArgsKwargs Padded Ragged Unserializable",
    "util": """
        DataValidationError data_validation fix_random_seed get_array_module get_torch_default_device get_width
        is_cupy_array mxnet2xp prefer_gpu require_cpu require_gpu set_active_gpu tensorflow2xp to_categorical to_numpy
        torch2xp xp2mxnet xp2tensorflow xp2torch
    """,
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}


def _layer_names() -> List[str]:
    return list(importlib.import_module(f"{__package__}.layers").__all__)


def __getattr__(name: str) -> Any:
    if name == "__all__":
        value: Any = sorted({*_HOME, *_layer_names()})
    elif name in _HOME:
        value = getattr(importlib.import_module(f"{__package__}.{_HOME[name]}"), name)
    elif not name.startswith("_") and name in _layer_names():
        value = getattr(importlib.import_module(f"{__package__}.layers"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> List[str]:
    return sorted({*globals(), *_HOME, *_layer_names()})
