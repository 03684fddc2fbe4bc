"""One CUDA device: its kernels, compiled when they are first used, how many threads to start, its error word."""

from __future__ import annotations

import ctypes
import importlib
import re
import sys
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, Tuple

import numpy

from ._errors import Describe, ErrorWord
from ._launch import Kernel

SOURCES = Path(__file__).parent
INCLUDE = r'^#include "(thinc_core/\w+\.h|\w+\.cuh)"$'
# Before CUDA 13.5 NVRTC takes a generic lambda within a kernel for a function of the host, unless told otherwise.
OPTIONS = ("-std=c++17", "-default-device")
DTYPES = ("f32", "f64", "f16", "bf16")  # each is a module of its own: few programs use more than one of them
THREADS = 256  # of a block; kernels are compiled for at most that many
BLOCKS_PER_SM = 16  # two waves of full occupancy: enough to even out blocks of unequal length
CHUNK = 1024  # rows of a very long sequence that a block adds up
DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
MAPPED_PORTABLE = 1 | 2  # of cudaHostAlloc: every device can write to it


class CudaError(RuntimeError):
    """The kernels cannot be compiled or launched on this machine; the cause says what CuPy or the driver said."""


def source(stem: str) -> str:
    """The text of a .cu file with the common part in front, and headers where it names them: CuPy's cache does not see
    what a file includes, and NVRTC would have to be told where headers are."""
    names = ("common.cuh", f"{stem}.cu")
    text = "\n".join(f'#line 1 "{name}"\n{(SOURCES / name).read_text(encoding="utf-8")}' for name in names)
    return re.sub(INCLUDE, partial(_header, text, names[1]), text, flags=re.MULTILINE)


def _header(text: str, name: str, line: Any) -> str:
    """What a public header, or one beside the file of this name, says, for the line there that includes it."""
    from ... import get_include

    place = SOURCES if line[1].endswith(".cuh") else Path(get_include())
    header = (place / line[1]).read_text(encoding="utf-8").replace("#pragma once", "")  # of no header
    number = text[text.rindex("#line", 0, line.start()) : line.start()].count("\n")
    return f'#line 1 "{line[1]}"\n{header}\n#line {number + 1} "{name}"'


def dtype_of(kernel: str) -> str:
    """Of which module of its file the kernel is a part: one of f32, f64, f16, bf16, or none if it has no such dtype."""
    return next(filter(DTYPES.__contains__, kernel.split("_")), "none")


