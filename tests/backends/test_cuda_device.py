"""Compiling and launching kernels, on stand-ins for CuPy and for the driver."""

from __future__ import annotations

import ctypes
import struct
import types
from typing import Any, List, Tuple

import numpy
import pytest
from any_backend import make_ops

from thinc_core.backends import cuda
from thinc_core.backends.cuda import CudaError, Device, Kernel, _device
from thinc_core.backends.cuda._errors import ErrorWord

ENTRY = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_void_p,
    *[ctypes.c_uint] * 7,
    ctypes.c_void_p,
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_void_p,
)


class Driver:
    """Has a function like cuLaunchKernel that remembers what it was given."""

    def __init__(self, status: int = 0, n_args: int = 0):
        self.status, self.n_args, self.launches = status, n_args, []  # type: Any
        self.function = ENTRY(self._launch)

    def _launch(self, function: Any, *rest: Any) -> int:
        *grid, stream, arguments, _ = rest
        words = [ctypes.string_at(arguments[i], 8) for i in range(self.n_args)]
        self.launches.append((function, grid, stream, words))
        return self.status

    @property
    def address(self) -> int:
        return ctypes.cast(self.function, ctypes.c_void_p).value or 0


class Array:
    def __init__(self, ptr: int):
        self.data = types.SimpleNamespace(ptr=ptr)


class StubCupy:
    """What Device asks of CuPy. modules: texts of what was compiled."""

    def __init__(self, error: Any = None, sms: int = 3):
        self.error, self.modules, self.options, self.synchronized = error, [], [], 0  # type: Any
        cuda_module: Any = types.SimpleNamespace()
        cuda_module.Device = lambda number: types.SimpleNamespace(
            attributes={"MultiProcessorCount": sms}, compute_capability="80"
        )
        cuda_module.get_current_stream = lambda: types.SimpleNamespace(ptr=77)
        cuda_module.runtime = types.SimpleNamespace(getDevice=lambda: 0, deviceSynchronize=self._synchronize)
        cuda_module.PinnedMemory = lambda size, flags: bytearray(size)
        cuda_module.PinnedMemoryPointer = Pinned
        self.cuda = cuda_module

    def _synchronize(self) -> None:
        self.synchronized += 1

    def RawModule(self, code: str, options: Tuple[str, ...]) -> Any:
        if self.error:
            raise self.error
        self.modules.append(code)
        self.options.append(options)
        return types.SimpleNamespace(
            get_function=lambda name: types.SimpleNamespace(kernel=types.SimpleNamespace(ptr=1000 + len(name)))
        )


class Pinned(bytearray):
    """A buffer with an address."""

    def __init__(self, memory: Any, offset: int):
        super().__init__(memory)

    @property
    def ptr(self) -> int:
        return 4242


@pytest.fixture
def driver(monkeypatch: Any) -> Driver:
    made = Driver()
    monkeypatch.setattr(_device, "_driver", lambda: (made.address, lambda status: f"error text {status}"))
    return made


def words_of(name: str, *args: Any) -> List[bytes]:
    driver = Driver(n_args=len(args))
    Kernel(name, 5, driver.address, str)(2, 64, 9, args, 3, 16)
    ((function, grid, stream, words),) = driver.launches
    assert (function, grid, stream) == (5, [2, 3, 1, 64, 1, 1, 16], 9)
    return words


def test_arguments_are_packed_by_their_type() -> None:
    words = words_of("relu_f32", Array(0xABCDEF0123), None, 7, -1, 2**64 - 1, 1.5)
    assert [struct.unpack("<q", word)[0] for word in words[:5]] == [0xABCDEF0123, 0, 7, -1, -1]
    assert struct.unpack("<f", words[5][:4])[0] == 1.5
    for name, code, size in (("f_f16", "<f", 4), ("f_bf16_i64", "<f", 4), ("f_f64", "<d", 8), ("f_f64_i32", "<d", 8)):
        assert struct.unpack(code, words_of(name, 0.1)[0][:size])[0] == pytest.approx(0.1, rel=1e-7)


def test_what_is_no_argument_is_refused() -> None:
    for wrong in ("text", numpy.int64(3), 1j):
        with pytest.raises(AttributeError):
            words_of("relu_f32", wrong)
    with pytest.raises(TypeError, match=r"^relu_f32: at most 40 arguments; got 41$"):
        words_of("relu_f32", *[0] * 41)


def test_a_launch_that_the_driver_refuses_says_why() -> None:
    kernel = Kernel("relu_f32", 5, Driver(status=701).address, lambda status: "too many resources")
    with pytest.raises(RuntimeError, match=r"^relu_f32: the launch failed with error 701: too many resources$"):
        kernel(1, 64, 0, ())


def test_a_file_is_compiled_once_for_a_dtype_with_the_common_part_in_front(driver: Driver) -> None:
    xp = StubCupy()
    device = Device(xp)
    assert device.kernel("activations", "relu_f32") is device.kernel("activations", "relu_f32")
    device.kernel("activations", "gelu_f32")
    device.kernel("activations", "gelu_bf16")
    device.kernel("gather", "gather_add_f32_i64")
    device.kernel("gather", "scatter_keys_i64")
    assert [options[-1] for options in xp.options] == [f"-DDTYPE={d}" for d in ("f32", "bf16", "f32", "none")]
    for text in xp.modules:
        assert text.index("struct bf16") < text.rindex("FOR_FLOATS(")
        assert "#include" not in text
    assert xp.modules[0] == xp.modules[1] != xp.modules[2] == xp.modules[3]


