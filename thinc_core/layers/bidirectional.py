"""bidirectional: two layers side by side, of which one reads the sequences from their ends."""

from typing import Any, Callable, Optional, Tuple, cast

from ..backends import checks
from ..config import registry
from ..model import Model
from ..types import Padded
from ..util import get_width
from ._batches import add_up, columns, combine, replace_data
from ._checks import check_shape
from ._gradients import backprop_each
from ._padded import check_padded
from ._widths import sample_width, width_of_all


@registry.layers("bidirectional.v1")
def bidirectional(l2r: Model[Padded, Padded], r2l: Optional[Model[Padded, Padded]] = None) -> Model[Padded, Padded]:
    """Y = the columns of l2r(X) and of r2l(X), both from the first step to the last: what models saved under this name
    were trained with. bidirectional.v2 reads in both directions.

    r2l: a copy of l2r if not given.
    """
    return _both(forward, l2r, r2l)


@registry.layers("bidirectional.v2")
def bidirectional_v2(l2r: Model[Padded, Padded], r2l: Optional[Model[Padded, Padded]] = None) -> Model[Padded, Padded]:
    """Y = the columns of l2r(X), and of r2l on the sequences last step first, turned round again.

    r2l: a copy of l2r if not given.
    """
    return _both(forward_v2, l2r, r2l)


@width_of_all
def forward(model: Model[Padded, Padded], X: Padded, is_train: bool) -> Tuple[Padded, Callable]:
    check_padded(model, X)
    return _run(model, X, is_train, lambda Xp: Xp)


@width_of_all
def forward_v2(model: Model[Padded, Padded], X: Padded, is_train: bool) -> Tuple[Padded, Callable]:
    check_padded(model, X)
    xp, sizes = model.ops.xp, cast(Any, X.size_at_t)
    checks.array(model.name, "X", X.data, xp)
    steps, seqs = xp.arange(X.data.shape[0])[:, None], xp.arange(X.data.shape[1])
    lengths = (sizes[:, None] > seqs).sum(axis=0)
    turned = xp.where(steps < lengths, lengths - 1 - steps, steps)
    return _run(model, X, is_train, lambda Xp: replace_data(Xp, Xp.data[turned, seqs]))


def _run(model: Model, X: Padded, is_train: bool, turn: Callable[[Padded], Padded]) -> Tuple[Padded, Callable]:
    ops: Any = model.ops
    l2r, r2l = model._layers
    left, callback1 = l2r(X, is_train)
    right, callback2 = r2l(turn(X), is_train)
    Y = combine(lambda arrays: ops.xp.concatenate(arrays, axis=-1), [left, turn(right)])
    shape, half = Y.data.shape, get_width(left)

    def backprop(dY: Padded) -> Padded:
        check_shape(model, dY.data, shape)
        dYs = [columns(ops, dY, 0, half), turn(columns(ops, dY, half, shape[-1]))]
        dX1, dX2 = backprop_each(model, [callback1, callback2], dYs)
        return add_up([dX1, turn(dX2)])

    return Y, backprop


def _both(run: Callable, l2r: Model, r2l: Optional[Model]) -> Model:
    return Model(f"bi{l2r.name}", run, init=init, layers=[l2r, l2r.copy() if r2l is None else r2l])


def init(model: Model[Padded, Padded], X: Optional[Padded] = None, Y: Optional[Padded] = None) -> None:
    total = sample_width(Y) or 0
    for i, layer in enumerate(model.layers):
        part: Any = columns(model.ops, Y, i * (total // 2), (i + 1) * (total // 2)) if total else None
        layer.initialize(X=X, Y=part)