class Device:
    """The device with this number, which is the current one of the calling thread.

    xp: CuPy. The tests' emulator is a subclass.
    """

    threads = THREADS
    chunk = CHUNK

    def __init__(self, xp: Any, number: int = 0) -> None:
        self.xp, self.number = xp, number
        self._modules: Dict[Tuple[str, str], Any] = {}
        self._kernels: Dict[Tuple[str, str], Kernel] = {}
        self.most_blocks = BLOCKS_PER_SM * self._multiprocessors()
        self.errors = self._error_word()
        self.capability = self._capability()

    def kernel(self, stem: str, name: str) -> Kernel:
        """The kernel of that name in <stem>.cu.

        RAISES: CudaError when it cannot be compiled or loaded.
        """
        found = self._kernels.get((stem, name))
        if found is None:
            found = self._kernels[stem, name] = self._load(stem, name)
        return found

    def blocks(self, work: int) -> int:
        """How many blocks to start for this many threads of work; kernels stride over what is left."""
        return min(-(-work // self.threads), self.most_blocks)

    def launch(self, stem: str, name: str, work: int, *args: Any) -> None:
        """Run a kernel on the current stream with one thread per unit of work, which is not 0, or fewer that stride."""
        self.kernel(stem, name)(self.blocks(work), self.threads, self._stream(), args)

    def launch_blocks(self, stem: str, name: str, blocks: int, *args: Any, shared: int = 0) -> None:
        """The same for a kernel in which a block does a unit of work, such as a row."""
        blocks = min(blocks, self.most_blocks)
        self.kernel(stem, name)(blocks, self.threads, self._stream(), args, 1, shared)

    def launch_checking(self, stem: str, name: str, work: int, describe: Describe, *args: Any) -> None:
        """The same for a kernel whose last two parameters are the error word and the code to put there.

        describe: (value, position, limit) -> the exception, in the words of checks.py.
        """
        self.errors.look()
        self.launch(stem, name, work, *args, self.errors.address, self.errors.ticket(describe))
        self.errors.settle()

    # What the emulator does in its own way

    def read_later(self, X: Any) -> Callable[[], Any]:
        """A function that gives what X, in C order, holds now: the copy takes its place on the current stream, and only
        who calls the function waits for it."""
        memory = self.xp.cuda.alloc_pinned_memory(max(X.nbytes, 1))
        values = numpy.frombuffer(memory, dtype=X.dtype, count=X.size).reshape(X.shape)
        X.data.copy_to_host_async(ctypes.c_void_p(values.ctypes.data), X.nbytes)
        done = self.xp.cuda.Event(disable_timing=True)
        done.record()

        def read() -> Any:
            done.synchronize()
            return values

        return read

    def _stream(self) -> int:
        return int(self.xp.cuda.get_current_stream().ptr)

    def _capability(self) -> int:
        return int(self.xp.cuda.Device(self.number).compute_capability)  # "90"

    def _multiprocessors(self) -> int:
        return int(self.xp.cuda.Device(self.number).attributes["MultiProcessorCount"])

    def _error_word(self) -> ErrorWord:
        cuda = self.xp.cuda
        memory = cuda.PinnedMemoryPointer(cuda.PinnedMemory(32, MAPPED_PORTABLE), 0)
        words = numpy.frombuffer(memory, dtype="int64", count=4)  # keeps the memory; one address for host and device
        return ErrorWord(words, int(memory.ptr), cuda.runtime.deviceSynchronize)

    def _load(self, stem: str, name: str) -> Kernel:
        (entry, explain), dtype = _driver(), dtype_of(name)
        try:
            module = self._modules.get((stem, dtype))
            if module is None:
                options = (*OPTIONS, f"-DDTYPE={dtype}")
                module = self._modules[stem, dtype] = self.xp.RawModule(code=source(stem), options=options)
            function = module.get_function(name)
            return Kernel(name, int(function.kernel.ptr), entry, explain, None, (module, function))
        except Exception as error:  # CuPy raises of every kind: RuntimeError, CompileException, CUDADriverError, ...
            raise CudaError(_why(stem, name, error)) from error


devices: Dict[int, Device] = {}  # those used so far, by number


def current_device(xp: Any = None) -> Device:
    """The device that CuPy computes on in this thread. xp: CuPy, if it is at hand."""
    xp = xp or importlib.import_module("cupy")
    number = int(xp.cuda.runtime.getDevice())
    found = devices.get(number)
    if found is None:
        found = devices[number] = Device(xp, number)
    return found


def _why(stem: str, name: str, error: Exception) -> str:
    """One sentence on why a kernel cannot be had, and what to do about it."""
    said = str(error).strip() or type(error).__name__
    hint = ""
    if "header" in said.lower() or "nvrtc" in said.lower():
        hint = " (install CuPy with its compiler and headers: pip install 'cupy-cuda12x[ctk]' or 'cupy-cuda13x[ctk]')"
    return f"cuda: {name} of {stem}.cu cannot be compiled or loaded: {said}{hint}"


_found: Dict[str, Any] = {}


def _driver() -> Tuple[int, Callable[[int], str]]:
    """The address of cuLaunchKernel, and a function that puts the driver's error codes into words."""
    if not _found:
        try:
            library = ctypes.CDLL(DRIVER)
            _found["entry"] = ctypes.cast(library.cuLaunchKernel, ctypes.c_void_p).value
        except (OSError, AttributeError) as error:
            raise CudaError(
                f"cuda: the driver's library {DRIVER} cannot be loaded (install NVIDIA's driver)"
            ) from error
        _found["library"] = library
    return _found["entry"], _explain


def _explain(status: int) -> str:
    text = ctypes.c_char_p()
    _found["library"].cuGetErrorString(status, ctypes.byref(text))
    return (text.value or b"unknown").decode()
