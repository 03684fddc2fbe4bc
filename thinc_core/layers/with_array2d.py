"""with_array2d: with_array for layers that only take arrays of rank 2."""

from typing import Any, Callable, Tuple, TypeVar, Union

from .._marks import skips_dX
from ..config import registry
from ..model import Model
from ..types import Array2d, Array3d, List2d, Padded, Ragged
from ._batches import replace_data
from ._widths import width_of_child
from ._wrapper import run_converted, unchanged, wrap
from .with_array import convert_list

SeqT = TypeVar("SeqT", bound=Union[Padded, Ragged, List2d, Array2d])


@registry.layers("with_array2d.v1")
def with_array2d(layer: Model[Array2d, Array2d], pad: int = 0) -> Model[SeqT, SeqT]:
    """X: list of arrays, Ragged, Padded (steps and columns as rows), or an array, passed straight.  Y: the same kind.

    pad: zero rows put between the items of a list, for layers that look at neighbouring rows.
    """
    return wrap("with_array", forward, _convert, layer, {"pad": pad})


@width_of_child
@skips_dX
def forward(model: Model[SeqT, SeqT], Xseq: SeqT, is_train: bool) -> Tuple[SeqT, Callable]:
    return run_converted(_convert, model, Xseq, is_train)


def _convert(model: Model, X: Any) -> Tuple[Any, Callable[[Any], Any]]:
    if isinstance(X, (list, tuple)):
        return convert_list(model, X)
    if isinstance(X, Ragged):
        return X.data, lambda Y: replace_data(X, Y)
    if isinstance(X, Padded):
        data: Array3d = X.data
        rows = data.shape[0] * data.shape[1]
        return data.reshape((rows, data.shape[2])), lambda Y: replace_data(X, Y.reshape((*data.shape[:2], Y.shape[1])))
    return X, unchanged
