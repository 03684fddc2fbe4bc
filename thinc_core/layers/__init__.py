"""Layers: functions that return a Model. A new one is imported and named here, and nowhere else."""

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
from .noop import noop
from .padded2list import padded2list
from .parametricattention import ParametricAttention
from .parametricattention_v2 import ParametricAttention_v2
from .premap_ids import premap_ids
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
    "LayerNorm",
    "Linear",
    "LoRA",
    "Logistic",
    "Maxout",
    "Mish",
    "MultiSoftmax",
    "MultiSoftmax_v2",
    "ParametricAttention",
    "ParametricAttention_v2",
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
    "list2array",
    "list2padded",
    "list2ragged",
    "map_list",
    "noop",
    "padded2list",
    "premap_ids",
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
