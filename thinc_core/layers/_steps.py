"""How a chain runs: which of its layers are one step, what is kept for the way back, where the steps add something."""

from functools import partial
from typing import Any, Callable, List, Sequence, Tuple

from .._marks import backprop_without_dX
from ..errors import add_node_to_error
from ..model import Model
from ._fusion import backprop_plus, is_part, run_plus
from ._mixed_tables import fused
from ._normalized_maxout import normalized
from ._sequence import add_up
from .concatenate import forward as concatenate_forward


def run_in_turn(model: Model, X: Any, is_train: bool, added: Any) -> Tuple[Any, Callable]:
    """added + the output of the chain, where None adds nothing; backprop(dY, plus=None, needs_dX=True): plus + dX."""
    if is_train:
        return _run_keeping(model, X, True, added)
    Y = _run_forgetting(model, X, added)

    def backprop(dY: Any, plus: Any = None, needs_dX: bool = True) -> Any:
        return _run_keeping(model, X, False, None)[1](dY, plus, needs_dX)

    return Y, backprop


def _run_forgetting(model: Model, X: Any, added: Any) -> Any:
    """The output; nothing is kept for a backward pass."""
    step: Any = None
    try:
        steps = _steps(model, X)
        if added is not None and not steps:
            return add_up([added, X])
        for step in steps if added is None else steps[:-1]:
            X = step._func(step, X, False)[0]
        if added is not None:
            step = steps[-1]
            X = run_plus(step, X, False, added)[0]
    except Exception as error:
        _add_step_to_error(error, step, X)
        raise
    return X


def _run_keeping(model: Model, X: Any, is_train: bool, added: Any) -> Tuple[Any, Callable]:
    callbacks: List[Callable] = []
    step: Any = None
    try:
        steps = _steps(model, X)
        if added is not None and not steps:
            return add_up([added, X]), partial(_backprop, model, steps, callbacks)
        for step in steps if added is None else steps[:-1]:
            X, callback = step._func(step, X, is_train)
            callbacks.append(callback)
        if added is not None:
            step = steps[-1]
            X, callback = run_plus(step, X, is_train, added)
            callbacks.append(callback)
    except Exception as error:
        _add_step_to_error(error, step, X)
        raise
    return X, partial(_backprop, model, steps, callbacks)


def _backprop(
    model: Model, steps: Sequence[Any], callbacks: Sequence[Callable], dY: Any, plus: Any = None, needs_dX: bool = True
) -> Any:
    callback: Any = None
    try:
        for callback in callbacks[:0:-1]:
            dY = callback(dY)
        if not callbacks:
            return dY if plus is None else add_up([plus, dY])
        callback = callbacks[0]
        if not needs_dX:
            return backprop_without_dX(steps[0], callback, dY)
        return callback(dY) if plus is None else backprop_plus(steps[0], callback, dY, plus)
    except Exception as error:
        index = callbacks.index(callback)
        if index < len(steps):  # they may have been edited since
            _add_step_to_error(error, steps[index])
        add_node_to_error(error, model)
        raise


def _steps(model: Model, X: Any) -> Sequence[Any]:
    layers = model._layers
    if layers and layers[0]._func is concatenate_forward:
        return fused(model, X)
    return normalized(layers) if layers and is_part(layers[0], "maxout", "chain") else layers


def _add_step_to_error(error: Exception, step: Any, X: Any = None) -> None:
    """Name the layers on an error of a step, from the one that failed outwards. X: what the step was called with."""
    if step is None:
        return
    first, *others = getattr(step, "nodes", (step,))
    add_node_to_error(error, first, X if first is step or first is step._layers[0] else None)
    for node in others:
        add_node_to_error(error, node)
