"""Array types for annotations: `Floats2d` says "float32, two axes" to mypy, to config checks and to pydantic.

They are never instantiated and `isinstance(array, Floats2d)` is False: arrays stay plain numpy or cupy arrays.
"""

import sys
from abc import ABC, abstractmethod
from typing import Any, Callable, Iterator, List, Literal, Optional, Tuple, TypeVar, Union, overload

import numpy

Tru = Literal[True]
Fal = Literal[False]
OneAx = Union[int, Tuple[int]]
TwoAx = Tuple[int, int]
ThreeAx = Tuple[int, int, int]
FourAx = Tuple[int, int, int, int]

# What may stand inside array[...]: an int removes its axis, a slice, list or array keeps it.
Slicish = Union[slice, List[int], "ArrayXd"]
_1_KeyScalar = int
_1_Key1d = Slicish
_1_AllKeys = Union[_1_KeyScalar, _1_Key1d]
_F1_AllReturns = Union[float, "Floats1d"]
_I1_AllReturns = Union[int, "Ints1d"]
_2_KeyScalar = Tuple[int, int]
_2_Key1d = Union[int, Tuple[Slicish, int], Tuple[int, Slicish]]
_2_Key2d = Union[Tuple[Slicish, Slicish], Slicish]
_2_AllKeys = Union[_2_KeyScalar, _2_Key1d, _2_Key2d]
_F2_AllReturns = Union[_F1_AllReturns, "Floats2d"]
_I2_AllReturns = Union[_I1_AllReturns, "Ints2d"]
_3_KeyScalar = Tuple[int, int, int]
_3_Key1d = Union[Tuple[int, int], Tuple[int, int, Slicish], Tuple[int, Slicish, int], Tuple[Slicish, int, int]]
_3_Key2d = Union[int, Tuple[int, Slicish], Tuple[Slicish, int], Tuple[int, Slicish, Slicish]]
_3_Key3d = Union[Slicish, Tuple[Slicish, Slicish], Tuple[Slicish, Slicish, Slicish]]
_3_AllKeys = Union[_3_KeyScalar, _3_Key1d, _3_Key2d, _3_Key3d]
_F3_AllReturns = Union[_F2_AllReturns, "Floats3d"]
_I3_AllReturns = Union[_I2_AllReturns, "Ints3d"]
_4_KeyScalar = Tuple[int, int, int, int]
_4_Key1d = Union[Tuple[int, int, int], Tuple[int, int, int, Slicish], Tuple[Slicish, int, int, int]]
_4_Key2d = Union[Tuple[int, int], Tuple[int, int, Slicish], Tuple[int, int, Slicish, Slicish]]
_4_Key3d = Union[int, Tuple[int, Slicish], Tuple[int, Slicish, Slicish], Tuple[int, Slicish, Slicish, Slicish]]
_4_Key4d = Union[Slicish, Tuple[Slicish, Slicish], Tuple[Slicish, Slicish, Slicish]]
_4_AllKeys = Union[_4_KeyScalar, _4_Key1d, _4_Key2d, _4_Key3d, _4_Key4d]
_F4_AllReturns = Union[_F3_AllReturns, "Floats4d"]
_I4_AllReturns = Union[_I3_AllReturns, "Ints4d"]

# Axes that reduce to a scalar, and what a reduction gives.
_1_AllAx = Optional[OneAx]
_2_AllAx = Union[Optional[TwoAx], OneAx]
_3_AllAx = Union[Optional[ThreeAx], TwoAx, OneAx]
_4_AllAx = Union[Optional[FourAx], ThreeAx, TwoAx, OneAx]
_1F_ReduceResults = Union[float, "Floats1d"]
_1I_ReduceResults = Union[int, "Ints1d"]
_2F_ReduceResults = Union[_1F_ReduceResults, "Floats2d"]
_2I_ReduceResults = Union[_1I_ReduceResults, "Ints2d"]
_3F_ReduceResults = Union[_2F_ReduceResults, "Floats3d"]
_3I_ReduceResults = Union[_2I_ReduceResults, "Ints3d"]
_4F_ReduceResults = Union[_3F_ReduceResults, "Floats4d"]
_4I_ReduceResults = Union[_3I_ReduceResults, "Ints4d"]

SelfT = TypeVar("SelfT", bound="_Array")
Shape = Tuple[int, ...]

# What "f" and "i" accept. Half and double precision are left out on purpose: layers compute in float32.
KINDS = {"f": ("float32",), "i": ("int32", "int64", "uint32", "uint64")}


