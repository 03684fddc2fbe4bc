"""resizable: a layer whose number of outputs can be changed after it has been trained."""

from functools import partial
from typing import Any, Callable, Dict, Optional, Tuple, TypeVar

from ..config import registry
from ..model import Model
from ._gradients import backprop_child
from ._widths import width_of_child
from ._wrapper import dims_of, init_child

InT = TypeVar("InT")
OutT = TypeVar("OutT")


@registry.layers("resizable.v1")
def resizable(layer: Model[InT, OutT], resize_layer: Callable[..., Model]) -> Model[InT, OutT]:
    """Y = layer(X).

    resize_layer: resize_layer(layer, new_nO) -> the layer to put in its place, see resize_model.
    """
    attrs = {"resize_layer": resize_layer}
    name = f"resizable({layer.name})"
    return Model(name, forward, init=init_child, layers=[layer], attrs=attrs, dims=dims_of(layer))


@width_of_child
def forward(model: Model[InT, OutT], X: InT, is_train: bool) -> Tuple[OutT, Callable]:
    Y, callback = model._layers[0](X, is_train)
    return Y, partial(backprop_child, model, callback)


def resize_model(model: Model[InT, OutT], new_nO: int) -> Model[InT, OutT]:
    """Give a resizable() another number of outputs. RETURNS: the same model, around a new layer."""
    layer = model.attrs["resize_layer"](model.layers[0], new_nO)
    model._layers[0] = layer
    for name, size in dims_of(layer).items():
        if model.has_dim(name) is not False:
            model.set_dim(name, size, force=True)
    return model


def resize_linear_weighted(
    layer: Model[InT, OutT], new_nO: int, *, fill_defaults: Optional[Dict[str, Any]] = None
) -> Model[InT, OutT]:
    """A layer with new_nO outputs that has the weights of the old ones, as many as there are places for.

    layer: one whose parameters all have nO as their first axis, such as Linear, Softmax or Maxout.
    fill_defaults: value per parameter for outputs that are new; 0 if it names none.
    RETURNS: a new node; but the same one when it has that many outputs already, or no parameters yet.
    """
    if layer.layers or layer.shims or any(layer.maybe_get_ref(name) for name in layer.ref_names):
        raise ValueError(f"resize: layer must be a single node without layers, refs and shims; got {layer.name!r}")
    old_nO = layer.maybe_get_dim("nO")
    if old_nO == new_nO:
        return layer
    if not all(layer.has_param(name) for name in layer.param_names):
        layer.set_dim("nO", new_nO, force=True)
        return layer
    shapes = {name: tuple(layer.get_param(name).shape) for name in layer.param_names}
    if any(shape[:1] != (old_nO,) for shape in shapes.values()):
        raise ValueError(
            f"resize: the first axis of every parameter of {layer.name!r} must be nO={old_nO}; got {shapes}"
        )
    dims = {**dims_of(layer), "nO": new_nO}
    new: Model[InT, OutT] = Model(layer.name, layer._func, init=layer.init, dims=dims, attrs=layer.attrs, ops=layer.ops)
    kept = min(new_nO, layer.get_dim("nO"))
    for name in layer.param_names:
        old = layer.get_param(name)
        param = layer.ops.alloc((new_nO, *old.shape[1:]), dtype=old.dtype)
        param[:kept] = old[:kept]
        param[kept:] = (fill_defaults or {}).get(name, 0)
        new.set_param(name, param)
    return new
