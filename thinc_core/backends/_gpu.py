"""Why the GPU can or cannot be used, and which library hands out its memory."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import sys
from contextvars import ContextVar
from typing import Any, Dict, Optional

INSTALL_CUPY = "pip install cupy-cuda12x, or cupy-cuda13x for CUDA 13"

# One dictionary for all contexts: a memory pool belongs to the process.
context_pools: ContextVar[Dict[str, Any]] = ContextVar("context_pools", default={})  # noqa: B039


def gpu_problem() -> Optional[str]:
    """One sentence that says why the GPU cannot be used and what to do about it; None when it can."""
    return _mps_problem() if sys.platform == "darwin" else _cuda_problem()


def _cuda_problem() -> Optional[str]:
    """The first thing that is missing between this process and a CUDA device."""
    if "cupy" not in sys.modules and importlib.util.find_spec("cupy") is None:
        return f"CuPy is not installed ({INSTALL_CUPY})"
    try:
        cupy = importlib.import_module("cupy")
        count_devices = cupy.cuda.runtime.getDeviceCount
    except Exception as error:  # a broken installation raises anything: ImportError, OSError, AttributeError, ...
        return f"CuPy is installed but cannot be imported: {_first_line(error)} (reinstall it: {INSTALL_CUPY})"
    try:
        n_devices = count_devices()
    except Exception as error:
        return _driver_problem(error)
    if n_devices == 0:
        return "CuPy and the CUDA driver work but there is no CUDA device (look at nvidia-smi and CUDA_VISIBLE_DEVICES)"
    return None


def _driver_problem(error: Exception) -> str:
    """What an error from the CUDA runtime means."""
    said, driver = _first_line(error), _driver_library()
    if "OutOfMemory" in type(error).__name__ or "MemoryAllocation" in said:
        return f"the GPU has no free memory: {said} (end other programs that use it; nvidia-smi lists them)"
    if "NoDevice" in said:
        return f"there is no CUDA device: {said} (look at nvidia-smi and CUDA_VISIBLE_DEVICES)"
    if not _can_load(driver):
        return (
            f"CuPy is installed but the CUDA driver is missing: {driver} cannot be loaded (install the NVIDIA driver)"
        )
    if "InsufficientDriver" in said:
        return f"the CUDA driver is too old for this CuPy: {said} (update the NVIDIA driver or install an older CuPy)"
    return f"the CUDA driver does not answer: {said} (look at nvidia-smi)"


def _first_line(error: Exception) -> str:
    text = str(error).strip() or "no message"
    return f"{type(error).__name__}: {text.splitlines()[0]}"


def _driver_library() -> str:
    return "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"


def _can_load(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _mps_problem() -> Optional[str]:
    """What is missing for Metal, which is reached through PyTorch."""
    if "torch" not in sys.modules and importlib.util.find_spec("torch") is None:
        return "PyTorch, through which Metal is used on macOS, is not installed (pip install torch)"
    try:
        torch = importlib.import_module("torch")
        usable = torch.backends.mps.is_available()
    except Exception as error:
        return f"PyTorch, through which Metal is used on macOS, does not work: {_first_line(error)} (reinstall torch)"
    return None if usable else "PyTorch finds no Metal device (it needs macOS 12.3 or newer and an Apple GPU)"


def set_gpu_allocator(allocator: str) -> None:
    """Let another library hand out GPU memory, so that both can use the whole card.

    It is for arrays that are made from now on, in all threads.

    allocator: "pytorch" or "tensorflow".
    RAISES: ValueError for another name; ImportError when the library is not installed.
    """
    if allocator == "pytorch":
        use_pytorch_for_gpu_memory()
    elif allocator == "tensorflow":
        use_tensorflow_for_gpu_memory()
    else:
        raise ValueError(f"set_gpu_allocator: allocator must be 'pytorch' or 'tensorflow'; got {allocator!r}")


def use_pytorch_for_gpu_memory() -> None:
    """Let PyTorch hand out the memory of CuPy arrays; nothing happens unless both can use a CUDA device.

    CuPy keeps no pool of its own then: what an array of either library gives back, the other can have.
    RAISES: ImportError when PyTorch is not installed.
    """
    from .. import compat
    from ..util import assert_pytorch_installed

    assert_pytorch_installed()
    if compat.has_torch_cuda_gpu and compat.has_cupy_gpu:
        import cupy

        cupy.cuda.set_allocator(_pytorch_pool().malloc)


def use_tensorflow_for_gpu_memory() -> None:
    """Let TensorFlow hand out the memory of CuPy arrays; nothing happens without a GPU.

    RAISES: ImportError when TensorFlow is not enabled.
    """
    from ..compat import has_tensorflow_gpu
    from ..util import assert_tensorflow_installed

    assert_tensorflow_installed()
    if has_tensorflow_gpu:
        import cupy

        pools = context_pools.get()
        if "tensorflow" not in pools:
            pools["tensorflow"] = cupy.cuda.MemoryPool(allocator=cupy_tensorflow_allocator)
        cupy.cuda.set_allocator(pools["tensorflow"].malloc)


def _pytorch_pool() -> Any:
    """PyTorch's pool as an allocator of CuPy, made once."""
    import cupy

    pools = context_pools.get()
    if "pytorch" not in pools:
        pools["pytorch"] = cupy.cuda.PythonFunctionAllocator(_malloc_by_pytorch, _free_by_pytorch)
    return pools["pytorch"]


def _malloc_by_pytorch(size: int, device: int) -> int:
    """The address of new memory, as it is. It belongs to the stream that CuPy computes on in this thread: given back,
    it is handed out again on that stream at once, and on no other."""
    import cupy
    import torch

    if size == 0:
        return 0
    stream = int(cupy.cuda.get_current_stream().ptr)
    return int(torch.cuda.caching_allocator_alloc(size, device, stream))


def _free_by_pytorch(address: int, device: int) -> None:
    torch = sys.modules.get("torch")  # gone, at the end of the process
    if address and torch is not None:
        torch.cuda.caching_allocator_delete(address)


def cupy_pytorch_allocator(size_in_bytes: int) -> Any:
    """A CuPy memory pointer to that many bytes of PyTorch's pool, which go back there when nobody holds it."""
    return _pytorch_pool().malloc(size_in_bytes)


def cupy_tensorflow_allocator(size_in_bytes: int) -> Any:
    """A CuPy memory pointer over a TensorFlow tensor of at least that many bytes, which it keeps alive."""
    import cupy
    import tensorflow

    size = max(1024, size_in_bytes)
    tensor = tensorflow.zeros((size,), dtype=tensorflow.uint8)
    array = cupy.from_dlpack(tensor)
    return cupy.cuda.MemoryPointer(cupy.cuda.memory.UnownedMemory(array.data.ptr, size, tensor), 0)