class ArrayTypeError(TypeError, ValueError):
    """The value is no array at all (a TypeError that old code catches as ValueError)."""


def is_array(obj: Any) -> bool:
    """Is obj a numpy or cupy array? CuPy is not imported to answer."""
    if isinstance(obj, numpy.ndarray):
        return True
    cupy = sys.modules.get("cupy")
    return cupy is not None and isinstance(obj, getattr(cupy, "ndarray", ()))


def validate_array(obj: Any, ndim: Optional[int] = None, dtype: Optional[str] = None) -> Any:
    """Return obj if it is an array of this rank and kind.

    ndim: number of axes, None for any.
    dtype: "f" (float32) or "i" (int32, int64, uint32, uint64), None for any.
    RAISES: ArrayTypeError when obj is no array; ValueError naming every mismatch, expected and found.
    """
    if not is_array(obj):
        raise ArrayTypeError(f"validate_array: must be a numpy or cupy array; got {type(obj).__name__}")
    problems = []
    if ndim is not None and obj.ndim != ndim:
        problems.append(f"number of axes must be {ndim}; got {obj.ndim} (shape {tuple(obj.shape)})")
    if dtype is not None and str(obj.dtype) not in KINDS.get(dtype, ()):
        wanted = " or ".join(KINDS.get(dtype, (f"a known kind, not {dtype!r}",)))
        problems.append(f"dtype must be {wanted}; got {obj.dtype}")
    if problems:
        raise ValueError("validate_array: " + "; ".join(problems))
    return obj


def get_array_module(arr: Any) -> Any:
    """The array library of this process: cupy where it is installed, else numpy, whatever arr is (never raises)."""
    from ..compat import cupy

    return numpy if cupy is None else cupy


