"""TensorFlowShim: a Keras 3 model on TensorFlow, with its variables updated by our optimizers."""

import contextlib
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import numpy

from .._frameworks import tensorflow2xp, xp2tensorflow
from ..types import ArgsKwargs
from ._keras import copy_model, import_keras, maybe_handshake_model
from .shim import Shim

__all__ = ["TensorFlowShim", "maybe_handshake_model"]

KEY = "tensorflow-shim"  # all variables are one parameter of this name


class TensorFlowShim(Shim):
    """Runs a Keras model and updates its variables.

    model: a keras.Model or layer that has its variables already.
    For an optimizer all trainable variables are one parameter, the vector of all values under the key
    (id, "tensorflow-shim"): one update, one norm for clipping, and averages that use_params finds.
    Saved are the values of the variables alone; loading checks their shapes and runs no code.
    """

    def __init__(self, model: Any, config: Optional[Dict[str, Any]] = None, optimizer: Any = None) -> None:
        super().__init__(model, config, optimizer)
        self.gradients: Optional[List[Any]] = None

    def __str__(self) -> str:
        lines: List[str] = []
        self._model.summary(print_fn=lambda line, **more: lines.append(line))
        return "\n".join(lines)

    def __call__(self, inputs: ArgsKwargs, is_train: bool) -> Tuple[Any, Callable[..., Any]]:
        """Run the model on tensors. RETURNS: what it returns, and the callback from dY to ArgsKwargs of gradients."""
        if is_train:
            return self.begin_update(inputs)
        return self.predict(inputs), lambda dY: self.begin_update(inputs)[1](dY)

    def predict(self, fwd_args: ArgsKwargs) -> Any:
        """The output alone, of the model as it is when predicting: no dropout, running statistics."""
        return self._run(fwd_args, training=False)

    def begin_update(self, fwd_args: ArgsKwargs) -> Tuple[Any, Callable[..., Any]]:
        """Output and callback, for training. The callback may be called more than once; gradients add up."""
        tf = import_keras()[0]
        structure = [list(fwd_args.args), dict(fwd_args.kwargs)]
        leaves = tf.nest.flatten(structure)
        inputs = [leaf for leaf in leaves if _is_float(leaf)]
        with tf.GradientTape(persistent=True) as tape:
            for each in inputs:
                tape.watch(each)
            Y = self._run(fwd_args, training=True)
        Ys = tf.nest.flatten(Y)

        def backprop(dY: Any) -> ArgsKwargs:
            given = tf.nest.flatten(dY)
            _check_gradients(Ys, given)
            dYs = [_in_dtype(tf, d, each.dtype) for each, d in zip(Ys, given) if _is_float(each)]
            sources = [*inputs, *self._variables()]
            found = tape.gradient([each for each in Ys if _is_float(each)], sources, output_gradients=dYs)
            self._add_gradients(found[len(inputs) :])
            dXs = iter(found[: len(inputs)])
            args, kwargs = tf.nest.pack_sequence_as(structure, [_input_gradient(tf, leaf, dXs) for leaf in leaves])
            return ArgsKwargs(args=tuple(args), kwargs=kwargs)

        return Y, backprop

    def _run(self, inputs: ArgsKwargs, training: bool) -> Any:
        args = tuple(inputs.args)
        if len(args) > 1 and len(getattr(self._model, "inputs", None) or ()) == len(args):
            args = (list(args),)  # models of several inputs take them as one list
        return self._model(*args, training=training, **inputs.kwargs)

    def _add_gradients(self, found: List[Any]) -> None:
        """Add to the gradients; a variable that had no part in the output has none."""
        tf, variables = import_keras()[0], self._model.trainable_variables
        found = [
            tf.zeros(variable.shape, variable.dtype) if each is None else _in_dtype(tf, each, each.dtype)
            for each, variable in zip(found, variables)
        ]
        before = self.gradients
        self.gradients = found if before is None else [a + b for a, b in zip(before, found)]

    def finish_update(self, optimizer: Any) -> None:
        """Update all trainable variables at once and forget the gradients.

        RAISES: ValueError when there are variables, but no gradients since the last update.
        """
        if not self._model.trainable_variables:
            return
        if self.gradients is None:
            raise ValueError("tensorflow: there must be gradients to update with; got none (call backprop first)")
        weights = tensorflow2xp(_flat(self._variables()))
        weights, _ = optimizer((self.id, KEY), weights, tensorflow2xp(_flat(self.gradients)))
        self._assign(weights)
        self.gradients = None

    def _variables(self) -> List[Any]:
        return [variable.value for variable in self._model.trainable_variables]

    def _assign(self, weights: Any) -> None:
        """Set all trainable variables from one vector."""
        tf, variables = import_keras()[0], self._model.trainable_variables
        sizes = [int(numpy.prod(variable.shape)) for variable in variables]
        for variable, part in zip(variables, tf.split(xp2tensorflow(weights), sizes)):
            variable.assign(tf.cast(tf.reshape(part, variable.shape), variable.dtype))

    @contextlib.contextmanager
    def use_params(self, params: Dict[Any, Any]) -> Iterator[None]:
        """Swap in averages within the block: the vector under (id, "tensorflow-shim"), as optimizers keep it, or arrays
        under "tensorflow_<id>_<path of the variable>"."""
        whole = params.get((self.id, KEY))
        named = {
            index: params[f"tensorflow_{self.id}_{variable.path}"]
            for index, variable in enumerate(self._model.trainable_variables)
            if f"tensorflow_{self.id}_{variable.path}" in params
        }
        if whole is None and not named:
            yield
            return
        before = [variable.numpy() for variable in self._model.trainable_variables]
        try:
            if whole is not None:
                self._assign(whole)
            for index, array in named.items():
                self._model.trainable_variables[index].assign(xp2tensorflow(array))
            yield
        finally:
            for variable, array in zip(self._model.trainable_variables, before):
                variable.assign(array)

    def copy(self) -> "TensorFlowShim":
        """A shim with an id of its own around a copy of the model with the same values."""
        return type(self)(copy_model(self._model), self.cfg, self._optimizer)

    def __deepcopy__(self, memo: Any) -> "TensorFlowShim":
        return self.copy()

    def to_device(self, device_type: str, device_id: int) -> None:
        """Move the variables. RAISES: ValueError for anything but "cpu" and "gpu"."""
        if device_type not in ("cpu", "gpu"):
            raise ValueError(f"tensorflow: device must be cpu or gpu; got {device_type!r}")
        tf, before = import_keras()[0], self._model
        place = "/CPU:0" if device_type == "cpu" else f"/GPU:{device_id}"
        if any(place not in variable.value.device for variable in before.variables):
            with tf.device(place):
                self._model = copy_model(before)

    def to_bytes(self) -> bytes:
        """The values of all variables, those that are not trained too; the model itself belongs to your code."""
        import srsly

        weights = [numpy.asarray(array) for array in self._model.get_weights()]
        return srsly.msgpack_dumps({"config": self.cfg, "weights": weights})

    def from_bytes(self, data: bytes) -> "TensorFlowShim":
        """Load what to_bytes gave. RAISES: ValueError when it is damaged or does not fit; nothing is changed then."""
        from .._model_io import unpack

        message = unpack(data)
        whole = isinstance(message, dict) and isinstance(message.get("config"), dict)
        if not whole or not isinstance(message.get("weights"), list):
            raise ValueError("tensorflow: the saved layer must hold a config and the values of variables; got others")
        wanted = [tuple(array.shape) for array in self._model.get_weights()]
        found = [tuple(getattr(array, "shape", ("no array",))) for array in message["weights"]]
        if wanted != found:
            raise ValueError(f"tensorflow: the variables must have the shapes {wanted}; got {found}")
        dtypes = [str(array.dtype) for array in message["weights"] if array.dtype.kind not in "biufc"]
        if dtypes:
            raise ValueError(f"tensorflow: the variables must be numbers; got {', '.join(dtypes)}")
        self._model.set_weights(message["weights"])
        self.cfg = message["config"]
        return self


