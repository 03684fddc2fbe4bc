"""A stand-in for CuPy on machines without a GPU: its arrays hold NumPy arrays, but refuse to be mixed with them.

What runs on it uses self.xp for everything, moves data with asarray and get, and never touches the host by accident.
That it also uses nothing but what CuPy has is for a machine with a GPU to tell.
"""

from __future__ import annotations

import math
import operator
import sys
import types
import weakref
from typing import Any, Dict, List, Tuple

import numpy

from thinc_core import compat

READS: List[str] = []  # what has made the host wait for values from the device, since it was last cleared
WAITING = {"nonzero", "flatnonzero", "argwhere", "unique", "extract", "allclose", "array_equal"}
WAYS_IN = {"array", "asarray", "ascontiguousarray"}  # the functions that take NumPy arrays


def unwrap(value: Any, allow_host: bool = False) -> Any:
    """The NumPy values inside; TypeError, as in CuPy, when a NumPy array is among them."""
    if isinstance(value, ndarray):
        return value._data
    if isinstance(value, numpy.ndarray) and value.ndim and not allow_host:
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    if isinstance(value, (list, tuple)):
        return type(value)(unwrap(each, allow_host) for each in value)
    return value


def wrap(value: Any) -> Any:
    """Arrays and, as CuPy has no scalars, NumPy's scalars become arrays of the stand-in."""
    if isinstance(value, (numpy.ndarray, numpy.generic)):
        return ndarray(numpy.asarray(value))
    if isinstance(value, tuple):
        return tuple(wrap(each) for each in value)
    return value


class Flags(dict):
    """CuPy's flags know nothing of read-only arrays."""

    def __init__(self, contiguous: bool):
        super().__init__(C_CONTIGUOUS=contiguous)
        self.c_contiguous = contiguous


class Memory:
    """Where an array lies."""

    def __init__(self, ptr: int):
        self.ptr = ptr


class ndarray:
    """A NumPy array in another coat."""

    __module__ = "cupy"
    __array_ufunc__ = None
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, data: Any):
        self._data = data

    @property
    def data(self) -> Memory:
        return Memory(self._data.ctypes.data)

    def get(self) -> Any:
        READS.append("get")
        return self._data.copy(order="K")

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_data":
            raise AttributeError(name)
        value = getattr(self._data, name)
        if name == "flags":
            return Flags(value["C_CONTIGUOUS"])
        if callable(value) and not isinstance(value, numpy.dtype):
            return lambda *args, **kwargs: self._called(name, value, args, kwargs)
        return wrap(value)

    def _called(self, name: str, method: Any, args: Tuple[Any, ...], kwargs: Any) -> Any:
        result = method(*unwrap(args), **{key: unwrap(value) for key, value in kwargs.items()})
        if result is self._data:
            return self
        if name in ("tolist", "item", "nonzero"):
            READS.append(name)
        return result if name in ("tolist", "item") else wrap(result)

    def __getitem__(self, key: Any) -> ndarray:
        if isinstance(key, ndarray) and key.dtype.kind == "b":
            READS.append("index by a mask")
        return wrap(self._data[unwrap(key, allow_host=True)])  # CuPy takes indices from the host

    def __setitem__(self, key: Any, value: Any) -> None:
        self._data[unwrap(key, allow_host=True)] = unwrap(value)

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        READS.append("bool")
        return bool(self._data)

    def __int__(self) -> int:
        READS.append("int")
        return int(self._data)

    def __float__(self) -> float:
        READS.append("float")
        return float(self._data)


def _operators() -> None:
    for name in "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift".split():
        function = getattr(operator, {"and": "and_", "or": "or_"}.get(name, name))
        setattr(ndarray, f"__{name}__", lambda self, other, f=function: wrap(f(self._data, unwrap(other))))
        setattr(ndarray, f"__r{name}__", lambda self, other, f=function: wrap(f(unwrap(other), self._data)))
        setattr(ndarray, f"__i{name}__", lambda self, other, f=function: _in_place(self, f, other))
    for name in ("lt", "le", "gt", "ge", "eq", "ne"):
        function = getattr(operator, name)
        setattr(ndarray, f"__{name}__", lambda self, other, f=function: wrap(f(self._data, unwrap(other))))
    for name in ("neg", "invert", "abs"):
        function = getattr(operator, name)
        setattr(ndarray, f"__{name}__", lambda self, f=function: wrap(f(self._data)))


