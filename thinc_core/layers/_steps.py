"""Layers one after the other, each a node or a step that stands for several; what fails is named."""

from functools import partial
from typing import Any, Callable, List, Sequence, Tuple

from ..errors import add_node_to_error
from ..model import Model
from ._fusion import run_plus
from ._sequence import add_up


def run_forgetting(steps: Sequence[Any], X: Any, added: Any) -> Any:
    """added + the output, where None adds nothing. Nothing is kept for a backward pass."""
    step: Any = None
    try:
        for step in steps if added is None else steps[:-1]:
            X = step._func(step, X, False)[0]
        if added is not None:
            step = steps[-1]
            X = run_plus(step, X, False, added)[0]
    except Exception as error:
        add_step_to_error(error, step, X)
        raise
    return X


def run_keeping(model: Model, steps: Sequence[Any], X: Any, is_train: bool, added: Any) -> Tuple[Any, Callable]:
    """added + the output, where None adds nothing, and the backprop(dY, plus=None), which adds to what it returns."""
    callbacks: List[Callable] = []
    step: Any = None
    try:
        for step in steps if added is None else steps[:-1]:
            X, callback = step._func(step, X, is_train)
            callbacks.append(callback)
        if added is not None:
            step = steps[-1]
            X, callback = run_plus(step, X, is_train, added)
            callbacks.append(callback)
    except Exception as error:
        add_step_to_error(error, step, X)
        raise
    first_adds = getattr(steps[0]._func, "adds_gradient", False) if steps else False
    return X, partial(_backprop, model, steps, callbacks, first_adds)


def _backprop(
    model: Model, steps: Sequence[Any], callbacks: Sequence[Callable], first_adds: bool, dY: Any, plus: Any = None
) -> Any:
    callback: Any = None
    try:
        for callback in reversed(callbacks) if plus is None else callbacks[:0:-1]:
            dY = callback(dY)
        if plus is None:
            return dY
        for callback in callbacks[:1]:
            dY = callback(dY, plus) if first_adds else callback(dY)
    except Exception as error:
        index = callbacks.index(callback)
        if index < len(steps):  # they may have been edited since
            add_step_to_error(error, steps[index])
        add_node_to_error(error, model)
        raise
    return dY if first_adds else add_up([plus, dY])


def add_step_to_error(error: Exception, step: Any, X: Any = None) -> None:
    """Name the layers on an error of a step, from the one that failed outwards. X: what the step was called with."""
    if step is None:
        return
    first, *others = getattr(step, "nodes", (step,))
    add_node_to_error(error, first, X if first is step or first is step._layers[0] else None)
    for node in others:
        add_node_to_error(error, node)
