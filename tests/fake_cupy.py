"""A stand-in for CuPy on machines without a GPU: its arrays hold NumPy arrays, but refuse to be mixed with them.

What runs on it uses self.xp for everything, moves data with asarray and get, and never touches the host by accident.
That it also uses nothing but what CuPy has is for a machine with a GPU to tell.
"""

from __future__ import annotations

import ctypes
import math
import operator
import os
import sys
import threading
import types
import weakref
from collections import Counter
from typing import Any, Dict, Iterator, List, Tuple

import numpy

from thinc_core import compat

WAYS_IN = {"array", "asarray", "ascontiguousarray"}  # the functions that take NumPy arrays
WAITS = {"flatnonzero", "nonzero", "unique", "argwhere", "array_equal", "allclose"}  # that look at values on the host
SEVERAL = {"unique": 6, "argsort": 2, "lexsort": 2, "repeat": 2, "take_along_axis": 4, "nonzero": 3, "flatnonzero": 3}


class Ledger:
    """What a device was asked for while this was open, by name: launches (kernels, array expressions, and copies and
    fills on the device), copies from the host, and what made the host wait. A view of an argument costs nothing.

    with Ledger() as ledger: ...
    """

    def __init__(self) -> None:
        self.launches: Counter[str] = Counter()
        self.copies: Counter[str] = Counter()
        self.waits: Counter[str] = Counter()

    def __enter__(self) -> Ledger:
        _open.append(self)
        return self

    def __exit__(self, *error: Any) -> None:
        _open.remove(self)

    def __str__(self) -> str:
        lines = [f"{n:5} {name}" for name, n in self.launches.most_common()]
        total = f"{self.launches.total():5} launches, {self.copies.total()} copies from the host"
        return "\n".join([*lines, f"{total}, {self.waits.total()} waits {dict(self.waits)}"])


_open: List[Ledger] = []


def note_launch(name: str, count: int = 1) -> None:
    for ledger in _open:
        ledger.launches[name] += count


def note_wait(name: str) -> None:
    for ledger in _open:
        ledger.waits[name] += 1


def _noted(name: str, result: Any, args: Any, kwargs: Any) -> Any:
    """The result of NumPy's function of that name, with what CuPy's would have cost on the ledgers."""
    if not _open:
        return result
    given = [each for each in _flat([args, kwargs]) if isinstance(each, ndarray)]
    made = [each for each in _flat(result) if isinstance(each, (numpy.ndarray, numpy.generic))]
    if name in WAITS:
        note_wait(name)
    if name.split("_")[0] == "empty" or not (made or given):
        return result
    if all(isinstance(each, numpy.ndarray) and _is_view(each, given) for each in made) and "out" not in kwargs and made:
        return result
    if name in WAYS_IN and not given:
        for ledger in _open:
            ledger.copies[name] += 1
    elif name in ("concatenate", "stack", "hstack", "vstack"):
        note_launch(name, len(given))
    elif name == "dot" and given[0].ndim == 1:  # of cuBLAS: partial sums, then theirs
        note_launch(name, 2)
    else:
        note_launch(name, SEVERAL.get(name, 1))
    return result


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, (list, tuple)):
        for each in value:
            yield from _flat(each)
    elif isinstance(value, dict):
        yield from _flat(list(value.values()))
    else:
        yield value


def _is_view(array: Any, given: Any) -> bool:
    return any(numpy.may_share_memory(array, each._data) for each in given)


class _Current(threading.local):
    """The number of the device that each thread computes on; fake_cuda.py sets it."""

    device = 0


CURRENT = _Current()


def unwrap(value: Any, allow_host: bool = False) -> Any:
    """The NumPy values inside; as in CuPy, TypeError when a NumPy array is among them, ValueError for one elsewhere."""
    if isinstance(value, ndarray):
        if value._number != CURRENT.device:
            where = f"array device = {value._number} while current = {CURRENT.device}"
            raise ValueError(f"Array device must be same as the current device: {where}")
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
    if isinstance(value, (tuple, list)):
        return type(value)(wrap(each) for each in value)
    return value


