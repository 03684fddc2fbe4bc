"""Layers: functions that return a Model. A new one is imported and named here, and nowhere else.

Modules are read when one of their names is first asked for, here or in the registry. A layer lives in the module of its
name in lower case, registered as "Name.v1", or in the one that _HOME tells; Name_v2 is registered as "Name.v2".
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, List, Optional

if TYPE_CHECKING:
    from .activation import activation
    from .add import add
    from .array_getitem import array_getitem
    from .batchnorm import BatchNorm
    from .bidirectional import bidirectional, bidirectional_v2
    from .cauchysimilarity import CauchySimilarity
    from .chain import chain
    from .clipped_linear import ClippedLinear
    from .clone import clone
    from .concatenate import concatenate
    from .conv1d import Conv1D
    from .dish import Dish
    from .dropout import Dropout
    from .embed import Embed
    from .expand_window import expand_window
    from .gelu import Gelu
    from .gru import GRU
    from .hard_sigmoid import HardSigmoid
    from .hard_swish import HardSwish
    from .hard_swish_mobilenet import HardSwishMobilenet
    from .hard_tanh import HardTanh
    from .hashembed import HashEmbed
    from .jaxwrapper import JaxWrapper
    from .keras_subclass import keras_subclass
    from .layernorm import LayerNorm
    from .linear import Linear
    from .list2array import list2array
    from .list2padded import list2padded
    from .list2ragged import list2ragged
    from .logistic import Logistic
    from .lora import LoRA
    from .lstm import LSTM
    from .map_list import map_list
    from .maxout import Maxout
    from .mish import Mish
    from .multisoftmax import MultiSoftmax, MultiSoftmax_v2
    from .mxnetwrapper import MXNetWrapper
    from .noop import noop
    from .onnxwrapper import ONNXWrapper
    from .padded2list import padded2list
    from .parametricattention import ParametricAttention
    from .parametricattention_v2 import ParametricAttention_v2
    from .premap_ids import premap_ids
    from .pytorchlstm import PyTorchLSTM
    from .pytorchrnnwrapper import PyTorchRNNWrapper
    from .pytorchwrapper import PyTorchWrapper, PyTorchWrapper_v2, PyTorchWrapper_v3
    from .ragged2list import ragged2list
    from .reduce_first import reduce_first
    from .reduce_last import reduce_last
    from .reduce_max import reduce_max
    from .reduce_mean import reduce_mean
    from .reduce_sum import reduce_sum
    from .relu import Relu
    from .relu_k import ReluK
    from .remap_ids import remap_ids, remap_ids_v2
    from .residual import residual
    from .resizable import resizable
    from .rmsnorm import RMSNorm
    from .self_attention import SelfAttention
    from .siamese import siamese
    from .sigmoid import Sigmoid
    from .sigmoid_activation import sigmoid_activation
    from .softmax import Softmax, Softmax_v2
    from .softmax_activation import softmax_activation
    from .sparselinear import SparseLinear, SparseLinear_v2
    from .static_vectors import StaticVectors
    from .strings2arrays import strings2arrays
    from .swiglu import SwiGLU
    from .swish import Swish
    from .tensorflowwrapper import TensorFlowWrapper
    from .torchscriptwrapper import TorchScriptWrapper_v1, pytorch_to_torchscript_wrapper
    from .transformer_block import TransformerBlock
    from .tuplify import tuplify
    from .uniqued import uniqued
    from .with_array import with_array
    from .with_array2d import with_array2d
    from .with_cpu import with_cpu
    from .with_debug import with_debug
    from .with_flatten import with_flatten
    from .with_flatten_v2 import with_flatten_v2
    from .with_getitem import with_getitem
    from .with_list import with_list
    from .with_nvtx_range import with_nvtx_range
    from .with_padded import with_padded
    from .with_ragged import with_ragged
    from .with_reshape import with_reshape
    from .with_signpost_interval import with_signpost_interval

__all__ = [
    "GRU",
    "LSTM",
    "BatchNorm",
    "CauchySimilarity",
    "ClippedLinear",
    "Conv1D",
    "Dish",
    "Dropout",
    "Embed",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "HardSwishMobilenet",
    "HardTanh",
    "HashEmbed",
    "JaxWrapper",
    "LayerNorm",
    "Linear",
    "LoRA",
    "Logistic",
    "MXNetWrapper",
    "Maxout",
    "Mish",
    "MultiSoftmax",
    "MultiSoftmax_v2",
    "ONNXWrapper",
    "ParametricAttention",
    "ParametricAttention_v2",
    "PyTorchLSTM",
    "PyTorchRNNWrapper",
    "PyTorchWrapper",
    "PyTorchWrapper_v2",
    "PyTorchWrapper_v3",
    "RMSNorm",
    "Relu",
    "ReluK",
    "SelfAttention",
    "Sigmoid",
    "Softmax",
    "Softmax_v2",
    "SparseLinear",
    "SparseLinear_v2",
    "StaticVectors",
    "SwiGLU",
    "Swish",
    "TensorFlowWrapper",
    "TorchScriptWrapper_v1",
    "TransformerBlock",
    "activation",
    "add",
    "array_getitem",
    "bidirectional",
    "bidirectional_v2",
    "chain",
    "clone",
    "concatenate",
    "expand_window",
    "keras_subclass",
    "list2array",
    "list2padded",
    "list2ragged",
    "map_list",
    "noop",
    "padded2list",
    "premap_ids",
    "pytorch_to_torchscript_wrapper",
    "ragged2list",
    "reduce_first",
    "reduce_last",
    "reduce_max",
    "reduce_mean",
    "reduce_sum",
    "remap_ids",
    "remap_ids_v2",
    "residual",
    "resizable",
    "siamese",
    "sigmoid_activation",
    "softmax_activation",
    "strings2arrays",
    "tuplify",
    "uniqued",
    "with_array",
    "with_array2d",
    "with_cpu",
    "with_debug",
    "with_flatten",
    "with_flatten_v2",
    "with_getitem",
    "with_list",
    "with_nvtx_range",
    "with_padded",
    "with_ragged",
    "with_reshape",
    "with_signpost_interval",
]

# Layers that share a module, or whose module has another name than theirs in lower case.
_HOME = {
    "ClippedLinear": "clipped_linear",
    "HardSigmoid": "hard_sigmoid",
    "HardSwish": "hard_swish",
    "HardSwishMobilenet": "hard_swish_mobilenet",
    "HardTanh": "hard_tanh",
    "MultiSoftmax_v2": "multisoftmax",
    "PyTorchWrapper_v2": "pytorchwrapper",
    "PyTorchWrapper_v3": "pytorchwrapper",
    "ReluK": "relu_k",
    "SelfAttention": "self_attention",
    "Softmax_v2": "softmax",
    "SparseLinear_v2": "sparselinear",
    "StaticVectors": "static_vectors",
    "TorchScriptWrapper_v1": "torchscriptwrapper",
    "TransformerBlock": "transformer_block",
    "bidirectional_v2": "bidirectional",
    "pytorch_to_torchscript_wrapper": "torchscriptwrapper",
    "remap_ids_v2": "remap_ids",
}


def _module_of(name: str) -> ModuleType:
    return importlib.import_module(f"{__name__}.{_HOME.get(name, name.lower())}")


def read_registered(name: Optional[str] = None) -> None:
    """Import the module that registers `name` ("Relu.v1"), if it is one of ours; without a name, all of them."""
    stem, _, version = (name or "").rpartition(".v")
    wanted = [f"{stem}_v{version}", *([stem] if version == "1" else [])] if name else __all__
    for layer in wanted:
        if layer in __all__:
            _module_of(layer)


def __getattr__(name: str) -> Any:
    if name in __all__:
        value = getattr(_module_of(name), name)
    elif name in {_HOME.get(layer, layer.lower()) for layer in __all__}:
        value = importlib.import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> List[str]:
    return sorted({*globals(), *__all__})


class _Layers(ModuleType):
    """This package: importlib would set `chain` to the module of that name, where the layer has to stay."""

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, ModuleType) and name in __all__:
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Layers
