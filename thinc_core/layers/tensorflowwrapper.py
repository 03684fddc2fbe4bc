"""TensorFlowWrapper: a Keras model on TensorFlow as a layer."""

from typing import Any, Callable, Optional, Tuple, Type

from .._frameworks import convert_recursive, is_tensorflow_array, is_xp_array, tensorflow2xp, xp2tensorflow
from ..config import registry
from ..model import Model
from ..shims._keras import import_keras, maybe_handshake_model
from ..shims.tensorflow import TensorFlowShim
from ..types import ArgsKwargs
from ._foreign import as_args, like_inputs


@registry.layers("TensorFlowWrapper.v1")
def TensorFlowWrapper(
    tensorflow_model: Any,
    convert_inputs: Optional[Callable] = None,
    convert_outputs: Optional[Callable] = None,
    optimizer: Any = None,
    model_class: Type[Model] = Model,
    model_name: str = "tensorflow",
) -> Model[Any, Any]:
    """Y = tensorflow_model(*X).

    tensorflow_model: keras.Model (Keras 3 on TensorFlow); a class of your own is built first, or see keras_subclass.
    X: array, or the arguments as a tuple, list, dict by name or ArgsKwargs.  Y: what the model returns, as arrays.
    convert_inputs: convert_inputs(model, X, is_train) -> (ArgsKwargs of tensors, its backprop).
    convert_outputs: convert_outputs(model, Y of tensors, is_train) -> (Y, its backprop).
    optimizer: kept with the shim, and not used. model_class, model_name: of the node.
    """
    keras = import_keras()[1]
    if not isinstance(tensorflow_model, keras.layers.Layer):
        kind = type(tensorflow_model).__name__
        raise ValueError(f"tensorflow: tensorflow_model must be a keras.Model; got {kind}")
    return model_class(
        model_name,
        forward,
        shims=[TensorFlowShim(maybe_handshake_model(tensorflow_model), optimizer=optimizer)],
        dims={"nI": None, "nO": None},
        attrs={
            "convert_inputs": convert_inputs or _default_inputs,
            "convert_outputs": convert_outputs or _default_outputs,
        },
    )


def forward(model: Model[Any, Any], X: Any, is_train: bool) -> Tuple[Any, Callable]:
    given, get_dX = model.attrs["convert_inputs"](model, X, is_train)
    found, backprop_shim = model.shims[0](given, is_train)
    Y, get_dY = model.attrs["convert_outputs"](model, found, is_train)
    return Y, lambda dY: get_dX(backprop_shim(get_dY(dY)))


def _default_inputs(model: Model, X: Any, is_train: bool) -> Tuple[ArgsKwargs, Callable[[ArgsKwargs], Any]]:
    given = convert_recursive(is_xp_array, lambda array: xp2tensorflow(array, requires_grad=True), as_args(X))
    return given, lambda gradients: like_inputs(X, _to_xp(model, gradients))


def _default_outputs(model: Model, Y: Any, is_train: bool) -> Tuple[Any, Callable[[Any], Any]]:
    return _to_xp(model, Y), lambda dY: convert_recursive(is_xp_array, xp2tensorflow, dY)


def _to_xp(model: Model, X: Any) -> Any:
    return convert_recursive(is_tensorflow_array, lambda tensor: tensorflow2xp(tensor, ops=model.ops), X)
