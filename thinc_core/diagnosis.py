"""Checks to run while writing a model: are its gradients right, and which layer does the first NaN come from?"""

from typing import Any, Callable, List, Optional, Sequence, Tuple

import numpy

from ._model_tree import node_path
from .backends import Ops
from .model import Model, set_dropout_rate
from .types import Padded, Ragged
from .util import partial

__all__ = ["check_finite", "check_gradients"]

# loss(Y) -> (its value, its gradient with respect to Y, or what the last layer takes for it)
Loss = Callable[[Any], Tuple[float, Any]]


def check_gradients(
    model: Model,
    X: Any,
    *,
    loss: Optional[Loss] = None,
    frozen: Sequence[str] = (),
    step: float = 1e-6,
    rtol: float = 1e-4,
    seed: int = 0,
) -> None:
    """Compare gradients with what a small step of the parameter, or of X, along a random direction changes.

    Runs a copy of the model in float64 on the reference backend, without dropout.
    X: a batch; arrays of integers in it have no gradient.
    loss: loss(Y) -> (value, dY), by default the sum of Y with random weights. Softmax layers take the gradient with
        respect to their logits, and need a loss that gives it.
    frozen: names of parameters that are meant to have no gradient, such as running means.
    rtol: difference allowed, relative to the larger of the two.
    RAISES: ValueError that lists every gradient that is wrong, with the path of its layer.
    """
    model, random = _exact(model), numpy.random.RandomState(seed)
    X = _map(lambda array: array.astype("float64") if array.dtype.kind == "f" else array, X)
    Y, backprop = model.begin_update(X)
    if loss is None:
        weights = _noise(Y, random)
        loss = partial(_weighted, weights)
    value = _value_of(model, loss)
    dX = backprop(loss(Y)[1])
    direction = _noise(X, random)
    found = [("X", _dot(dX, direction), value(_moved(X, direction, step)) - value(_moved(X, direction, -step)))]
    for node in model.walk():
        for name in (name for name in node.param_names if name not in frozen):
            param, gradient = node.get_param(name), node.maybe_get_grad(name)
            direction = random.normal(size=param.shape)
            changes = []
            for sign in (1, -1):
                node.set_param(name, param + sign * step * direction)
                changes.append(value(X))
            node.set_param(name, param)
            given = 0.0 if gradient is None else float((gradient * direction).sum())
            found.append((f"{name} of {node_path(model, node)}", given, changes[0] - changes[1]))
    wrong = [(what, given, rise / (2 * step)) for what, given, rise in found]
    wrong = [each for each in wrong if abs(each[1] - each[2]) > rtol * max(abs(each[1]), abs(each[2]), 1e-3)]
    if wrong:
        lines = [f"{what}: {given:.6g}, and a step changes the output by {rise:.6g}" for what, given, rise in wrong]
        raise ValueError("check_gradients: gradients must be those of the output; got\n" + "\n".join(lines))


def check_finite(model: Model, X: Any, dY: Any = None) -> None:
    """Run a copy of the model, backwards too if dY is given, and stop at the first NaN or infinity.

    RAISES: FloatingPointError that begins with the path of the layer whose output or gradient has it.
    """
    model = model.copy()
    for node in model.walk():
        node.replace_callbacks(partial(_watched, node._func), init=node.init)
    backprop = model.begin_update(X)[1]
    if dY is not None:
        backprop(dY)


def _watched(run: Callable[..., Any], model: Model, X: Any, is_train: bool) -> Tuple[Any, Callable]:
    Y, callback = run(model, X, is_train)
    _must_be_finite(model, "Y", Y)

    def backprop(dY: Any) -> Any:
        dX = callback(dY)
        for name in model.grad_names:
            _must_be_finite(model, f"the gradient of {name}", model.get_grad(name))
        _must_be_finite(model, "dX", dX)
        return dX

    return Y, backprop


def _must_be_finite(model: Model, what: str, X: Any) -> None:
    for array in _floats(X):
        bad = int((~model.ops.xp.isfinite(array)).sum())
        if bad:
            values = f"{bad} of {array.size} values that are NaN or infinite"
            raise FloatingPointError(f"{model.name}: {what} must be finite; got {values}")


def _exact(model: Model) -> Model:
    model = model.copy()
    model._to_ops(Ops())
    for node in model.walk():
        for name in node.param_names:
            if node.has_param(name):
                node.set_param(name, node.get_param(name).astype("float64"))
            node._params._grads.pop((node.id, name), None)
    return set_dropout_rate(model, 0.0)


def _value_of(model: Model, loss: Loss) -> Callable[[Any], float]:
    return lambda X: loss(model.begin_update(X)[0])[0]


def _weighted(weights: Any, Y: Any) -> Tuple[float, Any]:
    return _dot(Y, weights), weights


def _floats(X: Any) -> List[Any]:
    found: List[Any] = []
    _map(lambda array: found.append(array) if array.dtype.kind == "f" else None, X)
    return found


def _dot(X: Any, Y: Any) -> float:
    return float(sum((a * b).sum() for a, b in zip(_floats(X), _floats(Y))))


def _noise(X: Any, random: Any) -> Any:
    return _map(lambda array: random.normal(size=array.shape) if array.dtype.kind == "f" else array, X)


def _moved(X: Any, direction: Any, step: float) -> Any:
    moves = iter(_floats(direction))
    return _map(lambda array: array + step * next(moves) if array.dtype.kind == "f" else array, X)


def _map(function: Callable[[Any], Any], X: Any) -> Any:
    """The same kind of batch with function(array) in the place of each array of data."""
    if isinstance(X, (list, tuple)):
        return type(X)([_map(function, item) for item in X])
    if isinstance(X, Ragged):
        data = function(X.dataXd)
        return X if data is None else Ragged(data, X.lengths)
    if isinstance(X, Padded):
        data = function(X.data)
        return X if data is None else Padded(data, X.size_at_t, X.lengths, X.indices)
    return function(X) if hasattr(X, "dtype") else X
