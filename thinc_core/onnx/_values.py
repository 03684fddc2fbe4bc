"""What flows between layers while a model is exported: names of tensors in the place of arrays."""

from dataclasses import dataclass, replace
from typing import Any, Callable, Dict, List, Sequence, Tuple, Union

import numpy

from ..types import Padded, Ragged


@dataclass(frozen=True)
class Rows:
    """A Ragged or a list of arrays: the rows of all sequences, and the length of each (int64)."""

    data: str
    lengths: str
    kind: str  # "ragged" or "list"


@dataclass(frozen=True)
class Columns:
    """A Padded: (steps, B, width), and the length (int64) and the original position (int64) of each column."""

    data: str
    lengths: str
    indices: str


# A str is the name of the tensor that an array became.
Value = Union[str, Rows, Columns, Tuple[Any, ...]]


def with_data(X: Union[Rows, Columns], data: str) -> Any:
    """The same sequences with other data."""
    return replace(X, data=data)


def kind_of(X: Value) -> str:
    """Words for what a value stands for."""
    if isinstance(X, Rows):
        return "a Ragged" if X.kind == "ragged" else "a list of arrays"
    if isinstance(X, Columns):
        return "a Padded"
    return "a tuple" if isinstance(X, tuple) else "an array"


def combine(merge: Callable[[Sequence[str]], str], values: Sequence[Any]) -> Any:
    """Merge values of one kind tensor by tensor. RAISES: ValueError for tuples and for values of several kinds."""
    kinds = {kind_of(value) for value in values}
    if len(kinds) > 1 or kinds == {"a tuple"}:
        raise ValueError(f"outputs must be arrays or sequences of one kind; got {' and '.join(sorted(kinds))}")
    if isinstance(values[0], str):
        return merge(values)
    return with_data(values[0], merge([value.data for value in values]))


def arrays_of(X: Any, name: str) -> Dict[str, Any]:
    """The arrays that a batch is made of, on the host, by name: X, X_lengths and X_indices; X_0, X_1 of a tuple.

    RAISES: TypeError for anything but arrays, lists of arrays, Ragged, Padded and tuples of these.
    """
    if isinstance(X, Ragged):
        return {name: _host(X.dataXd), f"{name}_lengths": _ints(X.lengths)}
    if isinstance(X, Padded):
        return {name: _host(X.data), f"{name}_lengths": _ints(X.lengths), f"{name}_indices": _ints(X.indices)}
    if isinstance(X, tuple):
        return {key: array for i, item in enumerate(X) for key, array in arrays_of(item, f"{name}_{i}").items()}
    if isinstance(X, list) and X and all(hasattr(item, "dtype") for item in X):
        lengths = numpy.asarray([len(item) for item in X], dtype="int32")
        return {name: numpy.concatenate([_host(item) for item in X]), f"{name}_lengths": lengths}
    if hasattr(X, "dtype") and X.dtype.kind in "fiub":
        return {name: _host(X)}
    kind = f"an array of {X.dtype}" if hasattr(X, "dtype") else type(X).__name__
    kind = f"{kind} of {type(X[0]).__name__}" if isinstance(X, list) and X else kind
    raise TypeError(f"to_onnx: X must be arrays of numbers, in a list, Ragged, Padded or tuple if need be; got {kind}")


def symbols_of(X: Any, name: str) -> Value:
    """The value that stands for a batch whose arrays have the names of arrays_of."""
    if isinstance(X, Padded):
        return Columns(name, f"{name}_lengths", f"{name}_indices")
    if isinstance(X, (Ragged, list)):
        return Rows(name, f"{name}_lengths", "ragged" if isinstance(X, Ragged) else "list")
    if isinstance(X, tuple):
        return tuple(symbols_of(item, f"{name}_{i}") for i, item in enumerate(X))
    return name


def names_of(X: Value) -> List[str]:
    """The tensors of a value, in the order of arrays_of."""
    if isinstance(X, str):
        return [X]
    if isinstance(X, Rows):
        return [X.data, X.lengths]
    if isinstance(X, Columns):
        return [X.data, X.lengths, X.indices]
    return [name for item in X for name in names_of(item)]


def _ints(array: Any) -> Any:
    return _host(array).astype("int32")


def _host(array: Any) -> Any:
    return array if isinstance(array, numpy.ndarray) else array.get()
