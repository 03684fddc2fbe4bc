"""with_array: run a layer for arrays on a batch of sequences, all rows at once."""

from typing import Any, Callable, Tuple, TypeVar, Union

from .._marks import skips_dX
from ..config import registry
from ..model import Model
from ..types import ArrayXd, ListXd, Padded, Ragged
from ._batches import add_up, replace_data
from ._fusion import adds, run_plus
from ._ragged import lengths_of
from ._widths import width_of_child
from ._wrapper import run_converted, unchanged, wrap

SeqT = TypeVar("SeqT", bound=Union[Padded, Ragged, ListXd, ArrayXd])


@registry.layers("with_array.v1")
def with_array(layer: Model[ArrayXd, ArrayXd], pad: int = 0) -> Model[SeqT, SeqT]:
    """X: list of arrays, Ragged, Padded (its array of rank 3), or an array, passed straight.  Y: the same kind.

    pad: zero rows put between the items of a list, for layers that look at neighbouring rows.
    """
    return wrap("with_array", forward, _convert, layer, {"pad": pad})


@width_of_child
@skips_dX
def forward(model: Model[SeqT, SeqT], Xseq: SeqT, is_train: bool) -> Tuple[SeqT, Callable]:
    return run_converted(_convert, model, Xseq, is_train)


def _plus(model: Model[SeqT, SeqT], Xseq: SeqT, is_train: bool, added: SeqT) -> Tuple[SeqT, Callable]:
    """added + the layer's output, in the same pass where the data are an array already."""
    if not isinstance(Xseq, Ragged) or not isinstance(added, Ragged) or not Xseq.data.size:
        Y, backprop = forward(model, Xseq, is_train)
        return add_up([added, Y]), backprop
    plus = added.dataXd

    def run(layer: Model, X: Any, is_train: bool) -> Tuple[Any, Callable]:
        return run_plus(layer, X, is_train, plus)

    return run_converted(_convert, model, Xseq, is_train, run)


adds(forward, _plus)


def _convert(model: Model, X: Any) -> Tuple[Any, Callable[[Any], Any]]:
    if isinstance(X, (list, tuple)):
        return convert_list(model, X)
    if isinstance(X, Ragged):
        return X.dataXd, lambda Y: replace_data(X, Y)
    if isinstance(X, Padded):
        return X.data, lambda Y: replace_data(X, Y)
    return X, unchanged


def convert_list(model: Model, Xs: Any) -> Tuple[Any, Callable[[Any], Any]]:
    ops, pad, lengths = model.layers[0].ops, model.attrs["pad"], lengths_of(Xs)
    return ops._joined(Xs, pad=pad), lambda Y: ops.unflatten(Y, lengths, pad=pad)