class _Array(ABC):
    """The part of the ndarray protocol that every array type shares."""

    _ndim: Optional[int] = None
    _kind: Optional[str] = None

    @classmethod
    def _validate(cls, value: Any) -> Any:
        return validate_array(value, ndim=cls._ndim, dtype=cls._kind)

    @classmethod
    def __get_validators__(cls) -> Iterator[Callable[[Any], Any]]:
        """Hook of pydantic 1."""
        yield cls._validate

    @classmethod
    def __get_pydantic_core_schema__(cls, source_type: Any, handler: Any) -> Any:
        """Hook of pydantic 2 and confection; a plain dict, so that pydantic need not be imported."""
        return {"type": "function-plain", "function": {"type": "no-info", "function": cls._validate}}

    @property
    @abstractmethod
    def dtype(self) -> Any: ...
    @property
    @abstractmethod
    def data(self) -> Any: ...
    @property
    @abstractmethod
    def flags(self) -> Any: ...
    @property
    @abstractmethod
    def size(self) -> int: ...
    @property
    @abstractmethod
    def itemsize(self) -> int: ...
    @property
    @abstractmethod
    def nbytes(self) -> int: ...
    @property
    @abstractmethod
    def ndim(self) -> int: ...
    @property
    @abstractmethod
    def shape(self) -> Shape: ...
    @property
    @abstractmethod
    def strides(self) -> Tuple[int, ...]: ...

    def __len__(self) -> int: ...  # type: ignore[empty-body]
    def __contains__(self, key: Any) -> bool: ...  # type: ignore[empty-body]
    def __iter__(self) -> Iterator[Any]: ...  # type: ignore[empty-body]
    def astype(self, dtype: Any, order: str = ..., casting: str = ..., copy: bool = ...) -> Any: ...
    def copy(self: SelfT, order: str = ...) -> SelfT: ...  # type: ignore[empty-body]
    def fill(self, value: Any) -> None: ...
    def reshape(self, *shape: Any, order: str = ...) -> Any: ...
    def transpose(self: SelfT, *axes: Any) -> SelfT: ...  # type: ignore[empty-body]
    def flatten(self, order: str = ...) -> Any: ...
    def ravel(self, order: str = ...) -> Any: ...
    def squeeze(self, axis: Any = ...) -> Any: ...
    def get(self, stream: Any = ..., order: str = ..., out: Any = ...) -> Any: ...
    def all(self, axis: Any = ..., out: Any = ..., keepdims: bool = ...) -> Any: ...
    def any(self, axis: Any = ..., out: Any = ..., keepdims: bool = ...) -> Any: ...
    def argmin(self, axis: Any = ..., out: Any = ...) -> Any: ...
    def clip(self: SelfT, a_min: Any, a_max: Any, out: Any = ...) -> SelfT: ...  # type: ignore[empty-body]
    def max(self, axis: Any = ..., out: Any = ...) -> Any: ...
    def min(self, axis: Any = ..., out: Any = ...) -> Any: ...
    def nonzero(self) -> Tuple[Any, ...]: ...  # type: ignore[empty-body]
    def prod(self, axis: Any = ..., dtype: Any = ..., out: Any = ..., keepdims: bool = ...) -> Any: ...
    def round(self: SelfT, decimals: int = ..., out: Any = ...) -> SelfT: ...  # type: ignore[empty-body]
    def tobytes(self, order: str = ...) -> bytes: ...  # type: ignore[empty-body]
    def tolist(self) -> List[Any]: ...  # type: ignore[empty-body]
    def var(self, axis: Any = ..., dtype: Any = ..., out: Any = ..., ddof: int = ..., keepdims: bool = ...) -> Any: ...
    def __add__(self: SelfT, other: Any) -> SelfT: ...  # type: ignore[empty-body]
    def __sub__(self: SelfT, other: Any) -> SelfT: ...  # type: ignore[empty-body]
    def __mul__(self: SelfT, other: Any) -> SelfT: ...  # type: ignore[empty-body]
    def __pow__(self: SelfT, other: Any) -> SelfT: ...  # type: ignore[empty-body]
    def __matmul__(self, other: Any) -> Any: ...
    def __truediv__(self: SelfT, other: Any) -> SelfT: ...  # type: ignore[empty-body]
    def __floordiv__(self: SelfT, other: Any) -> SelfT: ...  # type: ignore[empty-body]
    def __mod__(self: SelfT, other: Any) -> SelfT: ...  # type: ignore[empty-body]
    def __radd__(self: SelfT, other: Any) -> SelfT: ...  # type: ignore[empty-body]
    def __rsub__(self: SelfT, other: Any) -> SelfT: ...  # type: ignore[empty-body]
    def __rmul__(self: SelfT, other: Any) -> SelfT: ...  # type: ignore[empty-body]
    def __rtruediv__(self: SelfT, other: Any) -> SelfT: ...  # type: ignore[empty-body]
    def __iadd__(self: SelfT, other: Any) -> SelfT: ...  # type: ignore[empty-body, misc]
    def __isub__(self: SelfT, other: Any) -> SelfT: ...  # type: ignore[empty-body, misc]
    def __imul__(self: SelfT, other: Any) -> SelfT: ...  # type: ignore[empty-body, misc]
    def __itruediv__(self: SelfT, other: Any) -> SelfT: ...  # type: ignore[empty-body, misc]
    def __neg__(self: SelfT) -> SelfT: ...  # type: ignore[empty-body]
    def __abs__(self: SelfT) -> SelfT: ...  # type: ignore[empty-body]
    def __lt__(self, other: Any) -> Any: ...
    def __le__(self, other: Any) -> Any: ...
    def __gt__(self, other: Any) -> Any: ...
    def __ge__(self, other: Any) -> Any: ...
    def __eq__(self, other: Any) -> Any: ...
    def __ne__(self, other: Any) -> Any: ...

    __hash__ = None  # type: ignore[assignment]


class _Floats(_Array):
    _kind = "f"


class _Ints(_Array):
    _kind = "i"


class _Array1d(_Array):
    _ndim = 1

    def argmax(self, axis: Any = ..., out: Any = ..., keepdims: bool = ...) -> Any: ...
    def mean(self, axis: Any = ..., dtype: Any = ..., out: Any = ..., keepdims: bool = ...) -> Any: ...


class _Array2d(_Array):
    _ndim = 2

    def argmax(self, axis: Any = ..., out: Any = ..., keepdims: bool = ...) -> Any: ...
    def mean(self, axis: Any = ..., dtype: Any = ..., out: Any = ..., keepdims: bool = ...) -> Any: ...


class _Array3d(_Array):
    _ndim = 3

    def argmax(self, axis: Any = ..., out: Any = ..., keepdims: bool = ...) -> Any: ...
    def mean(self, axis: Any = ..., dtype: Any = ..., out: Any = ..., keepdims: bool = ...) -> Any: ...


class _Array4d(_Array):
    _ndim = 4

    def argmax(self, axis: Any = ..., out: Any = ..., keepdims: bool = ...) -> Any: ...
    def mean(self, axis: Any = ..., dtype: Any = ..., out: Any = ..., keepdims: bool = ...) -> Any: ...


