"""with_cpu: a layer that stays on the CPU while the rest of the model is elsewhere."""

from typing import Any, Callable, Optional, Tuple

from ..backends import Ops
from ..config import registry
from ..model import Model
from ..types import Padded, Ragged
from ._gradients import backprop_child
from ._widths import width_of_child
from ._wrapper import dims_of, init_child


@registry.layers("with_cpu.v1")
def with_cpu(layer: Model, ops: Ops) -> Model:
    """Y = layer(X), worked out on the CPU. Arrays that go out, gradients too, are those of `ops`.

    X, Y: arrays, Ragged or Padded, or lists and tuples of them. Model.to_gpu leaves the layer where it is.
    """
    layer.to_cpu()
    name = f"with_cpu({layer.name})"
    return Model(name, forward, init=init, layers=[layer], ops=ops, dims=dims_of(layer))


@width_of_child
def forward(model: Model, X: Any, is_train: bool) -> Tuple[Any, Callable]:
    inside, outside = model._layers[0].ops, model.ops
    Y, callback = model._layers[0](move(X, inside), is_train)

    def backprop(dY: Any) -> Any:
        return move(backprop_child(model, callback, move(dY, inside)), outside)

    return move(Y, outside), backprop


forward.stays_on_cpu = True  # type: ignore[attr-defined] # what lies below; see Model.to_gpu


def init(model: Model, X: Optional[Any] = None, Y: Optional[Any] = None) -> None:
    inside = model.layers[0].ops
    init_child(model, move(X, inside), move(Y, inside))


def move(X: Any, ops: Ops) -> Any:
    """The same data with all arrays in it on the device of `ops`; what is no array stays as it is."""
    if isinstance(X, (list, tuple)):
        return type(X)(move(item, ops) for item in X)
    if isinstance(X, Ragged):
        return Ragged(move(X.dataXd, ops), move(X.lengths, ops))
    if isinstance(X, Padded):
        return Padded(*(move(each, ops) for each in (X.data, X.size_at_t, X.lengths, X.indices)))
    if not hasattr(X, "dtype"):
        return X
    return ops.to_numpy(X) if ops.device_type == "cpu" else ops.asarray(X, dtype=X.dtype)
