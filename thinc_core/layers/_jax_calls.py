"""How a JaxWrapper runs: arrays to JAX and back, gradients to the parameters of the node and to the input."""

from typing import Any, Callable, Dict, List, Tuple

import numpy

from ..errors import KindError
from ..model import Model
from ..types import ArgsKwargs
from ._foreign import as_args, like_inputs
from ._jax import Padding, import_jax, is_float, layout_of


def run(model: Model, X: Any, is_train: bool) -> Tuple[Any, Callable]:
    """The forward pass of the layer."""
    attrs = model._attrs
    given, get_dX = attrs["convert_inputs"](model, X, is_train)
    found, backprop_function = _call(model, given, is_train)
    Y, get_dY = attrs["convert_outputs"](model, (X, found), is_train)

    def backprop(dY: Any) -> Any:
        return get_dX(backprop_function(get_dY(dY)))

    return Y, backprop


def set_params(model: Model, arrays: Dict[str, Any]) -> Model:
    """Give the node its parameters, on the device of its backend. RETURNS: the node."""
    for name, array in arrays.items():
        model.set_param(name, model.ops.asarray(array, dtype=array.dtype))
    return model


def check_loaded(model: Model, arrays: Dict[str, Any]) -> None:
    """RAISES: ValueError unless the parameters of the node have the names and shapes of these arrays."""
    found = {name: tuple(model.get_param(name).shape) for name in model.param_names}
    wanted = {name: array.shape for name, array in arrays.items()}
    if found != wanted:
        raise ValueError(f"jax: the parameters that were loaded must have the shapes {wanted}; got {found}")


def _call(model: Model, given: ArgsKwargs, is_train: bool) -> Tuple[Any, Callable[[Any], ArgsKwargs]]:
    """What the function returns for these arguments; arrays stay those of JAX."""
    jax, attrs = import_jax(), model._attrs
    structure, function = attrs.get("structure"), attrs["function"]
    if structure is None:
        raise ValueError("jax: the layer must be initialised with a batch first: initialize(X) lets init draw params")
    params = [model.get_param(name) for name in structure.names]
    layout, leaves = layout_of(structure, params, (tuple(given.args), dict(given.kwargs)))
    inputs = leaves[len(params) :]
    padding = Padding(attrs["buckets"], inputs)
    device = [to_jax(leaf) for leaf in (*params, *map(padding.grow, inputs))]
    if is_train:
        Y, pullback = function.begin_update(layout, device)
    else:
        Y, pullback = function.predict(layout, device), None
    outputs, treedef = jax.tree_util.tree_flatten(Y)

    def backprop(dY: Any) -> ArgsKwargs:
        back = function.begin_update(layout, device)[1] if pullback is None else pullback
        dYs = _matched(jax.tree_util.tree_leaves(dY), outputs, padding)
        gradients = iter(back(dYs))
        for name, param in zip(structure.names, params):
            if is_float(param):
                model.inc_grad(name, from_jax(model, next(gradients), param.dtype))
        dXs = [_gradient_of(model, leaf, gradients, padding) for leaf in inputs]
        args, kwargs = jax.tree_util.tree_unflatten(layout.args, dXs)
        return ArgsKwargs(args, kwargs)

    return jax.tree_util.tree_unflatten(treedef, [padding.cut(leaf) for leaf in outputs]), backprop


def _matched(dYs: List[Any], Ys: List[Any], padding: Padding) -> List[Any]:
    """The gradients of the outputs that are floats, in their dtype, padded. RAISES: ValueError when they do not fit."""
    if len(dYs) != len(Ys):
        raise ValueError(f"jax: dY must have {len(Ys)} arrays, as the output has; got {len(dYs)}")
    found = []
    for dY, Y in zip(dYs, Ys):
        shape = padding.cut(Y).shape if padding.size != padding.rows else Y.shape
        if tuple(dY.shape) != tuple(shape):
            raise ValueError(f"jax: dY must have the shape of the output {tuple(shape)}; got {tuple(dY.shape)}")
        if is_float(Y):
            grown = padding.grow(dY, repeat=False) if tuple(shape) != tuple(Y.shape) else dY
            found.append(to_jax(grown if grown.dtype == Y.dtype else grown.astype(Y.dtype)))
    return found


def _gradient_of(model: Model, leaf: Any, gradients: Any, padding: Padding) -> Any:
    """The gradient of one input: zeros of one that is no float, None of what is no array."""
    if not hasattr(leaf, "dtype"):
        return None
    if is_float(leaf):
        return padding.cut(from_jax(model, next(gradients), leaf.dtype))
    return model.ops.xp.zeros(leaf.shape, dtype=leaf.dtype if hasattr(leaf.dtype, "kind") else "float32")


def to_jax(array: Any) -> Any:
    """What the compiled function takes: NumPy's arrays as they are, which JAX reads without a copy where it can; those
    of CuPy through DLPack."""
    if isinstance(array, numpy.ndarray):
        return array
    return import_jax().dlpack.from_dlpack(array) if type(array).__module__.startswith("cupy") else array


def from_jax(model: Model, array: Any, dtype: Any = None) -> Any:
    """An array of the model's backend: on the CPU JAX's own memory, read-only; on the GPU the same through DLPack.

    dtype: to be converted to, if it is not that already.
    """
    xp = model.ops.xp
    found = numpy.asarray(array) if xp is numpy else xp.from_dlpack(array)
    if found.dtype == "bfloat16":
        found = found.astype("float32")
    return found if dtype is None or found.dtype == dtype or str(dtype) == "bfloat16" else found.astype(dtype)


def default_inputs(model: Model, X: Any, is_train: bool) -> Tuple[ArgsKwargs, Callable[[ArgsKwargs], Any]]:
    """X as the arguments of a call, and the gradients of these in the kind of X."""
    for item in X if isinstance(X, (list, tuple)) else (X,):
        if hasattr(item, "lengths") and hasattr(item, "data"):
            hint = "with_array(JaxWrapper(...)) runs it on the rows, with_padded on steps"
            raise KindError(f"jax: X must be arrays; got a {type(item).__name__} ({hint})")
    return as_args(X), lambda gradients: like_inputs(X, gradients)


def default_outputs(model: Model, X_Y: Tuple[Any, Any], is_train: bool) -> Tuple[Any, Callable[[Any], Any]]:
    """The arrays in what the function returns as those of the model's backend."""
    tree_map = import_jax().tree_util.tree_map
    return tree_map(lambda leaf: from_jax(model, leaf), X_Y[1]), lambda dY: dY
