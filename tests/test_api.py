"""thinc_core.api: every public name, from one place and the right one."""

import importlib

import pytest

from thinc_core import api, layers
from thinc_core.config import registry


def test_all_is_in_sync():
    names = api.__all__
    assert names == sorted(set(names))
    assert set(layers.__all__) <= set(names)
    for name in names:
        assert getattr(api, name, None) is not None or name == "AppleOps", name
    assert set(names) <= set(dir(api))


def test_star_import_gives_all():
    namespace = {}
    exec("from thinc_core.api import *", namespace)
    assert set(api.__all__) == set(namespace) - {"__builtins__"}


def test_names_are_those_of_their_modules():
    for name, module in api._HOME.items():
        if name not in ("has_cupy", "enable_tensorflow", "enable_mxnet"):
            assert getattr(api, name) is getattr(importlib.import_module(f"thinc_core.{module}"), name)


def test_every_registered_layer_is_exported():
    functions = {getattr(layers, name) for name in layers.__all__}
    missing = [
        name
        for name, func in registry.layers.get_all().items()
        if func.__module__.startswith("thinc_core.") and func not in functions and name != "chain.v1"
    ]
    assert missing == []


def test_unknown_names():
    with pytest.raises(AttributeError, match="no attribute 'Liner'"):
        api.Liner  # noqa: B018
    with pytest.raises(ImportError):
        exec("from thinc_core.api import Liner")


# All names of the original's api: the 155 of version 8.3, and three of 9.1.
ORIGINAL = """
    Adam add AppleOps ArgsKwargs array_getitem bidirectional CategoricalCrossentropy CauchySimilarity chain
    change_attr_values ClippedLinear clone compounding concatenate Config configure_normal_init
    ConfigValidationError constant constant_then CosineDistance CupyOps cyclic_triangular data_validation
    DataValidationError decaying deserialize_attr Dish Dropout Embed enable_mxnet enable_tensorflow expand_window
    fix_random_seed Gelu get_array_module get_current_ops get_ops get_torch_default_device get_width
    glorot_uniform_init HardSigmoid HardSwish HardSwishMobilenet HardTanh has_cupy HashEmbed is_cupy_array
    keras_model_fns keras_subclass L2Distance LayerNorm Linear list2array list2padded list2ragged Logistic LSTM
    map_list Maxout maybe_handshake_model Mish Model MPSOps MultiSoftmax mxnet2xp MXNetShim MXNetWrapper noop
    normal_init NumpyOps Ops Optimizer Padded padded2list ParametricAttention ParametricAttention_v2 plateau
    prefer_gpu premap_ids pytorch_to_torchscript_wrapper PyTorchGradScaler PyTorchLSTM PyTorchRNNWrapper PyTorchShim
    PyTorchWrapper PyTorchWrapper_v2 PyTorchWrapper_v3 RAdam Ragged ragged2list reduce_first reduce_last reduce_max
    reduce_mean reduce_sum registry Relu ReluK remap_ids remap_ids_v2 require_cpu require_gpu residual resizable
    Schedule SequenceCategoricalCrossentropy serialize_attr set_active_gpu set_current_ops set_dropout_rate
    set_gpu_allocator SGD Shim siamese Sigmoid sigmoid_activation slanted_triangular Softmax softmax_activation
    Softmax_v2 SparseLinear SparseLinear_v2 strings2arrays Swish tensorflow2xp TensorFlowShim TensorFlowWrapper
    to_categorical to_numpy torch2xp TorchScriptShim TorchScriptWrapper_v1 tuplify uniform_init uniqued
    Unserializable use_ops use_pytorch_for_gpu_memory use_tensorflow_for_gpu_memory warmup_linear with_array
    with_array2d with_cpu with_debug with_flatten with_flatten_v2 with_getitem with_list with_nvtx_range with_padded
    with_ragged with_reshape with_signpost_interval wrap_model_recursive xp2mxnet xp2tensorflow xp2torch zero_init
"""


def test_names_of_the_original():
    names = ORIGINAL.split()
    assert len(names) == len(set(names)) == 158
    assert set(names) <= set(api.__all__)
    for name in names:
        assert hasattr(api, name), name
