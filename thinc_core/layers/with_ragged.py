"""with_ragged: run a layer for Ragged on another kind of batch of sequences."""

from typing import Any, Callable, Tuple, TypeVar, Union

from .._marks import skips_dX
from ..config import registry
from ..model import Model
from ..types import ArrayXd, Ints1d, ListXd, Padded, Ragged
from ._padded import pad_like
from ._ragged import from_ragged, to_ragged
from ._widths import width_of_child
from ._wrapper import run_converted, unchanged, wrap

RaggedData = Tuple[ArrayXd, Ints1d]
SeqT = TypeVar("SeqT", bound=Union[Padded, Ragged, ListXd, RaggedData])


@registry.layers("with_ragged.v1")
def with_ragged(layer: Model[Ragged, Ragged]) -> Model[SeqT, SeqT]:
    """X: list of arrays, Padded, a tuple (data, lengths), or a Ragged, which is passed straight.  Y: the same kind."""
    # No dims: saved files have none for this node.
    return wrap("with_ragged", forward, _convert, layer, has_dims=False)


@width_of_child
@skips_dX
def forward(model: Model[SeqT, SeqT], Xseq: SeqT, is_train: bool) -> Tuple[SeqT, Callable]:
    return run_converted(_convert, model, Xseq, is_train)


def _convert(model: Model, X: Any) -> Tuple[Any, Callable[[Any], Any]]:
    ops = model.layers[0].ops
    if isinstance(X, Padded):
        return to_ragged(ops, ops.padded2list(X)), lambda Y: pad_like(ops, X, from_ragged(ops, Y))
    if _is_data_and_lengths(X):
        return Ragged(*X), lambda Y: (Y.dataXd, Y.lengths)
    if isinstance(X, (list, tuple)):
        return to_ragged(ops, X), lambda Y: from_ragged(ops, Y)
    return X, unchanged


def _is_data_and_lengths(X: Any) -> bool:
    """A pair of arrays may also be two sequences, which are alike; lengths are integers of rank 1 beside other data. Of
    two arrays of integers the second are lengths if they add up to the rows of the first."""
    if not (isinstance(X, tuple) and len(X) == 2):
        return False
    data, lengths = X
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu":
        return False
    return data.ndim > 1 or data.dtype.kind not in "iu" or int(lengths.sum()) == data.shape[0]
