"""with_list: run a layer for lists of arrays on another kind of batch of sequences."""

from typing import Any, Callable, Tuple, TypeVar, Union

from .._marks import skips_dX
from ..config import registry
from ..model import Model
from ..types import List2d, Padded, Ragged
from ._padded import pad_like
from ._ragged import from_ragged
from ._widths import width_of_child
from ._wrapper import run_converted, unchanged, wrap

SeqT = TypeVar("SeqT", bound=Union[Padded, Ragged, List2d])


@registry.layers("with_list.v1")
def with_list(layer: Model[List2d, List2d]) -> Model[SeqT, SeqT]:
    """X: Ragged, Padded, or a list of arrays, which is passed straight.  Y: the same kind."""
    return wrap("with_list", forward, _convert, layer)


@width_of_child
@skips_dX
def forward(model: Model[SeqT, SeqT], Xseq: SeqT, is_train: bool) -> Tuple[SeqT, Callable]:
    return run_converted(_convert, model, Xseq, is_train)


def _convert(model: Model, X: Any) -> Tuple[Any, Callable[[Any], Any]]:
    ops = model.layers[0].ops
    if isinstance(X, Ragged):
        return from_ragged(ops, X), lambda Ys: Ragged(ops.flatten(Ys), X.lengths)
    if isinstance(X, Padded):
        return ops.padded2list(X), lambda Ys: pad_like(ops, X, Ys)
    return X, unchanged
