"""concatenate: the outputs of several layers side by side."""

from itertools import accumulate
from typing import Any, Callable, Optional, Tuple, TypeVar

from ..config import registry
from ..model import Model
from ..util import get_width
from ._batches import add_up, columns, combine
from ._checks import check_width
from ._distinct_rows import plan
from ._gradients import backprop_each
from ._hash_tables import forward_hashed, hash_tables
from ._steps import begins_steps
from ._widths import sample_width, width_of_all
from .add import branch_dims, flat, set_widths
from .noop import noop

InT = TypeVar("InT")
OutT = TypeVar("OutT")


@registry.layers("concatenate.v1")
def concatenate(*layers: Model) -> Model[InT, OutT]:
    """Y = the columns of layer1(X), layer2(X), ...; for outputs that are arrays, lists of arrays, Ragged or Padded.

    A `concatenate` as the first layer gives its children to the new node. Of no layers it is a noop, of one that layer.
    """
    if len(layers) < 2:
        return layers[0] if layers else noop()
    children = flat(list(layers), forward)
    name = "|".join(layer.name for layer in children)
    return Model(name, forward, init=init, dims=branch_dims(children), layers=children)


@width_of_all
def forward(model: Model[InT, OutT], X: InT, is_train: bool) -> Tuple[OutT, Callable]:
    ops = model.ops
    tables = hash_tables(model, X)
    if tables is not None:
        return forward_hashed(tables, ops, X, is_train)  # type: ignore[arg-type,return-value]
    Ys, callbacks = zip(*[layer(X, is_train) for layer in model._layers])

    ends = list(accumulate(get_width(Y) for Y in Ys))

    def backprop(dY: OutT) -> InT:
        check_width(model, dY, ends[-1])
        parts = [columns(ops, dY, start, end) for start, end in zip([0, *ends], ends)]
        return add_up(backprop_each(model, callbacks, parts))

    return combine(lambda arrays: ops.xp.concatenate(arrays, axis=-1), Ys), backprop


begins_steps(forward, plan)


def init(model: Model[InT, OutT], X: Optional[InT] = None, Y: Optional[OutT] = None) -> None:
    layers = model.layers
    set_widths(model, "nI", sample_width(X))
    total = sample_width(Y)
    unset = [layer for layer in layers if layer.has_dim("nO") is None]
    known = sum(layer.maybe_get_dim("nO") or 0 for layer in layers)
    for layer in layers:
        # Y tells the width of one layer only: what the others leave of it.
        fits = [layer] == unset and total is not None and total > known
        layer.initialize(X=X, Y=columns(model.ops, Y, known, total) if fits else None)  # type: ignore[arg-type]
    widths: Any = [layer.maybe_get_dim("nO") for layer in layers]
    if None not in widths:
        model.set_dim("nO", sum(widths))
