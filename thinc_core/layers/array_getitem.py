"""array_getitem: part of an array, with NumPy's indexing."""

from typing import Any, Callable, Sequence, Tuple, TypeVar, Union

from ..config import registry
from ..model import Model
from ..types import ArrayXd, FloatsXd, IntsXd
from ._checks import check_array, check_shape
from ._fusion import part

AxisIndex = Union[int, slice, Sequence[int]]
Index = Union[AxisIndex, Tuple[AxisIndex, ...]]
ArrayTXd = TypeVar("ArrayTXd", bound=ArrayXd)


@registry.layers("array_getitem.v1")
def array_getitem(index: Index) -> Model[ArrayTXd, ArrayTXd]:
    """Y = X[index].

    index: anything NumPy takes; the gradients of an element that was picked several times add up.
    """
    return Model("array-getitem", forward, attrs={"index": index})


def floats_getitem(index: Index) -> Model[FloatsXd, FloatsXd]:
    """array_getitem of floats."""
    return Model("floats-getitem", forward, attrs={"index": index})


def ints_getitem(index: Index) -> Model[IntsXd, IntsXd]:
    """array_getitem of integers."""
    return Model("ints-getitem", forward, attrs={"index": index})


@part("getitem")
def forward(model: Model[ArrayTXd, ArrayTXd], X: ArrayTXd, is_train: bool) -> Tuple[ArrayTXd, Callable]:
    check_array(model, X)
    ops, index = model.ops, model.attrs["index"]
    if X.shape == (0, 0):
        X = ops.alloc((0, _columns_needed(index)), dtype=X.dtype)
    Y, shape, dtype = X[index], X.shape, X.dtype
    Y_shape = Y.shape

    def backprop(dY: ArrayTXd) -> ArrayTXd:
        check_shape(model, dY, Y_shape)
        dX = ops.alloc(shape, dtype=dtype)
        if _is_basic(index):
            dX[index] = dY
        else:
            ops.xp.add.at(dX, index, dY)
        return dX

    return Y, backprop


def _is_basic(index: Any) -> bool:
    """Is it made of ints and slices only, so that no element can be picked twice?"""
    parts = index if isinstance(index, tuple) else (index,)
    return all(part is None or part is Ellipsis or isinstance(part, (int, slice)) for part in parts)


def _columns_needed(index: Any) -> int:
    """How wide an empty batch of unknown width has to be, for the index of the second axis to be valid."""
    if not (isinstance(index, tuple) and len(index) > 1 and isinstance(index[1], int)):
        return 0
    return index[1] + 1 if index[1] >= 0 else -index[1]
