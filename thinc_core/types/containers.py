"""Containers of sequences and of call arguments: Ragged, Padded, Pairs, ArgsKwargs, SizedGenerator, Unserializable."""

from dataclasses import dataclass
from typing import (
    Any,
    Callable,
    Dict,
    Generic,
    Iterable,
    Iterator,
    Optional,
    Sequence,
    Tuple,
    TypeVar,
    Union,
)

import numpy

from .arrays import Array2d, ArrayXd, Floats3d, Ints1d, is_array

PairItemT = TypeVar("PairItemT")


def _positions(key: Any, length: int, where: str) -> Any:
    """The non-negative positions that a slice, mask, list or integer array picks out of `length` items."""
    if isinstance(key, slice):
        return numpy.arange(length)[key]
    index = numpy.asarray(key.get() if hasattr(key, "get") and is_array(key) else key)
    if index.size == 0 and index.dtype.kind != "b":
        return numpy.zeros(0, dtype="int64")
    if index.dtype.kind == "b":
        if index.shape != (length,):
            raise IndexError(f"{where}: a mask must have {length} entries; got shape {index.shape}")
        return numpy.flatnonzero(index)
    if index.ndim != 1 or index.dtype.kind not in "iu":
        raise IndexError(f"{where}: an index must be one-dimensional integers; got shape {index.shape} {index.dtype}")
    index = index.astype("int64")
    wrong = (index < -length) | (index >= length)
    if wrong.any():
        raise IndexError(f"{where}: indices must be in [{-length}, {length}); got {index[wrong][0]}")
    return numpy.where(index < 0, index + length, index)


def _position(key: Any, length: int, where: str) -> int:
    """The non-negative position of one integer; the IndexError past the end is what stops iteration."""
    index = int(key)
    if not -length <= index < length:
        raise IndexError(f"{where}: index must be in [{-length}, {length}); got {index}")
    return index + length if index < 0 else index


def _on_host(array: Any) -> Any:
    return array.get() if hasattr(array, "get") and is_array(array) else numpy.asarray(array)


@dataclass
class Padded:
    """A batch of padded sequences, longest first.

    data: (T, B, ...), one column per sequence.
    size_at_t: (T,), how many columns are still running at each step: data[t, :size_at_t[t]] is live.
    lengths: (B,), rows of each column.
    indices: (B,), the position each column had before sorting.
    """

    data: Floats3d
    size_at_t: Ints1d
    lengths: Ints1d
    indices: Ints1d

    def copy(self) -> "Padded":
        """Copy with arrays of its own."""
        return Padded(self.data.copy(), self.size_at_t.copy(), self.lengths.copy(), self.indices.copy())

    def __len__(self) -> int:
        return int(self.lengths.shape[0])

    def __iter__(self) -> Iterator["Padded"]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Union[int, slice, Sequence[int], ArrayXd]) -> "Padded":
        """Some of the columns, in the stored (longest first) order; the number of steps stays."""
        if isinstance(key, (int, numpy.integer)) and not isinstance(key, bool):
            column = _position(key, len(self), "padded")
            return self._columns(slice(column, column + 1))
        if isinstance(key, slice) and (key.step is None or key.step > 0):
            return self._columns(key)
        if isinstance(key, tuple):
            raise IndexError("padded: an index must be an int, a slice, a list or an array; got a tuple")
        # Columns have to stay sorted by length: that is what size_at_t rests on. The sort is stable.
        picked = _positions(key, len(self), "padded")
        order = numpy.argsort(-_on_host(self.lengths)[picked].astype("int64"), kind="stable")
        return self._columns(picked[order])

    def _columns(self, key: Any) -> "Padded":
        lengths = self.lengths[key]
        steps = numpy.arange(self.data.shape[0])
        live: Any = (_on_host(lengths)[None, :] > steps[:, None]).sum(axis=1).astype(self.size_at_t.dtype)
        size_at_t = live if isinstance(self.size_at_t, numpy.ndarray) else _like(live, self.size_at_t)
        return Padded(self.data[:, key], size_at_t, lengths, self.indices[key])


def _like(array: Any, other: Any) -> Any:
    """array moved to where `other` lives."""
    from ..util import get_array_module

    return get_array_module(other).asarray(array)