class Floats1d(_Array1d, _Floats):
    """1-d array of float32."""

    @property
    def T(self) -> "Floats1d": ...
    def __iter__(self) -> Iterator[float]: ...  # type: ignore[empty-body]
    @overload
    def __getitem__(self, key: _1_KeyScalar) -> float: ...
    @overload
    def __getitem__(self, key: _1_Key1d) -> "Floats1d": ...
    def __getitem__(self, key: _1_AllKeys) -> Any: ...
    def __setitem__(self, key: _1_AllKeys, value: Any) -> None: ...
    def cumsum(self, *, axis: Optional[OneAx] = ..., out: Any = ...) -> "Floats1d": ...  # type: ignore[empty-body]
    @overload
    def sum(self, *, keepdims: Tru, axis: Optional[OneAx] = ..., out: Any = ...) -> "Floats1d": ...
    @overload
    def sum(self, *, axis: Optional[OneAx] = ..., out: Any = ...) -> float: ...
    def sum(self, *, keepdims: bool = ..., axis: Any = ..., out: Any = ...) -> Any: ...


class Ints1d(_Array1d, _Ints):
    """1-d array of int32, int64, uint32 or uint64."""

    @property
    def T(self) -> "Ints1d": ...
    def __iter__(self) -> Iterator[int]: ...  # type: ignore[empty-body]
    @overload
    def __getitem__(self, key: _1_KeyScalar) -> int: ...
    @overload
    def __getitem__(self, key: _1_Key1d) -> "Ints1d": ...
    def __getitem__(self, key: _1_AllKeys) -> Any: ...
    def __setitem__(self, key: _1_AllKeys, value: Any) -> None: ...
    def cumsum(self, *, axis: Optional[OneAx] = ..., out: Any = ...) -> "Ints1d": ...  # type: ignore[empty-body]
    @overload
    def sum(self, *, keepdims: Tru, axis: Optional[OneAx] = ..., out: Any = ...) -> "Ints1d": ...
    @overload
    def sum(self, *, axis: Optional[OneAx] = ..., out: Any = ...) -> int: ...
    def sum(self, *, keepdims: bool = ..., axis: Any = ..., out: Any = ...) -> Any: ...


class Floats2d(_Array2d, _Floats):
    """2-d array of float32."""

    @property
    def T(self) -> "Floats2d": ...
    def __iter__(self) -> Iterator[Floats1d]: ...  # type: ignore[empty-body]
    @overload
    def __getitem__(self, key: _2_KeyScalar) -> float: ...
    @overload
    def __getitem__(self, key: _2_Key1d) -> Floats1d: ...
    @overload
    def __getitem__(self, key: _2_Key2d) -> "Floats2d": ...
    def __getitem__(self, key: _2_AllKeys) -> Any: ...
    def __setitem__(self, key: _2_AllKeys, value: Any) -> None: ...
    @overload
    def sum(self, *, axis: TwoAx, out: Any = ...) -> Floats1d: ...
    @overload
    def sum(self, *, keepdims: Tru, axis: Any = ..., out: Any = ...) -> "Floats2d": ...
    @overload
    def sum(self, *, axis: None = ..., out: Any = ...) -> float: ...
    def sum(self, *, keepdims: bool = ..., axis: Any = ..., out: Any = ...) -> Any: ...


class Ints2d(_Array2d, _Ints):
    """2-d array of int32, int64, uint32 or uint64."""

    @property
    def T(self) -> "Ints2d": ...
    def __iter__(self) -> Iterator[Ints1d]: ...  # type: ignore[empty-body]
    @overload
    def __getitem__(self, key: _2_KeyScalar) -> int: ...
    @overload
    def __getitem__(self, key: _2_Key1d) -> Ints1d: ...
    @overload
    def __getitem__(self, key: _2_Key2d) -> "Ints2d": ...
    def __getitem__(self, key: _2_AllKeys) -> Any: ...
    def __setitem__(self, key: _2_AllKeys, value: Any) -> None: ...
    @overload
    def sum(self, *, axis: TwoAx, out: Any = ...) -> Ints1d: ...
    @overload
    def sum(self, *, keepdims: Tru, axis: Any = ..., out: Any = ...) -> "Ints2d": ...
    @overload
    def sum(self, *, axis: None = ..., out: Any = ...) -> int: ...
    def sum(self, *, keepdims: bool = ..., axis: Any = ..., out: Any = ...) -> Any: ...


