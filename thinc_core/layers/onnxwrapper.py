"""ONNXWrapper: an ONNX file as a layer, run by onnxruntime."""

from typing import Any, Callable, Optional, Tuple

from ..config import registry
from ..model import Model
from ..onnx._kinds import KINDS, given_as, returned_as
from ..shims.onnx import ONNXShim
from ..types import ArgsKwargs
from ._checks import check_shape
from ._foreign import as_args, map_batch
from .with_cpu import move


@registry.layers("ONNXWrapper.v1")
def ONNXWrapper(
    model: Any = None,
    *,
    convert_inputs: Optional[Callable] = None,
    convert_outputs: Optional[Callable] = None,
    frozen: bool = False,
) -> Model[Any, Any]:
    """Y = the outputs of an ONNX file for X. It predicts; nothing in it is trained.

    model: path, bytes or onnx.ModelProto; None: a layer that is only good for loading a saved one into.
    X: array, or the inputs as a tuple, list, dict by name or ArgsKwargs. For a file of to_onnx, the kind of batch that
        it was written for.  Y: array, or a tuple of the outputs; for a file of to_onnx, what its model returned.
    convert_inputs: convert_inputs(model, X, is_train) -> (ArgsKwargs of NumPy arrays, its backprop).
    convert_outputs: convert_outputs(model, (X, outputs), is_train) -> (Y, its backprop).
    frozen: backprop gives zeros, so that layers above can be trained; without it backprop raises NotImplementedError.
    """
    shim = ONNXShim(model)
    attrs = {
        "convert_inputs": convert_inputs or _default_inputs,
        "convert_outputs": convert_outputs or _default_outputs,
        "frozen": frozen,
    }
    return Model(
        "onnx", forward, attrs=attrs, shims=[shim], dims={"nI": _width(shim.inputs), "nO": _width(shim.outputs)}
    )


def forward(model: Model[Any, Any], X: Any, is_train: bool) -> Tuple[Any, Callable]:
    shim: Any = model.shims[0]
    given, get_dX = model.attrs["convert_inputs"](model, X, is_train)
    found, backprop_shim = shim(given, is_train)
    Y, get_dY = model.attrs["convert_outputs"](model, (X, found), is_train)
    frozen = model.attrs["frozen"]
    return Y, lambda dY: _zeros(model, X, Y, dY) if frozen else get_dX(backprop_shim(get_dY(dY)))


def _zeros(model: Model, X: Any, Y: Any, dY: Any) -> Any:
    if hasattr(Y, "shape"):
        check_shape(model, dY, Y.shape)
    return map_batch(model.ops.xp.zeros_like, X)


def _default_inputs(model: Model, X: Any, is_train: bool) -> Tuple[Any, Callable]:
    kinds = model.shims[0].metadata.get(KINDS)  # type: ignore[attr-defined]
    if kinds is None or isinstance(X, (dict, ArgsKwargs)):
        return map_batch(model.ops.to_numpy, as_args(X)), _same
    return given_as(kinds, X), _same


def _default_outputs(model: Model, X_arrays: Tuple[Any, Any], is_train: bool) -> Tuple[Any, Callable]:
    kinds, arrays = model.shims[0].metadata.get(KINDS), X_arrays[1]  # type: ignore[attr-defined]
    if kinds is not None:
        return move(returned_as(kinds, arrays), model.ops), _same
    return move(arrays[0] if len(arrays) == 1 else tuple(arrays), model.ops), _same


def _same(gradient: Any) -> Any:
    return gradient


def _width(tensors: Any) -> Optional[int]:
    """The last size of the only tensor, if it is of floats and says one."""
    sizes = tensors[0].sizes if len(tensors) == 1 and tensors[0].dtype.startswith("float") else None
    return sizes[-1] if sizes and len(sizes) > 1 and sizes[-1] else None
