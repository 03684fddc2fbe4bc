"""Tests for and conversions between arrays of NumPy, CuPy, PyTorch, TensorFlow and MXNet.

A framework that nobody has imported cannot have made the array in question, so the tests look in sys.modules.
"""

import sys
from typing import TYPE_CHECKING, Any, Callable, Iterator, Optional

import numpy

from . import compat
from .types import ArgsKwargs

if TYPE_CHECKING:
    from .backends import Ops


MXNET_IS_GONE = (
    "MXNet must not be needed: it is archived and installs on no Python that thinc_core runs on (PyTorchWrapper, "
    "TensorFlowWrapper, JaxWrapper and ONNXWrapper wrap models of frameworks that do)"
)


def is_xp_array(obj: Any) -> bool:
    """Is obj a numpy or cupy array?"""
    return is_numpy_array(obj) or is_cupy_array(obj)


def is_numpy_array(obj: Any) -> bool:
    return isinstance(obj, numpy.ndarray)


def is_cupy_array(obj: Any) -> bool:
    return _is_instance(obj, "cupy", "ndarray")


def is_torch_array(obj: Any) -> bool:
    return _is_instance(obj, "torch", "Tensor")


def is_torch_cuda_array(obj: Any) -> bool:
    return is_torch_array(obj) and bool(obj.is_cuda)


def is_torch_gpu_array(obj: Any) -> bool:
    return is_torch_cuda_array(obj) or is_torch_mps_array(obj)


def is_torch_mps_array(obj: Any) -> bool:
    return is_torch_array(obj) and bool(getattr(obj, "is_mps", False))


def is_tensorflow_array(obj: Any) -> bool:
    return bool(compat.has_tensorflow) and isinstance(obj, compat.tensorflow.Tensor)


def is_tensorflow_gpu_array(obj: Any) -> bool:
    return is_tensorflow_array(obj) and "GPU:" in obj.device


def is_mxnet_array(obj: Any) -> bool:
    return bool(compat.has_mxnet) and isinstance(obj, compat.mxnet.nd.NDArray)


def is_mxnet_gpu_array(obj: Any) -> bool:
    return is_mxnet_array(obj) and obj.context.device_type != "cpu"


def _is_instance(obj: Any, module: str, name: str) -> bool:
    # A stub left in sys.modules (None, or a half-imported module) has no such class.
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(obj, kind)


def assert_pytorch_installed() -> None:
    """RAISES: ImportError with the install command when PyTorch is missing."""
    if not compat.has_torch:
        raise ImportError("PyTorch must be installed: pip install torch")


def assert_tensorflow_installed() -> None:
    """Import TensorFlow, if it is installed. RAISES: ImportError with the install command when it is missing."""
    if not compat.has_tensorflow:
        compat.import_tensorflow()


def assert_mxnet_installed() -> None:
    """RAISES: ImportError that says why there is no MXNet, unless enable_mxnet() has found one."""
    if not compat.has_mxnet:
        raise ImportError(MXNET_IS_GONE)


def get_torch_default_device() -> Any:
    """The PyTorch device that goes with the current ops. RAISES: ValueError without PyTorch."""
    from .backends import get_current_ops

    torch = compat.torch
    if torch is None:
        raise ValueError("get_torch_default_device: PyTorch must be installed (pip install torch)")
    name = get_current_ops().name
    if name == "cupy":
        return torch.device(f"cuda:{torch.cuda.current_device()}")
    return torch.device("mps" if name == "mps" else "cpu")


def convert_recursive(is_match: Callable[[Any], bool], convert_item: Callable[[Any], Any], obj: Any) -> Any:
    """Replace every matching object inside nested lists, tuples, dicts (keys too) and ArgsKwargs."""
    if is_match(obj):
        return convert_item(obj)

    def convert(item: Any) -> Any:
        return convert_recursive(is_match, convert_item, item)

    if isinstance(obj, ArgsKwargs):
        return ArgsKwargs.from_items([(convert(key), convert(value)) for key, value in obj.items()])
    if isinstance(obj, dict):
        return {convert(key): convert(value) for key, value in obj.items()}
    if isinstance(obj, list):
        return [convert(item) for item in obj]
    if isinstance(obj, tuple):
        return tuple(convert(item) for item in obj)
    return obj


def iterate_recursive(is_match: Callable[[Any], bool], obj: Any) -> Iterator[Any]:
    """Every matching object inside nested lists, tuples, dicts (keys too) and ArgsKwargs, in order."""
    if is_match(obj):
        yield obj
    elif isinstance(obj, (ArgsKwargs, dict)):
        for key, value in obj.items():
            yield from iterate_recursive(is_match, key)
            yield from iterate_recursive(is_match, value)
    elif isinstance(obj, (list, tuple)):
        for item in obj:
            yield from iterate_recursive(is_match, item)