def _in_place(target: ndarray, function: Any, other: Any) -> ndarray:
    target._data[...] = function(target._data, unwrap(other))
    return target


_operators()


class _Function:
    """A NumPy function, its attributes (add.at) included, on arrays of the stand-in."""

    def __init__(self, name: str, function: Any):
        self._name, self._function = name, function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        host = self._name in WAYS_IN
        if self._name in WAITING:
            READS.append(self._name)
        return wrap(self._function(*unwrap(args, host), **{key: unwrap(value, host) for key, value in kwargs.items()}))

    def at(self, target: ndarray, indices: Any, values: Any) -> None:
        self._function.at(target._data, unwrap(indices), unwrap(values))


class FakeCupy(types.ModuleType):
    """The module."""

    def __init__(self) -> None:
        super().__init__("cupy")
        self.ndarray = ndarray

    def __getattr__(self, name: str) -> Any:
        value = getattr(numpy, name)
        if name in ("finfo", "result_type") or isinstance(value, type) or not callable(value):
            return (lambda X: value(X)) if name == "finfo" else value
        return OWN[name] if name in OWN else _Function(name, value)


def _asarray(X: Any, dtype: Any = None) -> ndarray:
    same = isinstance(X, ndarray) and (dtype is None or X.dtype == dtype)
    return X if same else wrap(numpy.asarray(unwrap(X, allow_host=True), dtype=dtype))


GUARD, GUARD_BYTE = 64, 0xA5
_guarded: Any = weakref.WeakValueDictionary()  # new arrays by address, with the bytes around them


def _empty(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    """A new array full of NaN (ones in every bit), between bytes that nobody may change."""
    kind = numpy.dtype(dtype)
    size = math.prod(shape) * kind.itemsize if isinstance(shape, tuple) else int(shape) * kind.itemsize
    holder = numpy.full(size + 3 * GUARD, GUARD_BYTE, dtype="uint8")
    start = GUARD + -holder.ctypes.data % GUARD
    holder[start : start + size] = 0xFF
    made = numpy.ndarray(shape, kind, holder, start, order=order)  # type: ignore[call-overload]
    if size:
        _guarded[made.ctypes.data] = holder
    return ndarray(made)


def check_guards(kernel: str, arrays: Any) -> None:
    """Whether a kernel wrote only where its arguments lie, as far as those are arrays that were made here."""
    for i, array in enumerate(arrays):
        holder = _guarded.get(array.data.ptr) if isinstance(array, ndarray) else None
        if holder is not None:
            start = array.data.ptr - holder.ctypes.data
            end = len(holder) - 3 * GUARD + start
            if (holder[:start] != GUARD_BYTE).any() or (holder[end:] != GUARD_BYTE).any():
                raise AssertionError(f"{kernel}: it wrote outside of its argument {i}, an array of shape {array.shape}")


OWN = {"asarray": _asarray, "empty": _empty}


def _special(name: str) -> types.ModuleType:
    """cupyx.scipy.special and the packages above it, with the functions that are used."""
    module = types.ModuleType(name)
    for function in ("erf", "erfc"):
        exact = numpy.frompyfunc(getattr(math, function), 1, 1)
        setattr(module, function, lambda X, exact=exact: wrap(numpy.asarray(exact(X._data)).astype(X.dtype)))
    return module


FAKE = FakeCupy()
SPECIAL = _special("cupyx.scipy.special")
MODULES = {"cupy": FAKE, "cupyx": types.ModuleType("cupyx"), "cupyx.scipy": types.ModuleType("cupyx.scipy")}
MODULES["cupyx.scipy.special"] = SPECIAL
MODULES["cupyx"].scipy, MODULES["cupyx.scipy"].special = MODULES["cupyx.scipy"], SPECIAL  # type: ignore[attr-defined]

# What thinc_core.compat remembers of CuPy.
CUPY_FACTS = ("cupy", "cupyx", "cublas", "cupy_version", "cupy_from_dlpack", "has_cupy", "has_cupy_gpu", "has_gpu")


def pretend_installed(monkeypatch: Any, modules: Dict[str, Any]) -> None:
    """Until the test ends, importing these names gives the stand-ins. modules: {name: module}."""
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    for fact in CUPY_FACTS:
        # compat forgets what it knew of CuPy now, and (setitem first) what it learns of the stand-in afterwards.
        monkeypatch.setitem(vars(compat), fact, None)
        monkeypatch.delitem(vars(compat), fact)