class Flags(dict):
    """CuPy's flags know nothing of read-only arrays."""

    def __init__(self, contiguous: bool):
        super().__init__(C_CONTIGUOUS=contiguous)
        self.c_contiguous = contiguous


class Memory:
    """Where an array lies."""

    def __init__(self, ptr: int, device_id: int):
        self.ptr, self.device_id = ptr, device_id


class ndarray:
    """A NumPy array in another coat."""

    __module__ = "cupy"
    __array_ufunc__ = None
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, data: Any, base: Any = None):
        self._data, self._number = data, CURRENT.device
        self.base = base  # the array that this one is a view of, which is no view itself

    @property
    def data(self) -> Memory:
        return Memory(self._data.ctypes.data, self._number)

    def get(self) -> Any:
        note_wait("get")
        return self._data.copy(order="K")

    def copy(self, order: str = "C") -> ndarray:
        copied = self._data.copy(order)
        return wrap(_noted("copy", copied, (self,), {}))  # on the current device, wherever it was

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("_data", "_number", "base"):
            raise AttributeError(name)
        value = getattr(self._data, name)
        if name == "flags":
            return Flags(value["C_CONTIGUOUS"])
        if name == "T":
            return self._view(value)
        if callable(value) and not isinstance(value, numpy.dtype):
            return lambda *args, **kwargs: self._called(name, value, args, kwargs)
        return wrap(value)

    def _called(self, name: str, method: Any, args: Tuple[Any, ...], kwargs: Any) -> Any:
        result = method(*unwrap(args), **{key: unwrap(value) for key, value in kwargs.items()})
        if name in ("tolist", "item"):
            note_wait(name)
            return result
        if name not in ("reshape", "ravel", "transpose", "view"):
            unwrap(self)
        _noted(name, result, (self, args), kwargs)
        return self if result is self._data else self._view(result)

    def _view(self, data: Any) -> ndarray:
        """What was made of this array alone: it lies where that does, whatever the current device is."""
        made: ndarray = wrap(data)
        if isinstance(made, ndarray):
            made._number = self._number
            if numpy.may_share_memory(made._data, self._data):
                made.base = self if self.base is None else self.base
        return made

    def __getitem__(self, key: Any) -> ndarray:
        if isinstance(key, (ndarray, numpy.ndarray)) and key.dtype.kind == "b":
            note_wait("index by a mask")
        found = self._data[unwrap(key, allow_host=True)]  # CuPy takes indices from the host
        return self._view(_noted("getitem", found, (self, key), {}))

    def __setitem__(self, key: Any, value: Any) -> None:
        self._data[unwrap(key, allow_host=True)] = unwrap(value)
        note_launch("setitem")

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        note_wait("bool")
        return bool(self._data)

    def __int__(self) -> int:
        note_wait("int")
        return int(self._data)

    def __float__(self) -> float:
        note_wait("float")
        return float(self._data)


def _operator(name: str, function: Any, reflected: bool = False) -> Any:
    def method(self: ndarray, *other: Any) -> ndarray:
        values = [self._data, *(unwrap(each) for each in other)]
        note_launch(name)
        return wrap(function(*reversed(values) if reflected else values))

    return method


def _operators() -> None:
    for name in "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift".split():
        function = getattr(operator, {"and": "and_", "or": "or_"}.get(name, name))
        setattr(ndarray, f"__{name}__", _operator(name, function))
        setattr(ndarray, f"__r{name}__", _operator(name, function, reflected=True))
        setattr(ndarray, f"__i{name}__", lambda self, other, n=name, f=function: _in_place(self, f"i{n}", f, other))
    for name in "lt le gt ge eq ne neg invert abs".split():
        setattr(ndarray, f"__{name}__", _operator(name, getattr(operator, name)))


def _in_place(target: ndarray, name: str, function: Any, other: Any) -> ndarray:
    note_launch(name)
    target._data[...] = function(target._data, unwrap(other))
    return target


_operators()


