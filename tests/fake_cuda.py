"""cupy.cuda of the stand-in: devices, streams, events and memory, as far as thinc_core and its benchmarks use them.

Two devices, so that arrays can be on the wrong one. Everything runs at once, so streams and events only have to be
there: they say nothing about order, and the time between two events is that of the host.
"""

from __future__ import annotations

import ctypes
import itertools
import threading
import time
import types
from typing import Any, Callable, Dict, List, Optional

from fake_cupy import CURRENT, FAKE

DEVICES = 2


class CUDARuntimeError(RuntimeError):
    """What CuPy raises for an error of the CUDA runtime."""


class Device:
    """A device, current inside a with block or after use()."""

    attributes = {"MultiProcessorCount": 1, "L2CacheSize": 1 << 12}
    compute_capability = "90"

    def __init__(self, device: Optional[int] = None):
        self.id = CURRENT.device if device is None else int(device)
        self._before: List[int] = []

    def use(self) -> None:
        _set_device(self.id)

    def __enter__(self) -> Device:
        self._before.append(CURRENT.device)
        self.use()
        return self

    def __exit__(self, *_: Any) -> None:
        CURRENT.device = self._before.pop()

    def synchronize(self) -> None:
        pass


def _set_device(number: int) -> None:
    if not 0 <= number < DEVICES:
        raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")
    CURRENT.device = number


class Stream:
    """A queue of work; its address is that of nothing."""

    _numbers = itertools.count(0x1000)

    def __init__(self, null: bool = False, non_blocking: bool = False, ptr: Optional[int] = None):
        self.ptr = 0 if null else next(self._numbers) if ptr is None else ptr
        self._before: List[Stream] = []

    @classmethod
    def from_external(cls, stream: Any) -> Stream:
        """Around the stream of another library, which says its address as CUDA's protocol for streams wants it."""
        return cls(ptr=int(stream.__cuda_stream__()[1]))

    def use(self) -> Stream:
        _STREAMS.current = self
        return self

    def __enter__(self) -> Stream:
        self._before.append(get_current_stream())
        return self.use()

    def __exit__(self, *_: Any) -> None:
        _STREAMS.current = self._before.pop()

    def synchronize(self) -> None:
        pass

    def wait_event(self, event: Event) -> None:
        pass


class _Streams(threading.local):
    current: Optional[Stream] = None


_STREAMS = _Streams()
NULL = Stream(null=True)


def get_current_stream(device_id: Optional[int] = None) -> Stream:
    return _STREAMS.current or NULL


class Event:
    """A moment."""

    def record(self, stream: Optional[Stream] = None) -> None:
        self.moment = time.perf_counter()

    def synchronize(self) -> None:
        pass


def get_elapsed_time(start: Event, end: Event) -> float:
    """Milliseconds."""
    return 1e3 * (end.moment - start.moment)


class UnownedMemory:
    """Memory of somebody else, who is kept alive."""

    def __init__(self, ptr: int, size: int, owner: Any, device_id: int = -1):
        self.ptr, self.size, self.owner = ptr, size, owner
        self.device_id = CURRENT.device if device_id < 0 else device_id


class PythonFunctionAllocator:
    """Memory that Python functions hand out and take back, each with the number of the device."""

    def __init__(self, malloc: Callable[[int, int], int], free: Callable[[int, int], None]):
        self._malloc, self._free = malloc, free

    def malloc(self, size: int) -> MemoryPointer:
        return MemoryPointer(_Allocated(self._malloc(size, CURRENT.device), size, self._free), 0)


class _Allocated:
    """Given back when nobody holds it any more."""

    def __init__(self, ptr: int, size: int, free: Callable[[int, int], None]):
        self.ptr, self.size, self.device_id, self._free = ptr, size, CURRENT.device, free

    def __del__(self) -> None:
        if self.ptr:
            self._free(self.ptr, self.device_id)


class MemoryPointer:
    """A place in memory."""

    def __init__(self, mem: Any, offset: int):
        self.mem, self.ptr, self.device_id = mem, mem.ptr + offset, mem.device_id


class MemoryPool:
    """Counts what it was asked for, and keeps nothing."""

    def __init__(self, allocator: Any = None):
        self._allocator = allocator

    def malloc(self, size: int) -> MemoryPointer:
        return self._allocator(size)  # type: ignore[no-any-return]

    def used_bytes(self) -> int:
        return 0

    def total_bytes(self) -> int:
        return 0


class _Allocators:
    current: Any = None


ALLOCATORS = _Allocators()


def set_allocator(allocator: Any = None) -> None:
    ALLOCATORS.current = allocator


def get_allocator() -> Any:
    return ALLOCATORS.current


def alloc(size: int) -> MemoryPointer:
    """Memory from the allocator that was set."""
    if ALLOCATORS.current is not None:
        return ALLOCATORS.current(size)  # type: ignore[no-any-return]
    buffer = ctypes.create_string_buffer(max(size, 1))
    return MemoryPointer(UnownedMemory(ctypes.addressof(buffer), size, buffer), 0)


def _properties(number: int) -> Dict[str, Any]:
    return {"name": b"emulated device", "multiProcessorCount": 1, "totalGlobalMem": 1 << 30, "l2CacheSize": 1 << 12}


class _Runtime(types.SimpleNamespace):
    """cupy.cuda.runtime."""

    CUDARuntimeError = CUDARuntimeError


RUNTIME = _Runtime(
    getDeviceCount=lambda: DEVICES,
    getDevice=lambda: CURRENT.device,
    setDevice=_set_device,
    deviceSynchronize=lambda: None,
    getDeviceProperties=_properties,
    memGetInfo=lambda: (1 << 29, 1 << 30),
    driverGetVersion=lambda: 13000,
    runtimeGetVersion=lambda: 13000,
)


DEVICE = types.SimpleNamespace(Device=Device, get_cublas_handle=FAKE.cuda.device.get_cublas_handle)  # type: ignore[attr-defined]


def _module() -> types.ModuleType:
    cuda = types.ModuleType("cupy.cuda")
    nvtx = types.SimpleNamespace(RangePush=lambda *_: None, RangePop=lambda: None)
    memory = types.SimpleNamespace(UnownedMemory=UnownedMemory, PythonFunctionAllocator=PythonFunctionAllocator)
    members = (Device, Stream, Event, MemoryPointer, MemoryPool, UnownedMemory, PythonFunctionAllocator)
    functions = (get_current_stream, get_elapsed_time, set_allocator, get_allocator, alloc)
    vars(cuda).update({member.__name__: member for member in (*members, *functions)})
    vars(cuda).update(cublas=FAKE.cuda.cublas)  # type: ignore[attr-defined]
    vars(cuda).update(nvrtc=types.SimpleNamespace(getVersion=lambda: (13, 0)))
    vars(cuda).update(runtime=RUNTIME, device=DEVICE, nvtx=nvtx, memory=memory)
    return cuda


CUDA = _module()
FAKE.cuda = CUDA  # type: ignore[attr-defined]
FAKE.random = types.SimpleNamespace(seed=lambda seed: None)  # type: ignore[attr-defined]