def _flat(tensors: List[Any]) -> Any:
    """All values in one float32 vector."""
    tf = import_keras()[0]
    return tf.concat([tf.reshape(tf.cast(each, "float32"), [-1]) for each in tensors], axis=0)


def _is_float(each: Any) -> bool:
    return bool(getattr(getattr(each, "dtype", None), "is_floating", False))


def _input_gradient(tf: Any, each: Any, gradients: Iterator[Any]) -> Any:
    """The gradient of one input: zeros where the output does not depend on it, or it is no float."""
    if not hasattr(each, "dtype"):
        return None
    found = next(gradients) if _is_float(each) else None
    return tf.zeros_like(each) if found is None else _in_dtype(tf, found, found.dtype)


def _in_dtype(tf: Any, tensor: Any, dtype: Any) -> Any:
    """A dense tensor of that dtype: the same one, if it is that already."""
    dense = tensor if isinstance(tensor, tf.Tensor) else tf.convert_to_tensor(tensor)
    return dense if dense.dtype == dtype else tf.cast(dense, dtype)


def _check_gradients(Ys: List[Any], dYs: List[Any]) -> None:
    """RAISES: ValueError unless there is a gradient of the shape of each output."""
    wanted, found = ([tuple(each.shape) for each in part] for part in (Ys, dYs))
    if wanted != found:
        raise ValueError(f"tensorflow: dY must have the shapes of the output {wanted}; got {found}")
