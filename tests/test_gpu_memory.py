"""One pool of memory with PyTorch, and arrays that both libraries share, on stand-ins for both.

PyTorch's stand-in hands out real memory and keeps books, so what is asked for, on which device and stream, and what
comes back can be checked. That PyTorch's own pool then has it, and that streams wait, only a GPU can show.
"""

from __future__ import annotations

import ctypes
import gc
import inspect
import types
from typing import Any, Dict, Iterator, List, Tuple

import fake_cuda
import numpy
import pytest
from fake_cupy import FAKE

from thinc_core import compat
from thinc_core.api import CupyOps, set_active_gpu, set_gpu_allocator, torch2xp, use_pytorch_for_gpu_memory, xp2torch
from thinc_core.backends import context_pools, cupy_pytorch_allocator


class Tensor:
    """A tensor on the device."""

    is_cuda, dtype, requires_grad = True, "float32", False

    def __init__(self, values: Any, device: Any = None):
        self.values, self.device, self.moved_to = values, device, device

    def detach(self) -> Tensor:
        return self

    def to(self, device: Any) -> Tensor:
        return Tensor(self.values, device)

    def __dlpack__(self, stream: Any = None) -> Any:
        raise AssertionError("this is for the library that takes it to call")

    def __dlpack_device__(self) -> Tuple[int, int]:
        return 2, 0


class TorchMemory:
    """PyTorch's pool: calls as in torch.cuda, with books."""

    def __init__(self) -> None:
        self.live: Dict[int, Any] = {}
        self.asked: List[Tuple[int, int, int]] = []

    def caching_allocator_alloc(self, size: int, device: Any = None, stream: Any = None) -> int:
        buffer = ctypes.create_string_buffer(size)
        self.live[ctypes.addressof(buffer)] = buffer
        self.asked.append((size, device, stream))
        return ctypes.addressof(buffer)

    def caching_allocator_delete(self, mem_ptr: int) -> None:
        del self.live[mem_ptr]


@pytest.fixture
def memory(gpu: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[TorchMemory]:
    """PyTorch is there, with a CUDA device, and its memory is this."""
    made = TorchMemory()
    torch: Any = types.ModuleType("torch")
    torch.cuda = types.SimpleNamespace(
        caching_allocator_alloc=made.caching_allocator_alloc,
        caching_allocator_delete=made.caching_allocator_delete,
        current_device=lambda: 0,
        set_device=lambda number: None,
    )
    torch.bfloat16, torch.Tensor, torch.device = "bfloat16", Tensor, str
    monkeypatch.setitem(__import__("sys").modules, "torch", torch)
    for name, value in (("torch", torch), ("has_torch", True), ("has_torch_cuda_gpu", True)):
        monkeypatch.setitem(vars(compat), name, value)
    before = dict(context_pools.get())
    yield made
    fake_cuda.set_allocator(None)
    context_pools.get().clear()
    context_pools.get().update(before)


def test_cupy_gets_its_memory_from_pytorch(memory: TorchMemory) -> None:
    set_gpu_allocator("pytorch")
    place = fake_cuda.alloc(1000)
    assert memory.asked == [(1000, 0, 0)]  # that many bytes, on the current device and CuPy's current stream
    assert list(memory.live) == [place.ptr]
    set_active_gpu(1)
    with fake_cuda.Stream() as stream:
        other = fake_cuda.alloc(24)
    assert memory.asked[1] == (24, 1, stream.ptr)
    del place
    gc.collect()
    assert list(memory.live) == [other.ptr]
    del other
    gc.collect()
    assert not memory.live


def test_nothing_is_kept_over_a_long_run(memory: TorchMemory) -> None:
    use_pytorch_for_gpu_memory()
    kept = fake_cuda.alloc(64)
    for size in range(1, 2000):
        fake_cuda.alloc(size)
        assert len(memory.live) == 1
    assert len(memory.asked) == 2000
    assert kept.ptr in memory.live


def test_there_is_one_pool_and_it_can_be_had_by_name(memory: TorchMemory) -> None:
    set_gpu_allocator("pytorch")
    pool = context_pools.get()["pytorch"]
    set_gpu_allocator("pytorch")
    assert context_pools.get()["pytorch"] is pool
    place = cupy_pytorch_allocator(8)
    assert place.ptr in memory.live
    empty = cupy_pytorch_allocator(0)
    assert empty.ptr == 0
    assert len(memory.asked) == 1
    del place, empty
    gc.collect()
    assert not memory.live


def test_memory_that_outlives_pytorch_is_left_alone(memory: TorchMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end of a process its modules are gone before the last arrays are."""
    place = cupy_pytorch_allocator(8)
    monkeypatch.delitem(__import__("sys").modules, "torch")
    del place
    gc.collect()
    assert len(memory.live) == 1


def test_pytorch_without_a_gpu_changes_nothing(memory: TorchMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(compat), "has_torch_cuda_gpu", False)
    set_gpu_allocator("pytorch")
    assert fake_cuda.get_allocator() is None
    assert "pytorch" not in context_pools.get()


def test_pytorch_has_these_functions(torch: Any) -> None:
    """The stand-in has their parameters."""
    for name in ("caching_allocator_alloc", "caching_allocator_delete"):
        own = inspect.signature(getattr(TorchMemory(), name))
        assert list(inspect.signature(getattr(torch.cuda, name)).parameters) == list(own.parameters)


def test_arrays_are_handed_over_by_the_protocol(memory: TorchMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The array itself, not a capsule made beforehand: so the taker says on which stream it will be used."""
    taken: List[Any] = []

    def from_dlpack(given: Any) -> Any:
        taken.append(given)
        return FAKE.asarray(given.values) if isinstance(given, Tensor) else Tensor(given.get())

    monkeypatch.setattr(compat.torch, "from_dlpack", from_dlpack, raising=False)
    monkeypatch.setitem(vars(FAKE), "from_dlpack", from_dlpack)
    monkeypatch.setitem(vars(compat), "cupy_from_dlpack", from_dlpack)
    array, tensor = FAKE.asarray(numpy.ones(3, "f")), Tensor(numpy.zeros(2, "f"))
    monkeypatch.setattr(type(array), "__dlpack__", lambda self, stream=None: None, raising=False)
    assert xp2torch(array, device="cuda:0").moved_to == "cuda:0"
    assert torch2xp(tensor).tolist() == [0, 0]
    assert torch2xp(tensor, ops=CupyOps()).tolist() == [0, 0]
    assert CupyOps().asarray(tensor).tolist() == [0, 0]
    assert [each is array or each is tensor for each in taken] == [True] * 4


def test_a_tensor_of_another_gpu_comes_to_the_current_one(memory: TorchMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    def from_dlpack(given: Any) -> Any:
        with fake_cuda.Device(1):
            return FAKE.asarray(given.values)

    monkeypatch.setitem(vars(FAKE), "from_dlpack", from_dlpack)
    moved = CupyOps().asarray(Tensor(numpy.ones(2, "f")))
    assert moved.data.device_id == 0
