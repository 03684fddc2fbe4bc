"""Types: arrays for annotations, containers for batches, and the small protocols that signatures use.

Every name here may be imported by dependants, the re-exported typing names included.
"""

import sys  # noqa: F401
from abc import abstractmethod  # noqa: F401
from dataclasses import dataclass  # noqa: F401
from typing import (  # noqa: F401
    TYPE_CHECKING,
    Any,
    Callable,
    Container,
    Dict,
    Generic,
    Iterable,
    Iterator,
    List,
    Literal,
    Optional,
    Protocol,
    Sequence,
    Sized,
    Tuple,
    TypeVar,
    Union,
    cast,
    overload,
)

import numpy

from .arrays import *  # noqa: F403
from .arrays import (  # noqa: F401
    Array1d,
    Array1dT,
    Array2d,
    Array3d,
    Array4d,
    ArrayT,
    ArrayTypeError,
    ArrayXd,
    Fal,
    Floats1d,
    Floats2d,
    Floats3d,
    Floats4d,
    FloatsXd,
    FloatsXdT,
    FourAx,
    Ints1d,
    Ints2d,
    Ints3d,
    Ints4d,
    IntsXd,
    List1d,
    List2d,
    List3d,
    List4d,
    ListXd,
    OneAx,
    SelfT,
    Shape,
    Slicish,
    ThreeAx,
    Tru,
    TwoAx,
    _Array,
    _Array1d,
    _Array2d,
    _Array3d,
    _Array4d,
    _Floats,
    _Ints,
    get_array_module,
    is_array,
    validate_array,
)
from .containers import ArgsKwargs as ArgsKwargs
from .containers import Padded as Padded
from .containers import Pairs as Pairs
from .containers import Ragged as Ragged
from .containers import SizedGenerator as SizedGenerator
from .containers import Unserializable as Unserializable

if TYPE_CHECKING:
    from ..compat import cupy, has_cupy  # noqa: F401

from . import arrays as _arrays

# The private key and return aliases of arrays.py stay importable from here.
globals().update(
    {name: value for name, value in vars(_arrays).items() if name[:2] in ("_1", "_2", "_3", "_4", "_F", "_I")}
)

Xp = Union["numpy", "cupy"]  # type: ignore[valid-type]
DeviceTypes = Literal["cpu", "gpu", "tpu"]
DTypesFloat = Literal["f", "float32", "float16", "float64"]
DTypesInt = Literal["i", "int32", "int64", "uint32", "uint64"]
DTypes = Literal["f", "i", "float16", "float32", "float64", "int32", "int64", "uint32", "uint64"]
Batchable = Union[Pairs[Any], Ragged, Padded, ArrayXd, List[Any], Tuple[Any, ...]]

XY_YZ_OutT = TypeVar("XY_YZ_OutT")
XY_XY_OutT = TypeVar("XY_XY_OutT")
_DIn = TypeVar("_DIn")
_P = TypeVar("_P", bound=Sequence[Any])


class Decorator(Protocol):
    """A registry: called with a name it gives a decorator that returns the function unchanged."""

    def __call__(self, name: str) -> Callable[[_DIn], _DIn]: ...


class Generator(Iterator[Any]):
    """Annotation for parameters that take a generator or another iterable, such as a schedule."""

    @classmethod
    def validate(cls, v: Any) -> Any:
        """Return v if it can be iterated and is no text; never takes an item from it."""
        if isinstance(v, (str, bytes)) or (not hasattr(v, "__iter__") and not hasattr(v, "__next__")):
            raise TypeError(f"generator: must be an iterator or an iterable; got {type(v).__name__}")
        return v

    @classmethod
    def __get_validators__(cls) -> Iterator[Callable[[Any], Any]]:
        yield cls.validate

    @classmethod
    def __get_pydantic_core_schema__(cls, source_type: Any, handler: Any) -> Any:
        return {"type": "function-plain", "function": {"type": "no-info", "function": cls.validate}}


def __getattr__(name: str) -> Any:
    # CuPy is asked for lazily: probing it at import would cost every user a second.
    if name in ("cupy", "has_cupy"):
        from .. import compat

        return getattr(compat, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