def xp2torch(xp_tensor: Any, requires_grad: bool = False, device: Optional[Any] = None) -> Any:
    """A numpy or cupy array as a PyTorch tensor, sharing memory on the same device.

    device: where to put it; None means get_torch_default_device().
    """
    torch = compat.torch
    if torch is None:
        assert_pytorch_installed()
    if device is None:
        device = get_torch_default_device()
    if isinstance(xp_tensor, numpy.ndarray):
        flags = xp_tensor.flags
        if not (flags.carray and xp_tensor.dtype.isnative):
            # PyTorch has no negative strides, and aborts the process when it is handed some. It knows one order of
            # bytes, and no memory that must not be written to.
            if min(xp_tensor.strides, default=0) < 0 or not xp_tensor.dtype.isnative:
                xp_tensor = xp_tensor.astype(xp_tensor.dtype.newbyteorder("="))
            elif not flags.writeable:
                xp_tensor = xp_tensor.copy()
        tensor = torch.from_numpy(xp_tensor)
    elif hasattr(xp_tensor, "__dlpack__"):
        tensor = torch.from_dlpack(xp_tensor)  # PyTorch's stream waits for CuPy's
    else:
        raise TypeError(f"xp2torch: must be a numpy or cupy array; got {type(xp_tensor).__name__}")
    if tensor.device != device:
        tensor = tensor.to(device)
    return tensor.requires_grad_() if requires_grad else tensor


def torch2xp(torch_tensor: Any, *, ops: Optional["Ops"] = None) -> Any:
    """A PyTorch tensor as a numpy or cupy array, sharing memory on the same device; bfloat16 becomes float32.

    ops: whose arrays to make; None keeps CPU tensors on the CPU and CUDA tensors on the GPU.
    """
    torch = compat.torch
    if torch is None:
        assert_pytorch_installed()
    if not isinstance(torch_tensor, torch.Tensor):
        raise TypeError(f"torch2xp: must be a PyTorch tensor; got {type(torch_tensor).__name__}")
    tensor = torch_tensor.detach() if torch_tensor.requires_grad else torch_tensor
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.float()
    on_cpu = ops is None or ops.xp is numpy
    if tensor.is_cuda and (ops is None or not on_cpu):
        return compat.cupy_from_dlpack(tensor)  # the tensor itself: CuPy's stream waits for PyTorch's
    array = tensor.cpu().numpy()
    return array if on_cpu else compat.cupy.asarray(array)


def xp2tensorflow(xp_tensor: Any, requires_grad: bool = False, as_variable: bool = False) -> Any:
    """A numpy or cupy array as a TensorFlow tensor, or as a variable."""
    assert_tensorflow_installed()
    tf = compat.tensorflow
    if is_cupy_array(xp_tensor):
        tensor = tf.experimental.dlpack.from_dlpack(xp_tensor.__dlpack__())
    else:
        tensor = tf.convert_to_tensor(xp_tensor)
    if as_variable:
        with tf.device(tensor.device):
            return tf.Variable(tensor, trainable=requires_grad)
    return tensor if requires_grad else tf.stop_gradient(tensor)


def tensorflow2xp(tf_tensor: Any, *, ops: Optional["Ops"] = None) -> Any:
    """A TensorFlow tensor as a numpy or cupy array."""
    assert_tensorflow_installed()
    on_cpu = ops is None or ops.xp is numpy
    if is_tensorflow_gpu_array(tf_tensor) and not (ops is not None and on_cpu):
        return compat.cupy_from_dlpack(compat.tensorflow.experimental.dlpack.to_dlpack(tf_tensor))
    array = tf_tensor.numpy()
    return array if on_cpu else compat.cupy.asarray(array)


def xp2mxnet(xp_tensor: Any, requires_grad: bool = False) -> Any:
    """A numpy or cupy array as an MXNet array."""
    assert_mxnet_installed()
    mx = compat.mxnet
    if hasattr(xp_tensor, "toDlpack"):
        tensor = mx.nd.from_dlpack(xp_tensor.toDlpack())
    else:
        tensor = mx.nd.from_numpy(xp_tensor)
    if requires_grad:
        tensor.attach_grad()
    return tensor


def mxnet2xp(mx_tensor: Any, *, ops: Optional["Ops"] = None) -> Any:
    """An MXNet array as a numpy or cupy array."""
    assert_mxnet_installed()
    on_cpu = ops is None or ops.xp is numpy
    if is_mxnet_gpu_array(mx_tensor) and not (ops is not None and on_cpu):
        return compat.cupy_from_dlpack(mx_tensor.to_dlpack_for_write())
    array = mx_tensor.detach().asnumpy()
    return array if on_cpu else compat.cupy.asarray(array)
