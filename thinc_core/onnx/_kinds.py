"""The kinds of batches that a file of to_onnx takes and gives, which it carries in its metadata as JSON."""

import json
from typing import Any, Iterator, List

import numpy

from ..errors import KindError
from ..types import ArgsKwargs, Padded, Ragged
from ._values import arrays_of

KINDS = "thinc_core.kinds"


def kinds_of(X: Any, Y: Any) -> str:
    """The kinds of both batches, for the metadata."""
    return json.dumps([_kind(X), _kind(Y)])


def _kind(X: Any) -> Any:
    if isinstance(X, tuple):
        return [_kind(item) for item in X]
    if isinstance(X, (Ragged, Padded)):
        return type(X).__name__.lower()
    return "list" if isinstance(X, list) else "array"


def given_as(kinds: str, X: Any) -> ArgsKwargs:
    """The arrays of a batch by name. RAISES: KindError unless it is of the kind that the file takes."""
    wanted = json.loads(kinds)[0]
    if _kind(X) != wanted:
        raise KindError(f"onnx: X must be of the kind that the file was written for, {wanted}; got {_kind(X)}")
    return ArgsKwargs(args=(), kwargs=arrays_of(X, "X"))


def returned_as(kinds: str, arrays: List[Any]) -> Any:
    """The outputs, arrays of NumPy, as a batch of the kind that the file gives."""
    return _made(json.loads(kinds)[1], iter(arrays))


def _made(kind: Any, arrays: Iterator[Any]) -> Any:
    if isinstance(kind, list):
        return tuple(_made(item, arrays) for item in kind)
    data = next(arrays)
    if kind == "array":
        return data
    lengths = next(arrays)
    if kind == "ragged":
        return Ragged(data, lengths)
    if kind == "list":
        ends = numpy.cumsum(lengths).tolist()
        return [data[start:end] for start, end in zip([0, *ends], ends)]
    sizes = (lengths > numpy.arange(len(data))[:, None]).sum(axis=1).astype("int32")
    return Padded(data, sizes, lengths, next(arrays))
