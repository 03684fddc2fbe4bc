"""Layers: functions that return a Model. A new one is imported and named here, and nowhere else."""

from .activation import activation
from .add import add
from .array_getitem import array_getitem
from .batchnorm import BatchNorm
from .chain import chain
from .clone import clone
from .concatenate import concatenate
from .conv1d import Conv1D
from .dropout import Dropout
from .embed import Embed
from .expand_window import expand_window
from .gelu import Gelu
from .gru import GRU
from .hashembed import HashEmbed
from .layernorm import LayerNorm
from .linear import Linear
from .list2array import list2array
from .list2padded import list2padded
from .list2ragged import list2ragged
from .lora import LoRA
from .lstm import LSTM
from .maxout import Maxout
from .mish import Mish
from .noop import noop
from .padded2list import padded2list
from .ragged2list import ragged2list
from .reduce_first import reduce_first
from .reduce_last import reduce_last
from .reduce_max import reduce_max
from .reduce_mean import reduce_mean
from .reduce_sum import reduce_sum
from .relu import Relu
from .residual import residual
from .rmsnorm import RMSNorm
from .self_attention import SelfAttention
from .sigmoid_activation import sigmoid_activation
from .softmax import Softmax, Softmax_v2
from .softmax_activation import softmax_activation
from .static_vectors import StaticVectors
from .swiglu import SwiGLU
from .transformer_block import TransformerBlock
from .with_array import with_array
from .with_array2d import with_array2d
from .with_list import with_list
from .with_padded import with_padded
from .with_ragged import with_ragged

__all__ = [
    "GRU",
    "LSTM",
    "BatchNorm",
    "Conv1D",
    "Dropout",
    "Embed",
    "Gelu",
    "HashEmbed",
    "LayerNorm",
    "Linear",
    "LoRA",
    "Maxout",
    "Mish",
    "RMSNorm",
    "Relu",
    "SelfAttention",
    "Softmax",
    "Softmax_v2",
    "StaticVectors",
    "SwiGLU",
    "TransformerBlock",
    "activation",
    "add",
    "array_getitem",
    "chain",
    "clone",
    "concatenate",
    "expand_window",
    "list2array",
    "list2padded",
    "list2ragged",
    "noop",
    "padded2list",
    "ragged2list",
    "reduce_first",
    "reduce_last",
    "reduce_max",
    "reduce_mean",
    "reduce_sum",
    "residual",
    "sigmoid_activation",
    "softmax_activation",
    "with_array",
    "with_array2d",
    "with_list",
    "with_padded",
    "with_ragged",
]
