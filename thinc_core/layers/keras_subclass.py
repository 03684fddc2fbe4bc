"""keras_subclass: decorator for Keras models of a class of one's own, for TensorFlowWrapper."""

import functools
import json
from typing import Any, Callable, Dict, Optional, Tuple, TypeVar

from ..shims._keras import keras_model_fns

ClassT = TypeVar("ClassT", bound=type)

_COMPILE = {"optimizer": "adam", "loss": "mse"}


def keras_subclass(
    name: str, X: Any, Y: Any, input_shape: Tuple[int, ...], compile_args: Optional[Dict[str, Any]] = None
) -> Callable[[ClassT], ClassT]:
    """Decorator for a subclass of keras.Model, whose variables only exist once it has run: how to run it.

    name: under which keras_model_fns has what makes a model of this class. X, Y: a batch and its output.
    input_shape: of a batch, for build(). compile_args: of compile(), by default Adam and mean squared error.
    RAISES: ValueError when a model is made with arguments that JSON cannot hold.
    """

    def decorate(cls: ClassT) -> ClassT:
        attributes = {"catalogue_name": name, "eg_x": X, "eg_y": Y, "eg_shape": input_shape}
        for attribute, value in {**attributes, "eg_compile": dict(compile_args or _COMPILE)}.items():
            setattr(cls, attribute, property(functools.partial(_constant, value)))
        init = cls.__init__  # type: ignore[misc]

        @functools.wraps(init)
        def remember(self: Any, *args: Any, **kwargs: Any) -> None:
            try:
                call = json.loads(json.dumps([list(args), kwargs]))
            except TypeError as error:
                raise ValueError(
                    f"keras_subclass: arguments of {cls.__name__} must fit into JSON; got {error}"
                ) from error
            init(self, *args, **kwargs)
            object.__setattr__(self, "eg_args", call)

        cls.__init__ = remember  # type: ignore[misc]
        keras_model_fns.register(name, func=_factory(cls))
        return cls

    return decorate


def _constant(value: Any, instance: Any) -> Any:
    return value


def _factory(cls: Any) -> Callable[..., Any]:
    return lambda *args, **kwargs: cls(*args, **kwargs)
