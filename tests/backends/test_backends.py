"""Which ops compute, and why a GPU cannot."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Iterator

import numpy
import pytest

import thinc_core.backends as backends
from thinc_core.backends import (
    CupyOps,
    MPSOps,
    NumpyOps,
    Ops,
    ParamServer,
    _gpu,
    context_pools,
    contextvars_eq_thread_ops,
    get_array_ops,
    get_current_ops,
    get_ops,
    gpu_problem,
    set_current_ops,
    set_gpu_allocator,
    use_ops,
    use_pytorch_for_gpu_memory,
    use_tensorflow_for_gpu_memory,
)


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    """Leave the process and this context with the ops they had."""
    process, context, thread = backends._process_ops, backends.context_ops.get(), getattr(backends._thread, "ops", None)
    yield
    backends._process_ops = process
    backends.context_ops.set(context)
    backends._thread.ops = thread


def in_thread(function: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def in_new_context(function: Callable[[], Any]) -> Any:
    return contextvars.Context().run(function)


@pytest.mark.parametrize("name, cls", [("numpy", NumpyOps), ("cupy", CupyOps), ("mps", MPSOps)])
def test_get_ops_by_name(name: str, cls: type) -> None:
    ops = get_ops(name)
    assert type(ops) is cls
    assert ops.name == name
    assert get_ops(name) is not ops
    assert get_ops(name, device_id=3).device_id == 3


def test_cpu_is_the_best_cpu_backend() -> None:
    assert get_ops("cpu").name == ("apple" if sys.platform == "darwin" else "numpy")
    assert (backends.AppleOps is None) == (sys.platform != "darwin")
    assert isinstance(MPSOps(), NumpyOps)


@pytest.mark.parametrize("name", ["base", "blah", "", 3, None, Ops()])
def test_unknown_names(name: Any) -> None:
    with pytest.raises(ValueError, match=r"get_ops: name must be 'cpu' or one of .*'cupy', 'mps', 'numpy'"):
        get_ops(name)


def test_unknown_arguments() -> None:
    with pytest.raises(TypeError):
        get_ops("numpy", anything="goes")


def test_get_array_ops() -> None:
    for other in (numpy.zeros(3), [1], None):
        assert type(get_array_ops(other)) is NumpyOps


def test_current_ops_stay_the_same_object() -> None:
    assert in_new_context(get_current_ops) is in_new_context(get_current_ops)
    ops = NumpyOps()
    set_current_ops(ops)
    assert get_current_ops() is ops


def test_use_ops_restores() -> None:
    before = get_current_ops()
    with use_ops("mps") as ops:
        assert get_current_ops() is ops
        assert ops.name == "mps"
        with pytest.raises(ValueError), use_ops("cupy"):
            get_ops("whatever happens")
        assert get_current_ops() is ops
    assert get_current_ops() is before
    mine = NumpyOps()
    with use_ops(mine) as ops:
        assert ops is mine is get_current_ops()
    with use_ops("numpy", use_blis=False) as ops:
        assert ops.use_blis is False


def test_the_whole_process_follows_the_main_thread() -> None:
    ops = MPSOps()
    set_current_ops(ops)

    async def task() -> Any:
        return get_current_ops()

    assert in_thread(get_current_ops) is ops
    assert in_new_context(get_current_ops) is ops
    assert asyncio.run(task()) is ops


def test_notebook_cells_see_each_other() -> None:
    ops = MPSOps()
    in_new_context(lambda: set_current_ops(ops))
    assert in_new_context(get_current_ops) is ops


def test_what_a_thread_sets_is_its_own() -> None:
    before = NumpyOps()
    set_current_ops(before)
    mine = MPSOps()

    def work() -> Any:
        set_current_ops(mine)
        return get_current_ops()

    assert in_thread(work) is mine
    assert get_current_ops() is before
    assert in_thread(get_current_ops) is before


def test_what_was_set_explicitly_wins_over_the_process() -> None:
    mine, release, inside = NumpyOps(), threading.Event(), threading.Event()

    def work() -> Any:
        set_current_ops(mine)
        inside.set()
        release.wait(10)
        return get_current_ops()

    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(work)
        assert inside.wait(10)
        set_current_ops(MPSOps())
        release.set()
        assert result.result() is mine


def test_use_ops_does_not_leak() -> None:
    before = get_current_ops()
    with use_ops("mps"):
        assert in_thread(get_current_ops).name == before.name
        set_current_ops(CupyOps())
    assert get_current_ops() is before
    assert in_thread(get_current_ops).name == before.name


def test_contextvars_eq_thread_ops() -> None:
    set_current_ops(NumpyOps())
    assert contextvars_eq_thread_ops()
    with use_ops("mps"):
        assert contextvars_eq_thread_ops()
        assert not in_new_context(contextvars_eq_thread_ops)
    assert contextvars_eq_thread_ops()


def test_names_to_import() -> None:
    for name in backends.__all__:
        assert hasattr(backends, name), name
    for name in ("ops", "numpy_ops", "cupy_ops", "mps_ops", "cblas"):
        __import__(f"thinc_core.backends.{name}")
    assert isinstance(backends.has_cupy, bool)
    with pytest.raises(AttributeError):
        _ = backends.nonsense


# Why a GPU cannot be used


@pytest.fixture
def linux(monkeypatch: Any) -> None:
    monkeypatch.setattr(sys, "platform", "linux")


def stub_cupy(monkeypatch: Any, count: Callable[[], int]) -> None:
    cupy = types.ModuleType("cupy")
    cupy.cuda = types.SimpleNamespace(runtime=types.SimpleNamespace(getDeviceCount=count))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cupy", cupy)


def raising(name: str, text: str) -> Callable[[], int]:
    def count() -> int:
        raise type(name, (RuntimeError,), {})(text)

    return count


def test_cupy_is_not_installed(linux: None, monkeypatch: Any) -> None:
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.setattr(_gpu.importlib.util, "find_spec", lambda name: None)
    problem = gpu_problem()
    assert problem == "CuPy is not installed (pip install cupy-cuda12x, or cupy-cuda13x for CUDA 13)"


def test_cupy_cannot_be_imported(linux: None, monkeypatch: Any, tmp_path: Any) -> None:
    (tmp_path / "cupy.py").write_text("raise OSError('libcudart.so.12: cannot open shared object file\\nmore')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    problem = str(gpu_problem())
    expected = (
        "CuPy is installed but cannot be imported: OSError: libcudart.so.12: cannot open shared object file (reinst"
    )
    assert problem.startswith(expected)


CAUSES = [
    (
        False,
        "cudaErrorInsufficientDriver: CUDA driver version is insufficient",
        "the CUDA driver is missing: libcuda.so.1",
    ),
    (
        True,
        "cudaErrorInsufficientDriver: CUDA driver version is insufficient",
        "the CUDA driver is too old for this CuPy",
    ),
    (True, "cudaErrorNoDevice: no CUDA-capable device is detected", "there is no CUDA device"),
    (True, "cudaErrorMemoryAllocation: out of memory", "the GPU has no free memory"),
    (True, "cudaErrorUnknown: unknown error", "the CUDA driver does not answer"),
]


@pytest.mark.parametrize("has_driver, said, problem", CAUSES)
def test_the_driver_says_no(linux: None, monkeypatch: Any, has_driver: bool, said: str, problem: str) -> None:
    stub_cupy(monkeypatch, raising("CUDARuntimeError", said))
    monkeypatch.setattr(_gpu, "_can_load", lambda library: has_driver)
    assert problem in str(gpu_problem())


def test_no_device_and_one_device(linux: None, monkeypatch: Any) -> None:
    stub_cupy(monkeypatch, lambda: 0)
    assert "there is no CUDA device" in str(gpu_problem())
    stub_cupy(monkeypatch, lambda: 1)
    assert gpu_problem() is None


def test_macos_goes_through_pytorch(monkeypatch: Any) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(_gpu.importlib.util, "find_spec", lambda name: None)
    assert "is not installed (pip install torch)" in str(gpu_problem())
    for usable, problem in ((False, "finds no Metal device"), (True, "None")):
        torch = types.ModuleType("torch")
        mps = types.SimpleNamespace(is_available=lambda usable=usable: usable)
        torch.backends = types.SimpleNamespace(mps=mps)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "torch", torch)
        assert problem in str(gpu_problem())


@pytest.mark.skipif(gpu_problem() is None, reason="this machine has a GPU")
def test_cupy_ops_without_a_gpu_say_why() -> None:
    ops = CupyOps()
    for call in (lambda: ops.alloc1f(3), lambda: ops.asarray([1]), lambda: ops.relu(numpy.zeros(3))):
        with pytest.raises(ValueError, match="the cupy ops need a GPU; CuPy is"):
            call()


def test_gpu_allocator_names() -> None:
    with pytest.raises(ValueError, match="set_gpu_allocator: allocator must be 'pytorch' or 'tensorflow'; got 'magic'"):
        set_gpu_allocator("magic")


def test_gpu_allocator_needs_its_library() -> None:
    for name, library in (("pytorch", "torch"), ("tensorflow", "tensorflow")):
        if backends._gpu.importlib.util.find_spec(library) is None:
            with pytest.raises(ImportError):
                set_gpu_allocator(name)


def test_pytorch_pools_nothing_on_a_cpu(torch: Any) -> None:
    before = dict(context_pools.get())
    with use_ops("numpy"):
        use_pytorch_for_gpu_memory()
        set_gpu_allocator("pytorch")
    assert context_pools.get() == before


def test_memory_pools_are_those_of_the_process() -> None:
    """Whatever context they are asked for in; nothing is pooled for what does not run on a GPU."""
    pools = context_pools.get()
    assert in_new_context(context_pools.get) is pools
    assert in_thread(context_pools.get) is pools
    before = dict(pools)
    with pytest.raises(ImportError, match="must be installed"):
        use_tensorflow_for_gpu_memory()
    assert pools == before


# ParamServer


class Proxy:
    def __init__(self) -> None:
        self.params = {(1, "W"): numpy.full(2, 7.0)}
        self.grads: list = []

    def get_param(self, model_id: int, name: str) -> Any:
        return self.params[model_id, name]

    def set_param(self, model_id: int, name: str, value: Any) -> None:
        self.params[model_id, name] = value

    def set_grad(self, model_id: int, name: str, value: Any) -> None:
        self.grads.append(("set", value.tolist()))

    def inc_grad(self, model_id: int, name: str, value: Any) -> None:
        self.grads.append(("inc", value.tolist()))


def test_param_server() -> None:
    given = {(1, "W"): numpy.zeros(2), (1, "b"): numpy.ones(2)}
    server = ParamServer(given)
    assert server.param_keys == ((1, "W"), (1, "b"))
    assert server.grad_keys == ()
    assert server.get_param(1, "W") is given[1, "W"]
    assert (server.has_param(1, "W"), server.has_param(2, "W"), server.has_grad(1, "W")) == (True, False, False)
    step = numpy.array([1.0, 2.0])
    server.inc_grad(1, "b", step)
    grad = server.get_grad(1, "b")
    server.inc_grad(1, "b", step)
    assert grad is server.get_grad(1, "b") is not step
    assert (grad.tolist(), step.tolist()) == ([2.0, 4.0], [1.0, 2.0])
    assert server.grad_keys == ((1, "b"),)
    server.set_param(2, "W", step)
    assert server.param_keys[-1] == (2, "W")
    assert (2, "W") not in given
    for read in (server.get_param, server.get_grad):
        with pytest.raises(KeyError):
            read(9, "W")
    server.del_param(1, "b")
    assert not server.has_param(1, "b")
    assert not server.has_grad(1, "b")


def test_param_server_with_a_proxy() -> None:
    proxy = Proxy()
    server = ParamServer({(1, "W"): numpy.zeros(2)}, proxy=proxy)
    assert server.get_param(1, "W").tolist() == [7.0, 7.0]
    server.set_param(1, "W", numpy.ones(2))
    assert proxy.params[1, "W"].tolist() == [1.0, 1.0]
    server.inc_grad(1, "W", numpy.ones(2))
    server.set_grad(1, "W", numpy.zeros(2))
    assert proxy.grads == [("inc", [1.0, 1.0]), ("set", [0.0, 0.0])]
    assert not server.has_grad(1, "W")


def test_current_ops_are_ops() -> None:
    before = get_current_ops()
    with pytest.raises(TypeError, match="set_current_ops: ops must be an instance of Ops; got 'numpy'"):
        set_current_ops("numpy")  # type: ignore[arg-type]
    assert get_current_ops() is before