@dataclass(init=False)
class Ragged:
    """A batch of sequences stored end to end.

    data: (T, O), the rows of all sequences; more axes are flattened, see data_shape and dataXd.
    lengths: (B,), rows of each sequence; sums to T.
    data_shape: the shape the data came in, its first entry -1.
    """

    data: Array2d
    lengths: Ints1d
    data_shape: Tuple[int, ...]
    starts_ends: Optional[Ints1d] = None

    def __init__(self, data: ArrayXd, lengths: Ints1d) -> None:
        self.lengths = lengths
        shape = data.shape
        if len(shape) == 2:
            self.data = data  # type: ignore[assignment]
        elif data.size:
            self.data = data.reshape((shape[0], -1))
        else:
            # Without elements reshape cannot work out -1; the width is kept, so an empty batch still has one.
            width = int(numpy.prod(shape[1:], dtype="int64")) if shape[1:] else 1
            self.data = data.reshape((shape[0], width))
        self.data_shape = (-1,) + tuple(shape[1:])
        self.starts_ends = None

    @property
    def dataXd(self) -> ArrayXd:
        """The data with its own number of axes."""
        if len(self.data_shape) == 2 and self.data.shape[1:] == self.data_shape[1:]:
            return self.data
        return self.data.reshape((self.data.shape[0],) + self.data_shape[1:])

    def __len__(self) -> int:
        return int(self.lengths.shape[0])

    def __iter__(self) -> Iterator["Ragged"]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Union[int, slice, Sequence[int], ArrayXd]) -> "Ragged":
        """Some of the sequences, in the order asked for: an int, a slice, a list, an integer array or a mask."""
        if isinstance(key, tuple):
            raise IndexError("ragged: an index must be an int, a slice, a list or an array; got a tuple")
        if isinstance(key, (int, numpy.integer)) and not isinstance(key, bool):
            start = _position(key, len(self), "ragged")
            return self._run(start, start + 1)
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            if step == 1:
                return self._run(start, max(start, stop))
        return self._gather(_positions(key, len(self), "ragged"))

    def _run(self, first: int, last: int) -> "Ragged":
        """Sequences first up to last: views, nothing is copied."""
        ends = self._get_starts_ends()
        return self._part(self.data[int(ends[first]) : int(ends[last])], self.lengths[first:last])

    def _gather(self, picked: Any) -> "Ragged":
        lengths = _on_host(self.lengths).astype("int64")[picked]
        starts = _on_host(self._get_starts_ends()).astype("int64")[picked]
        # Row r of the result lies r - (rows before its sequence) past the start of its sequence.
        before = numpy.cumsum(lengths) - lengths
        rows = numpy.arange(int(lengths.sum())) + numpy.repeat(starts - before, lengths)
        if not isinstance(self.data, numpy.ndarray):
            rows, picked = _like(rows, self.data), _like(picked, self.lengths)
        return self._part(self.data[rows], self.lengths[picked])

    def _part(self, data: Any, lengths: Any) -> "Ragged":
        return Ragged(data.reshape((data.shape[0],) + self.data_shape[1:]), lengths)

    def _get_starts_ends(self) -> Ints1d:
        """(B + 1,) int32: sequence i has the rows [i] up to [i + 1]. Always worked out from the current lengths."""
        lengths = self.lengths
        cached = self.starts_ends
        if cached is None or getattr(self, "_lengths_of_starts", None) is not lengths:
            if isinstance(lengths, numpy.ndarray):
                cached = numpy.zeros(lengths.shape[0] + 1, dtype="int32")
            else:
                cached = _like(numpy.zeros(len(lengths) + 1, dtype="int32"), self.data)
            if len(lengths):
                cached[1:] = lengths.cumsum()
            self.starts_ends, self._lengths_of_starts = cached, lengths
        return cached

    def _get_starts(self) -> Ints1d:
        return self._get_starts_ends()[:-1]

    def _get_ends(self) -> Ints1d:
        return self._get_starts_ends()[1:]


@dataclass
class Pairs(Generic[PairItemT]):
    """Two batches that belong together; an index is applied to both."""

    one: Sequence[PairItemT]
    two: Sequence[PairItemT]

    def __getitem__(self, index: Any) -> "Pairs[PairItemT]":
        return Pairs(_pick(self.one, index), _pick(self.two, index))

    def __len__(self) -> int:
        return len(self.one)


def _pick(items: Any, index: Any) -> Any:
    """items[index], where a list or tuple may also be indexed by a list or an array of positions."""
    if isinstance(items, (list, tuple)) and (isinstance(index, list) or (is_array(index) and index.ndim)):
        return type(items)(items[i] for i in _positions(index, len(items), "pairs"))
    return items[index]


@dataclass
class ArgsKwargs:
    """The arguments of a call, kept apart so that a wrapper can convert them one by one."""

    args: Tuple[Any, ...]
    kwargs: Dict[str, Any]

    @classmethod
    def from_items(cls, items: Sequence[Tuple[Union[int, str], Any]]) -> "ArgsKwargs":
        """The inverse of items(): values under int keys become args, in the order given, the others kwargs."""
        args = tuple(value for key, value in items if isinstance(key, int))
        return cls(args=args, kwargs={key: value for key, value in items if not isinstance(key, int)})

    def keys(self) -> Iterable[Union[int, str]]:
        yield from range(len(self.args))
        yield from self.kwargs

    def values(self) -> Iterable[Any]:
        yield from self.args
        yield from self.kwargs.values()

    def items(self) -> Iterable[Tuple[Union[int, str], Any]]:
        yield from enumerate(self.args)
        yield from self.kwargs.items()


class SizedGenerator:
    """A generator with a length that starts afresh each time it is iterated."""

    get_items: Callable[[], Iterable[Any]]
    length: int

    def __init__(self, get_items: Callable[[], Iterable[Any]], length: int) -> None:
        self.get_items = get_items
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Any]:
        yield from self.get_items()


@dataclass
class Unserializable:
    """Wraps an attribute that Model.to_bytes leaves out."""

    obj: Any
