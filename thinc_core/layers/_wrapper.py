"""What the with_* layers share: run the child on another kind of batch and give back the kind that came in."""

import functools
from types import MappingProxyType
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from ..model import Model
from ..types import Padded, Ragged
from ..util import partial
from ._batches import array_of, combine
from ._gradients import backprop_child, backprop_child_without_dX
from ._ragged import lengths_of
from ._widths import hand_down

# convert(model, X) -> (X as the child wants it, function that turns what the child returns back into the kind of X)
Convert = Callable[[Model, Any], Tuple[Any, Callable[[Any], Any]]]


def run_converted(
    convert: Convert, model: Model, X: Any, is_train: bool, run: Callable[..., Any] = Model.__call__
) -> Tuple[Any, Callable]:
    """Run the child on the converted batch. run(child, X, is_train): in a way of its own."""
    layer = model._layers[0]
    inner_X, restore = convert(model, X)
    if restore is unchanged:
        Y, callback = run(layer, X, is_train)
        return Y, functools.partial(_backprop_unchanged, model, callback)
    inner_X = _with_width(inner_X, layer.maybe_get_dim("nI"))
    inner_Y, callback = run(layer, inner_X, is_train)
    width = _width_if_empty(inner_Y)

    def backprop(dY: Any, needs_dX: bool = True) -> Any:
        sizes = _sizes(X)
        if sizes is not None and _sizes(dY) != sizes:
            found = f"as long as the output, {sizes}; got {_sizes(dY) or type(dY).__name__}"
            raise ValueError(f"{model.name}: dY must be sequences {found}")
        inner_dY = _with_width(convert(model, dY)[0], width)
        if not needs_dX:
            return backprop_child_without_dX(model, callback, inner_dY)
        dX = restore(backprop_child(model, callback, inner_dY))
        if isinstance(X, Ragged) and dX.data_shape != X.data_shape:
            return Ragged(dX.data.reshape(X.dataXd.shape), X.lengths)
        return dX

    return restore(inner_Y), backprop


def _backprop_unchanged(model: Model, callback: Callable, dY: Any, needs_dX: bool = True) -> Any:
    return (backprop_child if needs_dX else backprop_child_without_dX)(model, callback, dY)


def init_converted(convert: Convert, model: Model, X: Any = None, Y: Any = None) -> None:
    """Initialise the child with converted sample data."""
    inner_X = None if X is None else _with_width(convert(model, X)[0], model.layers[0].maybe_get_dim("nI"))
    init_child(model, inner_X, None if Y is None else convert(model, Y)[0])


def wrap(
    name: str,
    forward: Callable,
    convert: Convert,
    layer: Model,
    attrs: Mapping[str, Any] = MappingProxyType({}),
    has_dims: bool = True,
) -> Model:
    """The node of a with_* layer around its child, with the dims of the child."""
    dims = dims_of(layer) if has_dims else {}
    init = partial(init_converted, convert)
    return Model(f"{name}({layer.name})", forward, init=init, layers=[layer], attrs=dict(attrs), dims=dims)


def init_child(model: Model, X: Any = None, Y: Any = None) -> None:
    """Initialise the only child of a wrapper, and keep the dims of both in step."""
    layer = model.layers[0]
    for name in layer.dim_names:
        hand_down(model, name, layer, name)
    layer.initialize(X=X, Y=Y)
    for name in layer.dim_names:
        if model.has_dim(name) is not False:
            model.set_dim(name, layer.maybe_get_dim(name), force=True)


def dims_of(layer: Model) -> Dict[str, Optional[int]]:
    """The dims of a child, for the node that wraps it."""
    return {name: layer.maybe_get_dim(name) for name in layer.dim_names}


def unchanged(X: Any) -> Any:
    return X


def _with_width(X: Any, width: Optional[int]) -> Any:
    """A batch without any rows, which does not know how wide they would be, made as wide as the layer expects."""
    data = array_of(X)
    if width is None or isinstance(data, (list, tuple)) or data.size or data.shape[-1]:
        return X
    return combine(lambda arrays: arrays[0].reshape((*data.shape[:-1], width)), [X])


def _width_if_empty(X: Any) -> Optional[int]:
    data = array_of(X)
    return None if isinstance(data, (list, tuple)) or data.size else data.shape[-1]


def _sizes(X: Any) -> Optional[List[int]]:
    """Lengths of the items of a list, or how many rows there are in all, or steps and columns."""
    if isinstance(X, list):
        return lengths_of(X)
    if isinstance(X, Ragged):
        return [len(X.data)]
    return list(X.data.shape[:2]) if isinstance(X, Padded) else None
