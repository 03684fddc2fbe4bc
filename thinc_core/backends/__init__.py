"""Which ops compute: by name, by array, for this context, for the whole process. Nothing here is numeric.

get_current_ops looks in this order: what was set in the current context (set_current_ops, use_ops); the process-wide
default, which set_current_ops in the main thread leaves behind; the best CPU backend. So worker threads, asyncio tasks
and notebook cells that set nothing compute where the rest of the process does.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Type, Union

from ._gpu import (
    context_pools,
    cupy_pytorch_allocator,
    cupy_tensorflow_allocator,
    gpu_problem,
    set_gpu_allocator,
    use_pytorch_for_gpu_memory,
    use_tensorflow_for_gpu_memory,
)
from ._matmul_precision import get_matmul_precision, set_matmul_precision, use_matmul_precision
from ._param_server import ParamServer
from .mps_ops import MPSOps
from .numpy_ops import NumpyOps, active_isa, get_num_threads, set_isa, set_num_threads, supported_isas
from .ops import Ops

if sys.platform == "darwin":
    from .apple_ops import AppleOps
else:
    AppleOps = None

if TYPE_CHECKING:
    from ..compat import has_cupy
    from .cblas import active_blas, available_blas, describe_blas, set_blas
    from .cupy_ops import CupyOps

__all__ = [
    "AppleOps",
    "CupyOps",
    "MPSOps",
    "NumpyOps",
    "Ops",
    "ParamServer",
    "active_blas",
    "active_isa",
    "available_blas",
    "context_ops",
    "context_pools",
    "contextvars_eq_thread_ops",
    "cupy_pytorch_allocator",
    "cupy_tensorflow_allocator",
    "describe_blas",
    "get_array_ops",
    "get_current_ops",
    "get_matmul_precision",
    "get_num_threads",
    "get_ops",
    "gpu_problem",
    "has_cupy",
    "set_blas",
    "set_current_ops",
    "set_gpu_allocator",
    "set_isa",
    "set_matmul_precision",
    "set_num_threads",
    "supported_isas",
    "use_matmul_precision",
    "use_ops",
    "use_pytorch_for_gpu_memory",
    "use_tensorflow_for_gpu_memory",
]

context_ops: ContextVar[Optional[Ops]] = ContextVar("context_ops", default=None)
_inside_use_ops: ContextVar[bool] = ContextVar("inside_use_ops", default=False)
_thread = threading.local()
_process_ops: Optional[Ops] = None


_CLASSES: List[Type[Ops]] = [cls for cls in (NumpyOps, AppleOps, MPSOps) if cls is not None]


def __getattr__(name: str) -> Any:
    if name == "has_cupy":  # asking imports CuPy when it is installed
        from ..compat import has_cupy

        return has_cupy
    if name == "CupyOps":
        return _cupy_ops()
    if name in ("active_blas", "available_blas", "describe_blas", "set_blas"):
        from . import cblas

        return getattr(cblas, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _cupy_ops() -> Type[CupyOps]:
    """Imported by who asks for it: its kernels' methods are a dozen modules, of no use without a GPU."""
    from .cupy_ops import CupyOps

    return CupyOps


def get_ops(name: str, **kwargs: Any) -> Ops:
    """A new backend of that name.

    name: "cpu" for the best CPU backend, or the name of a backend: "numpy", "apple", "cupy", "mps", or that of a class
        in the registry of ops.  kwargs: passed on to its constructor.
    RAISES: ValueError when no backend has that name. "cupy" never fails here: gpu_problem tells whether it can be used.
    """
    if name == "cupy":
        return _cupy_ops()(**kwargs)
    classes = {cls.name: cls for cls in _CLASSES}
    if name == "cpu":
        return _best_cpu(classes)(**kwargs)
    if name not in classes:
        classes = {**_registered(), **classes}
    if name not in classes:
        raise ValueError(f"get_ops: name must be 'cpu' or one of {sorted({'cupy', *classes})}; got {name!r}")
    return classes[name](**kwargs)


def _best_cpu(classes: Dict[str, Type[Ops]]) -> Type[Ops]:
    """Rising priority: numpy, apple, bigendian (which a package of its own registers)."""
    if sys.byteorder == "big":
        classes = {**classes, **_registered()}
    return classes.get("bigendian") or classes.get("apple") or classes["numpy"]


def _registered() -> Dict[str, Type[Ops]]:
    """The classes that other packages have put into the registry, by their name attribute."""
    from ..config import registry

    return {cls.name: cls for cls in registry.ops.get_all().values()}


def get_array_ops(arr: Any) -> Ops:
    """A new CupyOps for a CuPy array, a new NumpyOps for anything else."""
    from .checks import is_cupy

    return _cupy_ops()() if is_cupy(arr) else NumpyOps()


def get_current_ops() -> Ops:
    """The ops of this context, else those of the process, else the best CPU backend, which the process then keeps."""
    ops = context_ops.get()
    return _default_ops() if ops is None else ops


def _default_ops() -> Ops:
    global _process_ops
    if _process_ops is None:
        _process_ops = get_ops("cpu")
    return _process_ops


def set_current_ops(ops: Ops) -> None:
    """Set the ops of this context; in the main thread and outside use_ops, those of the whole process too.

    RAISES: TypeError for anything else than ops, such as a name, which use_ops and get_ops take.
    """
    global _process_ops
    if not isinstance(ops, Ops):
        raise TypeError(f"set_current_ops: ops must be an instance of Ops; got {ops!r} (get_ops finds one by name)")
    context_ops.set(ops)
    _thread.ops = ops
    if threading.current_thread() is threading.main_thread() and not _inside_use_ops.get():
        _process_ops = ops


@contextlib.contextmanager
def use_ops(name: Union[str, Ops], **kwargs: Any) -> Iterator[Ops]:
    """Compute with other ops within a with block, in this context only.

    name: as in get_ops, or the ops themselves.  kwargs: passed on to the constructor.
    YIELDS: the ops.
    """
    ops = name if isinstance(name, Ops) else get_ops(name, **kwargs)
    before, mirror = context_ops.get(), getattr(_thread, "ops", None)
    inside = _inside_use_ops.set(True)
    set_current_ops(ops)
    try:
        yield ops
    finally:
        _inside_use_ops.reset(inside)
        context_ops.set(before)
        _thread.ops = mirror


def contextvars_eq_thread_ops() -> bool:
    """Whether the context and the thread were last given ops of one type; False when the context was lost, as in a
    notebook that runs each cell in a context of its own."""
    return type(context_ops.get()) is type(getattr(_thread, "ops", None))
