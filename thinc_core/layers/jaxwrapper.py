"""JaxWrapper: a pure JAX function as a layer, compiled, with its parameters as those of the node."""

from typing import Any, Callable, Dict, Optional, Sequence, Tuple

import numpy

from ..config import registry
from ..model import Model
from ._jax import JaxFunction, import_jax, named_leaves
from ._jax_calls import check_loaded, default_inputs, default_outputs, run, set_params


@registry.layers("JaxWrapper.v1")
def JaxWrapper(
    function: Callable[..., Any],
    params: Any = None,
    *,
    init: Optional[Callable[..., Any]] = None,
    convert_inputs: Optional[Callable] = None,
    convert_outputs: Optional[Callable] = None,
    buckets: Optional[Sequence[int]] = None,
) -> Model[Any, Any]:
    """Y = function(params, *X), or function(*X) without params and init.

    X: array, or the arguments as a tuple, list, dict by name or ArgsKwargs; what is no array is a constant that the
        function is compiled for.  Y: what the function returns; its arrays are read-only on the CPU, where they are
        JAX's own memory.
    params: tree of arrays, such as a dict; each is a parameter of the node, called by its place: "Dense_0.kernel".
    init: init(key, *X) -> params, called by initialize(X), for instance that of a Flax module; values that were loaded
        before stay.
    convert_inputs: convert_inputs(model, X, is_train) -> (ArgsKwargs of arrays, its backprop).
    convert_outputs: convert_outputs(model, (X, Y), is_train) -> (Y, its backprop).
    buckets: increasing numbers of rows; batches are padded to the next one, or to a multiple of the last, so that the
        function is compiled for few sizes. For functions that treat every row by itself.
    """
    import_jax()
    takes_params = params is not None or init is not None
    if buckets is not None and (not buckets or list(buckets) != sorted({int(size) for size in buckets if size > 0})):
        raise ValueError(f"jax: buckets must be positive sizes that increase; got {buckets!r}")
    structure, arrays = named_leaves(params)
    attrs: Dict[str, Any] = {
        "convert_inputs": convert_inputs or default_inputs,
        "convert_outputs": convert_outputs or default_outputs,
        "function": JaxFunction(function, takes_params),
        "buckets": buckets and tuple(buckets),
    }
    # Attributes that are not there rather than None, which would be saved, and replace what the loading model has.
    attrs.update({"structure": structure} if params is not None or init is None else {})
    attrs.update({} if init is None else {"draw": init})
    model: Model[Any, Any] = Model("jax", forward, init=initialize, dims={"nI": None, "nO": None}, attrs=attrs)
    return set_params(model, arrays)


def forward(model: Model[Any, Any], X: Any, is_train: bool) -> Tuple[Any, Callable]:
    return run(model, X, is_train)


forward.fixed_shapes = True  # type: ignore[attr-defined] # of parameters, whatever the dims; see _model_io


def initialize(model: Model[Any, Any], X: Any = None, Y: Any = None) -> None:
    draw = model.attrs.get("draw")
    if draw is None or (X is None and "structure" in model.attrs):
        return
    if X is None:
        raise ValueError("jax: X must be given to initialize(), as init draws the parameters from it; got None")
    given, _ = model.attrs["convert_inputs"](model, X, False)
    key = import_jax().random.PRNGKey(numpy.random.randint(2**31))
    structure, arrays = named_leaves(draw(key, *given.args, **given.kwargs))
    if "structure" not in model.attrs and model.param_names:
        check_loaded(model, arrays)  # and keep what was loaded before the structure was known
    else:
        set_params(model, arrays)
    model.attrs["structure"] = structure