class _Function:
    """A NumPy function, its attributes (add.at) included, on arrays of the stand-in."""

    def __init__(self, name: str, function: Any):
        self._name, self._function = name, function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        host = self._name in WAYS_IN
        result = self._function(*unwrap(args, host), **{key: unwrap(value, host) for key, value in kwargs.items()})
        return wrap(_noted(self._name, result, args, kwargs))

    def at(self, target: ndarray, indices: Any, values: Any) -> None:
        note_launch(f"{self._name}.at")
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
    if isinstance(X, ndarray) and X._number != CURRENT.device:
        X = X.copy()
    same = isinstance(X, ndarray) and (dtype is None or X.dtype == dtype)
    return X if same else wrap(_noted("asarray", numpy.asarray(unwrap(X, allow_host=True), dtype=dtype), (X,), {}))


# A sanitized process sees reads beyond an array too, when the memory ends where the array does.
GUARD, GUARD_BYTE = 0 if os.environ.get("THINC_CORE_SANITIZED") else 64, 0xA5
_guarded: Any = weakref.WeakValueDictionary()  # new arrays by address, with the bytes around them


def _empty(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    """A new array full of NaN (ones in every bit), between bytes that nobody may change."""
    kind = numpy.dtype(dtype)
    size = math.prod(shape) * kind.itemsize if isinstance(shape, tuple) else int(shape) * kind.itemsize
    holder = numpy.full(size + 3 * GUARD, GUARD_BYTE, dtype="uint8")
    start = GUARD + -holder.ctypes.data % GUARD if GUARD else 0
    holder[start : start + size] = 0xFF
    made = numpy.ndarray(shape, kind, holder, start, order=order)  # type: ignore[call-overload]
    if size and GUARD:
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


def _gemm(transa: str, transb: str, a: ndarray, b: ndarray, out: ndarray, alpha: float, beta: float) -> ndarray:
    """cupy.cublas.gemm: out = alpha * op(a) @ op(b) + beta * out, one launch."""
    assert a.dtype == b.dtype == out.dtype
    assert a.dtype.char in "fd"
    note_launch("gemm")
    x, y = a._data.T if transa == "T" else a._data, b._data.T if transb == "T" else b._data
    out._data[...] = alpha * (x @ y) + beta * out._data
    return out


def _gemm_ex(handle: int, *arguments: int) -> None:
    """cupy.cuda.cublas.gemmEx: C = alpha * op(A) @ op(B) + beta * C, by addresses, in the order of columns."""
    right, left, m, n, k, alpha, a, a_type, lda, b, b_type, ldb, beta, c, c_type, ldc, compute, _ = arguments
    assert (handle, compute) == (1, 68)
    A, B = _columns(a, a_type, (m, k), right, lda), _columns(b, b_type, (k, n), left, ldb)
    C = _columns(c, c_type, (m, n), 0, ldc)
    scales = [ctypes.c_float.from_address(each).value for each in (alpha, beta)]
    note_launch("gemm")
    total = scales[0] * (A.astype("float32") @ B.astype("float32"))
    C[...] = total + scales[1] * C.astype("float32") if scales[1] else total


def _columns(address: int, dtype: int, shape: Tuple[int, int], transposed: int, ld: int) -> Any:
    kind = numpy.dtype({0: "float32", 2: "float16", 14: "bfloat16"}[dtype])
    rows, columns = shape[::-1] if transposed else shape
    assert ld >= rows
    memory = (ctypes.c_char * (((columns - 1) * ld + rows) * kind.itemsize)).from_address(address)
    found = numpy.ndarray((rows, columns), kind, memory, strides=(kind.itemsize, ld * kind.itemsize))
    return found.T if transposed else found


FAKE = FakeCupy()
FAKE.cuda = types.SimpleNamespace(  # type: ignore[attr-defined]
    cublas=types.SimpleNamespace(gemmEx=_gemm_ex), device=types.SimpleNamespace(get_cublas_handle=lambda: 1)
)
CUBLAS: Any = types.ModuleType("cupy.cublas")
CUBLAS.gemm = _gemm
SPECIAL = _special("cupyx.scipy.special")
MODULES = {"cupy": FAKE, "cupyx": types.ModuleType("cupyx"), "cupyx.scipy": types.ModuleType("cupyx.scipy")}
MODULES["cupyx.scipy.special"], MODULES["cupy.cublas"] = SPECIAL, CUBLAS
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