def test_grids_are_bounded_and_cover_the_work(driver: Driver) -> None:
    device = Device(StubCupy(sms=3))
    assert [device.blocks(work) for work in (1, 256, 257, 10**9)] == [1, 1, 2, 48]
    device.launch("activations", "relu_f32", 300)
    device.launch_blocks("activations", "relu_f32", 5)
    device.launch_blocks("activations", "relu_f32", 5000, shared=64)
    grids = [(grid[0], grid[3], grid[6], stream) for _, grid, stream, _ in driver.launches]
    assert grids == [(2, 256, 0, 77), (5, 256, 0, 77), (48, 256, 64, 77)]


def test_a_checking_launch_gets_the_error_word_and_a_new_ticket(driver: Driver) -> None:
    driver.n_args = 3
    device = Device(StubCupy())
    for _ in range(2):
        device.launch_checking("gather", "gather_add_f32_i64", 1, lambda *_: IndexError(), 5)
    given = [[struct.unpack("<q", word)[0] for word in words] for *_, words in driver.launches]
    assert given == [[5, 4242, 1], [5, 4242, 2]]


@pytest.mark.parametrize(
    "error, hint", [("Failed to find CUDA headers", True), ("libnvrtc.so not found", True), ("out of memory", False)]
)
def test_what_cannot_be_compiled_says_why(driver: Driver, error: str, hint: bool) -> None:
    cause = OSError(error)
    device = Device(StubCupy(cause))
    with pytest.raises(
        CudaError, match=rf"^cuda: relu_f32 of activations.cu cannot be compiled or loaded: {error}"
    ) as caught:
        device.kernel("activations", "relu_f32")
    assert caught.value.__cause__ is cause
    assert ("pip install" in str(caught.value)) == hint


def test_a_missing_driver_says_so(monkeypatch: Any) -> None:
    monkeypatch.setattr(_device, "DRIVER", "libno_such_driver.so")
    monkeypatch.setattr(_device, "_found", {})
    with pytest.raises(CudaError, match=r"^cuda: the driver's library libno_such_driver.so cannot be loaded"):
        Device(StubCupy()).kernel("activations", "relu_f32")


def test_thinc_core_check_waits_for_every_checking_kernel(monkeypatch: Any) -> None:
    waited = []
    for value, times in (("1", 1), ("", 0)):
        monkeypatch.setenv("THINC_CORE_CHECK", value)
        word = ErrorWord(numpy.zeros(4, "int64"), 0, lambda: waited.append(1))
        waited.clear()
        word.settle()
        assert len(waited) == times


def test_check_errors_waits_and_raises_what_was_reported(monkeypatch: Any) -> None:
    xp = StubCupy()
    xp.cuda.Device = Chosen
    device = Device.__new__(Device)
    device.number, words = 0, numpy.zeros(4, "int64")
    device.errors = ErrorWord(words, 0, xp._synchronize, at_once=False)
    monkeypatch.setitem(_device.devices, 0, device)
    monkeypatch.setitem(__import__("sys").modules, "cupy", xp)
    cuda.check_errors()
    ticket = device.errors.ticket(lambda value, position, limit: IndexError(f"{value} {position} {limit}"))
    words[...] = [ticket, 7, 2, 5]
    with pytest.raises(IndexError, match=r"^7 2 5$"):
        cuda.check_errors()
    cuda.check_errors()
    assert xp.synchronized == 3


class Chosen:
    """A device that is the current one for a while."""

    def __init__(self, number: int):
        self.number = number

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: Any) -> None:
        pass


def test_a_late_error_is_raised_when_values_are_copied(monkeypatch: Any) -> None:
    from cuda_emulation import build
    from cuda_emulation.device import EmulatedDevice

    if build.problem():
        pytest.skip(str(build.problem()))
    ops: Any = make_ops("cuda_emulated", monkeypatch)
    device = EmulatedDevice(at_once=False)
    monkeypatch.setattr(ops, "_device", lambda: device)
    table = ops.asarray(numpy.ones((4, 3), "f"))
    Y = ops.gather_add(table, ops.asarray(numpy.array([[0, 1], [4, 2]])))
    with pytest.raises(IndexError, match=r"^gather_add: indices must be in \[0, 4\); got 4 at \[1, 0\]$"):
        ops.to_numpy(Y)
    numpy.testing.assert_array_equal(ops.to_numpy(Y), [[2, 2, 2], [1, 1, 1]])


def test_values_are_read_later_without_a_wait() -> None:
    """A copy into page-locked memory, then an event, for which only the reader waits."""
    log: List[str] = []
    X = numpy.array([[3, 4]], "int32")

    def copy(target: Any, size: int) -> None:
        log.append("copy")
        ctypes.memmove(target, X.ctypes.data, size)

    array = types.SimpleNamespace(
        nbytes=X.nbytes, dtype=X.dtype, size=2, shape=X.shape, data=types.SimpleNamespace(copy_to_host_async=copy)
    )
    xp: Any = StubCupy()
    xp.cuda.alloc_pinned_memory = bytearray
    xp.cuda.Event = lambda disable_timing: types.SimpleNamespace(
        record=lambda: log.append("record"), synchronize=lambda: log.append("wait")
    )
    read = Device(xp).read_later(array)
    assert log == ["copy", "record"]
    assert read().tolist() == [[3, 4]]
    assert log == ["copy", "record", "wait"]
