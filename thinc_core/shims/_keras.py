"""What a TensorFlowShim needs of Keras: the package, classes of models by name, copies."""

import copy
from typing import Any, Tuple

from .._frameworks import assert_tensorflow_installed
from ..config._registry import Catalogue

# What makes models of the classes that keras_subclass decorated, by their names.
keras_model_fns = Catalogue("keras")


def import_keras() -> Tuple[Any, Any]:
    """tensorflow and keras. RAISES: ImportError with the command; ValueError when Keras runs on something else."""
    from .. import compat

    assert_tensorflow_installed()
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"tensorflow: Keras must run on TensorFlow; got {keras.backend.backend()} (unset KERAS_BACKEND)"
        )
    return compat.tensorflow, keras


def maybe_handshake_model(model: Any) -> Any:
    """The model, with its variables made: one that keras_subclass decorated is compiled and run once.

    RAISES: ValueError for another model whose class is its own and that has never run.
    """
    keras = import_keras()[1]
    if model.built or isinstance(model, keras.Sequential):
        return model
    missing = [
        name for name in ("catalogue_name", "eg_x", "eg_y", "eg_shape", "eg_compile") if not hasattr(model, name)
    ]
    if missing:
        raise ValueError(
            "tensorflow: a model of a class of its own must be built, or its class be decorated by keras_subclass; "
            f"got {type(model).__name__}, which has no variables yet"
        )
    model.compile(**copy.deepcopy(model.eg_compile))
    model(model.eg_x)
    return model


def copy_model(model: Any) -> Any:
    """A model of the same architecture with copies of the variables. RAISES: ValueError when Keras cannot make one."""
    keras = import_keras()[1]
    if hasattr(model, "catalogue_name"):
        args, kwargs = model.eg_args
        new = maybe_handshake_model(keras_model_fns.get(model.catalogue_name)(*args, **kwargs))
    elif isinstance(model, keras.Sequential) or model.__class__ is keras.Model or hasattr(model, "operations"):
        new = keras.models.clone_model(model)
    else:
        new = type(model).from_config(model.get_config())
        if model.built and not new.built:
            new.build_from_config(model.get_build_config() or {})
    weights = model.get_weights()
    if len(new.get_weights()) != len(weights):
        raise ValueError(
            f"tensorflow: a copy of {type(model).__name__} must have its {len(weights)} variables; got "
            f"{len(new.get_weights())} (decorate its class by keras_subclass)"
        )
    new.set_weights(weights)
    return new
