"""Helpers: devices, seeds, array tests, one-hot rows, validation of data against annotations, safe files.

Nothing of another framework is imported here; names such as `torch` or `has_torch` are passed on from compat, and
conversions between frameworks are in _frameworks.py.
"""

import contextlib
import functools
import importlib
import inspect  # noqa: F401
import operator
import os
import stat
import sys
from contextvars import ContextVar
from dataclasses import dataclass
from typing import (  # noqa: F401
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
)

import numpy

from . import types
from ._frameworks import (  # noqa: F401
    assert_mxnet_installed,
    assert_pytorch_installed,
    assert_tensorflow_installed,
    convert_recursive,
    get_torch_default_device,
    is_cupy_array,
    is_mxnet_array,
    is_mxnet_gpu_array,
    is_numpy_array,
    is_tensorflow_array,
    is_tensorflow_gpu_array,
    is_torch_array,
    is_torch_cuda_array,
    is_torch_gpu_array,
    is_torch_mps_array,
    is_xp_array,
    iterate_recursive,
    mxnet2xp,
    tensorflow2xp,
    torch2xp,
    xp2mxnet,
    xp2tensorflow,
    xp2torch,
)
from .errors import KindError
from .types import ArgsKwargs, ArrayXd, FloatsXd, IntsXd, Padded, Ragged  # noqa: F401

if TYPE_CHECKING:
    from .compat import cupy, has_cupy, has_cupy_gpu, has_gpu, has_torch, tensorflow, torch  # noqa: F401

PartialT = TypeVar("PartialT")
DATA_VALIDATION: ContextVar[bool] = ContextVar("DATA_VALIDATION", default=False)

__all__ = [
    "ArrayInfo",
    "DataValidationError",
    "copy_array",
    "fix_random_seed",
    "get_array_module",
    "get_torch_default_device",
    "get_width",
    "has_cupy",
    "has_torch",
    "is_cupy_array",
    "is_numpy_array",
    "make_tempfile",
    "prefer_gpu",
    "require_cpu",
    "require_gpu",
    "set_active_gpu",
    "tensorflow2xp",
    "to_categorical",
    "torch2xp",
    "use_nvtx_range",
    "validate_fwd_input_output",
    "xp2tensorflow",
    "xp2torch",
]

_FROM_COMPAT = {
    "Version": "Version",
    "cupy": "cupy",
    "cupy_from_dlpack": "cupy_from_dlpack",
    "has_cupy": "has_cupy",
    "has_cupy_gpu": "has_cupy_gpu",
    "has_gpu": "has_gpu",
    "has_mxnet": "has_mxnet",
    "has_tensorflow": "has_tensorflow",
    "has_torch": "has_torch",
    "has_torch_cuda_gpu": "has_torch_cuda_gpu",
    "has_torch_mps": "has_torch_mps",
    "mx": "mxnet",
    "tf": "tensorflow",
    "tensorflow": "tensorflow",
    "torch": "torch",
}


