"""with_padded: run a layer for Padded on another kind of batch of sequences."""

from typing import Any, Callable, Tuple, TypeVar, Union

from .._marks import skips_dX
from ..config import registry
from ..errors import KindError
from ..model import Model
from ..types import Array3d, Ints1d, List2d, Padded, Ragged
from ._ragged import from_ragged
from ._widths import width_of_child
from ._wrapper import run_converted, unchanged, wrap

PaddedData = Tuple[Array3d, Ints1d, Ints1d, Ints1d]
SeqT = TypeVar("SeqT", bound=Union[Padded, Ragged, List2d, Array3d, PaddedData])


@registry.layers("with_padded.v1")
def with_padded(layer: Model[Padded, Padded]) -> Model[SeqT, SeqT]:
    """X: list of arrays, Ragged, an array (T, B, I) whose columns all have T rows, a tuple of the four arrays of a
    Padded, or a Padded, which is passed straight.  Y: the same kind.
    """
    return wrap("with_padded", forward, _convert, layer)


@width_of_child
@skips_dX
def forward(model: Model[SeqT, SeqT], Xseq: SeqT, is_train: bool) -> Tuple[SeqT, Callable]:
    return run_converted(_convert, model, Xseq, is_train)


def _convert(model: Model, X: Any) -> Tuple[Any, Callable[[Any], Any]]:
    ops: Any = model.layers[0].ops
    if isinstance(X, Padded):
        return X, unchanged
    if isinstance(X, Ragged):
        padded = ops.list2padded(from_ragged(ops, X))
        return padded, lambda Y: Ragged(ops.flatten(ops.padded2list(Y)), X.lengths)
    if isinstance(X, tuple) and len(X) == 4 and [part.ndim for part in X] == [3, 1, 1, 1]:
        return Padded(*X), lambda Y: (Y.data, Y.size_at_t, Y.lengths, Y.indices)
    if isinstance(X, (list, tuple)):
        return ops.list2padded(X), ops.padded2list
    if getattr(X, "ndim", 0) != 3:
        found = f"an array of shape {X.shape}" if hasattr(X, "shape") else type(X).__name__
        raise KindError(f"{model.name}: X must be a list, Ragged, Padded or an array of rank 3; got {found}")
    return _all_running(model, X), lambda Y: Y.data


def _all_running(model: Model, data: Any) -> Padded:
    """An array (T, B, I) as a Padded in which no column ends early."""
    ops, (steps, columns) = model.layers[0].ops, data.shape[:2]
    indices = ops.xp.arange(columns, dtype="int32")
    return Padded(data, ops.alloc1i(steps) + columns, ops.alloc1i(columns) + steps, indices)