class Floats3d(_Array3d, _Floats):
    """3-d array of float32."""

    @property
    def T(self) -> "Floats3d": ...
    def __iter__(self) -> Iterator[Floats2d]: ...  # type: ignore[empty-body]
    @overload
    def __getitem__(self, key: _3_KeyScalar) -> float: ...
    @overload
    def __getitem__(self, key: _3_Key1d) -> Floats1d: ...
    @overload
    def __getitem__(self, key: _3_Key2d) -> Floats2d: ...
    @overload
    def __getitem__(self, key: _3_Key3d) -> "Floats3d": ...
    def __getitem__(self, key: _3_AllKeys) -> Any: ...
    def __setitem__(self, key: _3_AllKeys, value: Any) -> None: ...
    def sum(self, *, keepdims: bool = ..., axis: Optional[ThreeAx] = ..., out: Any = ...) -> Any: ...


class Ints3d(_Array3d, _Ints):
    """3-d array of int32, int64, uint32 or uint64."""

    @property
    def T(self) -> "Ints3d": ...
    def __iter__(self) -> Iterator[Ints2d]: ...  # type: ignore[empty-body]
    @overload
    def __getitem__(self, key: _3_KeyScalar) -> int: ...
    @overload
    def __getitem__(self, key: _3_Key1d) -> Ints1d: ...
    @overload
    def __getitem__(self, key: _3_Key2d) -> Ints2d: ...
    @overload
    def __getitem__(self, key: _3_Key3d) -> "Ints3d": ...
    def __getitem__(self, key: _3_AllKeys) -> Any: ...
    def __setitem__(self, key: _3_AllKeys, value: Any) -> None: ...
    def sum(self, *, keepdims: bool = ..., axis: Optional[ThreeAx] = ..., out: Any = ...) -> Any: ...


class Floats4d(_Array4d, _Floats):
    """4-d array of float32."""

    @property
    def T(self) -> "Floats4d": ...
    def __iter__(self) -> Iterator[Floats3d]: ...  # type: ignore[empty-body]
    @overload
    def __getitem__(self, key: _4_KeyScalar) -> float: ...
    @overload
    def __getitem__(self, key: _4_Key1d) -> Floats1d: ...
    @overload
    def __getitem__(self, key: _4_Key2d) -> Floats2d: ...
    @overload
    def __getitem__(self, key: _4_Key3d) -> Floats3d: ...
    @overload
    def __getitem__(self, key: _4_Key4d) -> "Floats4d": ...
    def __getitem__(self, key: _4_AllKeys) -> Any: ...
    def __setitem__(self, key: _4_AllKeys, value: Any) -> None: ...
    def sum(self, *, keepdims: bool = ..., axis: Optional[FourAx] = ..., out: Any = ...) -> Any: ...


class Ints4d(_Array4d, _Ints):
    """4-d array of int32, int64, uint32 or uint64."""

    @property
    def T(self) -> "Ints4d": ...
    def __iter__(self) -> Iterator[Ints3d]: ...  # type: ignore[empty-body]
    @overload
    def __getitem__(self, key: _4_KeyScalar) -> int: ...
    @overload
    def __getitem__(self, key: _4_Key1d) -> Ints1d: ...
    @overload
    def __getitem__(self, key: _4_Key2d) -> Ints2d: ...
    @overload
    def __getitem__(self, key: _4_Key3d) -> Ints3d: ...
    @overload
    def __getitem__(self, key: _4_Key4d) -> "Ints4d": ...
    def __getitem__(self, key: _4_AllKeys) -> Any: ...
    def __setitem__(self, key: _4_AllKeys, value: Any) -> None: ...
    def sum(self, *, keepdims: bool = ..., axis: Optional[FourAx] = ..., out: Any = ...) -> Any: ...


Array1d = Union[Floats1d, Ints1d]
Array2d = Union[Floats2d, Ints2d]
Array3d = Union[Floats3d, Ints3d]
Array4d = Union[Floats4d, Ints4d]
FloatsXd = Union[Floats1d, Floats2d, Floats3d, Floats4d]
IntsXd = Union[Ints1d, Ints2d, Ints3d, Ints4d]
ArrayXd = Union[FloatsXd, IntsXd]

List1d = Union[List[Floats1d], List[Ints1d]]
List2d = Union[List[Floats2d], List[Ints2d]]
List3d = Union[List[Floats3d], List[Ints3d]]
List4d = Union[List[Floats4d], List[Ints4d]]
ListXd = Union[List[FloatsXd], List[IntsXd]]

ArrayT = TypeVar("ArrayT")
Array1dT = TypeVar("Array1dT", bound="Array1d")
FloatsXdT = TypeVar("FloatsXdT", Floats1d, Floats2d, Floats3d, Floats4d)