def __getattr__(name: str) -> Any:
    if name in ("pathlib", "platform", "random", "tempfile", "threading"):
        # Old code takes these from here; we import them where they are used, as some are slow to import.
        return importlib.import_module(name)
    # Asked for each time: enable_tensorflow() may be called after this module was imported.
    if name in _FROM_COMPAT:
        from . import compat

        return getattr(compat, _FROM_COMPAT[name])
    if name in ("Schema", "ValidationError", "validate_type"):  # of the package that configs are read with
        return getattr(importlib.import_module("confection.validation"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# Devices and seeds.


def get_array_module(arr: Any) -> Any:
    """The library that arr belongs to: numpy or cupy. RAISES: ValueError for anything else."""
    if isinstance(arr, numpy.ndarray):
        return numpy
    if is_cupy_array(arr):
        return sys.modules["cupy"]
    raise ValueError(f"get_array_module: must be a numpy or cupy array; got {type(arr)}")


def gpu_is_available() -> bool:
    """Is there a GPU that require_gpu could use?"""
    from . import compat

    return bool(compat.has_gpu)


def gpu_device(gpu_id: int) -> Any:
    """The CuPy device object. RAISES: ValueError naming what is missing, or for a number that no device has."""
    from . import compat
    from .backends import gpu_problem

    if not compat.has_cupy_gpu:
        raise ValueError(f"gpu: a CUDA device is needed; {gpu_problem() or 'CuPy finds none'}")
    count = compat.cupy.cuda.runtime.getDeviceCount()
    if not 0 <= gpu_id < count:
        raise ValueError(f"gpu: gpu_id must be in [0, {count}), the devices that CUDA sees; got {gpu_id}")
    return compat.cupy.cuda.device.Device(gpu_id)


def set_active_gpu(gpu_id: int) -> Any:
    """Make this CUDA device current, for PyTorch too if it is loaded. RETURNS: the CuPy device."""
    device = gpu_device(gpu_id)
    device.use()
    from . import compat

    if compat.has_torch_cuda_gpu:
        compat.torch.cuda.set_device(gpu_id)
    return device


def require_cpu() -> bool:
    """Use the best CPU backend from now on. RETURNS: True."""
    from .backends import get_ops, set_current_ops

    set_current_ops(get_ops("cpu"))
    return True


def prefer_gpu(gpu_id: int = 0) -> bool:
    """Use the GPU from now on if there is one. RETURNS: whether there is."""
    if gpu_is_available():
        require_gpu(gpu_id)
        return True
    return False


def require_gpu(gpu_id: int = 0) -> bool:
    """Use the GPU from now on. RAISES: ValueError naming the real cause when that is impossible. RETURNS: True."""
    from . import compat
    from .backends import CupyOps, MPSOps, gpu_problem, set_current_ops

    problem = None if compat.has_gpu else gpu_problem() or "no GPU was found"
    if problem is not None:
        raise ValueError(f"require_gpu: {problem}")
    if compat.has_cupy_gpu:
        set_active_gpu(gpu_id)
        set_current_ops(CupyOps(device_id=gpu_id))
    else:
        set_current_ops(MPSOps())
    return True


def fix_random_seed(seed: int = 0) -> None:
    """Seed the random numbers of Python, NumPy and, where installed, PyTorch and CuPy. Any int will do.

    PyTorch is not imported for it; when it is later, its seed is set then.
    RAISES: TypeError for a seed that is no integer, before anything is seeded.
    """
    import random

    from . import compat
    from ._seeding import seed_torch

    try:
        seed = operator.index(seed)
    except TypeError:
        raise KindError(f"fix_random_seed: seed must be an integer; got {seed!r}") from None
    random.seed(seed)
    numpy.random.seed(seed % (2**32))
    seed_torch(seed % 0xFFFFFFFFFFFFFFFF)
    if compat.has_cupy_gpu:
        compat.cupy.random.seed(seed % (2**32))


# Arrays.


def to_numpy(data: Any) -> numpy.ndarray:
    """data as a numpy array; a numpy array is returned as it is."""
    if isinstance(data, numpy.ndarray):
        return data
    if is_cupy_array(data):
        return cast("numpy.ndarray[Any, Any]", data.get())
    return numpy.array(data)


def copy_array(dst: ArrayXd, src: ArrayXd) -> None:
    """Copy src into dst in place, from and to either device."""
    if isinstance(dst, numpy.ndarray):
        numpy.copyto(dst, src.get() if is_cupy_array(src) else src, casting="unsafe")
    elif is_cupy_array(dst):
        sys.modules["cupy"].copyto(dst, sys.modules["cupy"].asarray(src))
    else:
        numpy.copyto(dst, src)  # type: ignore[arg-type]


def to_categorical(Y: IntsXd, n_classes: Optional[int] = None, *, label_smoothing: float = 0.0) -> FloatsXd:
    """One-hot rows of float32.

    Y: class ids in [0, n_classes), any shape; False and True are 0 and 1.
    n_classes: default is the largest id plus one.
    label_smoothing: probability that is taken from the true class and shared among the others.
    RETURNS: Y.shape + (n_classes,).
    RAISES: TypeError for labels that are no integers, IndexError for labels out of range.
    """
    xp = get_array_module(Y)
    if Y.dtype.kind not in "biu":
        raise KindError(f"to_categorical: labels must have an integer dtype; got {Y.dtype}")
    if n_classes is None:
        labels = to_numpy(Y)
        if not labels.size:
            raise ValueError("to_categorical: n_classes must be given when there are no labels")
        n_classes = int(labels.max()) + 1
    check_smoothing(n_classes, label_smoothing)
    ids = Y.reshape(-1).astype(int) if Y.dtype.kind == "b" else Y.reshape(-1)
    if ids.size and not (0 <= int(ids.min()) and int(ids.max()) < n_classes):
        wrong = ids.min() if int(ids.min()) < 0 else ids.max()
        raise IndexError(f"to_categorical: labels must be in [0, {n_classes}); got {int(wrong)}")
    off = label_smoothing / (n_classes - 1) if label_smoothing else 0.0
    rows = xp.full((ids.size, n_classes), off, dtype="float32")
    rows[xp.arange(ids.size), ids] = 1.0 - label_smoothing
    return cast(FloatsXd, rows.reshape(tuple(Y.shape) + (n_classes,)))


def check_smoothing(n_classes: int, smoothing: float) -> None:
    if smoothing < 0.0:
        raise ValueError(f"to_categorical: label_smoothing parameter must be 0 or more; got {smoothing}")
    if smoothing == 0.0:
        if n_classes == 0:
            raise ValueError("to_categorical: n_classes should be at least 1; got 0")
        return
    if n_classes <= 1:
        raise ValueError(
            f"to_categorical: n_classes should be greater than 1 with label smoothing, but {n_classes} was given"
        )
    largest = (n_classes - 1) / n_classes
    if smoothing >= largest:
        raise ValueError(
            f"to_categorical: label_smoothing parameter must be below {largest} for {n_classes} classes, "
            f"or the true class is not the most likely one; got {smoothing}"
        )


def get_width(X: Any, *, dim: int = -1) -> int:
    """The size of a batch along one axis, or of its first item if it is a list.

    A 1-d array is read as class ids, so its width is the largest id plus one.
    RAISES: ValueError for anything that is no array, Ragged, Padded, list or tuple.
    """
    if isinstance(X, (Ragged, Padded)):
        return get_width(X.data, dim=dim)
    if hasattr(X, "shape"):
        if len(X.shape) == 0:
            return 0
        if len(X.shape) == 1:
            return int(X.max()) + 1 if X.shape[0] else 0
        return int(X.shape[dim])
    if isinstance(X, (list, tuple)):
        return get_width(X[0], dim=dim) if len(X) else 0
    raise ValueError(f"get_width: must be an array, Ragged, Padded, list or tuple; got {type(X)}")


@dataclass
class ArrayInfo:
    """The shape and dtype of an array, to be compared with those of its gradient."""

    shape: types.Shape
    dtype: Any

    @classmethod
    def from_array(cls, arr: ArrayXd) -> "ArrayInfo":
        return cls(shape=arr.shape, dtype=arr.dtype)

    def check_consistency(self, arr: ArrayXd) -> None:
        """RAISES: ValueError when shape or dtype differ."""
        if arr.shape != self.shape:
            raise ValueError(f"backprop: gradient must have the shape of the output {self.shape}; got {arr.shape}")
        if arr.dtype != self.dtype:
            raise ValueError(f"backprop: gradient must have the dtype of the output {self.dtype}; got {arr.dtype}")


# Validation.


class DataValidationError(ValueError):
    """Sample data that does not fit the annotations of a forward function."""

    def __init__(self, name: str, X: Any, Y: Any, errors: Sequence[Mapping[str, Any]] = []) -> None:
        self.name, self.errors = name, list(errors)
        rows = [(" -> ".join(str(part) for part in each.get("loc", ())), str(each.get("msg", ""))) for each in errors]
        width = max((len(row[0]) for row in rows), default=0)
        lines = [
            "",
            f"Data does not fit the annotations of layer {name!r}",
            f"X: {type(X)} Y: {type(Y)}",
            *(f"{loc.ljust(width)}   {message}" for loc, message in rows),
        ]
        super().__init__("\n".join(lines))


def validate_fwd_input_output(name: str, func: Callable[..., Any], X: Any, Y: Any) -> None:
    """Check sample data against the annotations of forward(model, X, is_train) -> (Y, backprop).

    RAISES: DataValidationError naming the layer and each side that does not fit.
    """
    from .typecheck import Mismatch, hints_of, match, signature_of

    parameters = list(signature_of(func).parameters)
    if len(parameters) != 3:
        message = f"forward must take 3 arguments (model, X, is_train); got {len(parameters)}: {parameters}"
        raise DataValidationError(name, X, Y, [{"loc": (), "msg": message}])
    hints = hints_of(func)
    errors = []
    # A few items of a list tell as much as all of them.
    for side, data, hint in (("X", X, hints.get(parameters[1])), ("Y", Y, _output_hint(hints.get("return")))):
        if data is None or hint is None:
            continue
        try:
            match(data[:5] if isinstance(data, list) else data, hint)
        except Mismatch as error:
            errors.append({"loc": (side, *error.loc), "msg": str(error)})
    if errors:
        raise DataValidationError(name, X, Y, errors)


def _output_hint(hint: Any) -> Any:
    """The annotation of Y in `-> Tuple[Y, Callable]`."""
    arguments = get_args(hint)
    return arguments[0] if get_origin(hint) is tuple and len(arguments) == 2 and arguments[1] is not ... else None


@contextlib.contextmanager
def data_validation(validation: bool) -> Iterator[None]:
    """Check data against annotations in initialize() within the block (in this thread or task)."""
    token = DATA_VALIDATION.set(validation)
    try:
        yield
    finally:
        DATA_VALIDATION.reset(token)


# Files and the rest.


@contextlib.contextmanager
def make_tempfile(mode: str = "r") -> Iterator[Any]:
    """A named temporary file, removed at the end of the block."""
    import tempfile

    file_ = tempfile.NamedTemporaryFile(mode=mode, delete=False)
    try:
        yield file_
    finally:
        file_.close()
        with contextlib.suppress(FileNotFoundError):
            os.remove(file_.name)


def write_atomically(path: Any, data: bytes) -> None:
    """Write a file so that there is the old content or the new, whatever goes wrong half-way.

    path: a pathlib path. Other path-like objects (cloud storage) are opened and written, as they have no rename.
    """
    import pathlib

    if not isinstance(path, pathlib.Path) or (path.exists() and not path.is_file() and not path.is_dir()):
        with path.open("wb") as file_:
            file_.write(data)
        return
    target = pathlib.Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(f"write: must be a file; got the directory {str(path)!r}")
    beside = target.with_name(f".{target.name[:40]}.{os.urandom(4).hex()}.tmp")
    try:
        with open(beside, "xb") as file_:
            file_.write(data)
            file_.flush()
            os.fsync(file_.fileno())
        if target.exists():
            os.chmod(beside, stat.S_IMODE(target.stat().st_mode))
        os.replace(beside, target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.remove(beside)
        if isinstance(error, OSError) and error.filename == str(beside):
            error.filename = str(path)  # what was asked for, not the name of the temporary file
        raise


@contextlib.contextmanager
def use_nvtx_range(message: str, id_color: int = -1) -> Iterator[None]:
    """Mark the block in the timeline of NVIDIA's profilers; does nothing without CuPy."""
    from . import compat

    if not compat.has_cupy:
        yield
        return
    compat.cupy.cuda.nvtx.RangePush(message, id_color)
    try:
        yield
    finally:
        compat.cupy.cuda.nvtx.RangePop()


def partial(func: Callable[..., PartialT], *args: Any, **kwargs: Any) -> Callable[..., PartialT]:
    """functools.partial that keeps the docstring."""
    wrapped = functools.partial(func, *args, **kwargs)
    wrapped.__doc__ = func.__doc__
    return wrapped
