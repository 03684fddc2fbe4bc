"""How a chain runs: which of its layers are one step, what is kept for the way back, where the steps add something."""

from types import MethodType
from typing import Any, Callable, List, Sequence, Tuple

from .._marks import backprop_without_dX, mark, marked
from ..errors import add_node_to_error
from ..model import Model
from ._batches import add_up
from ._fusion import backprop_plus, run_plus


def begins_steps(forward: Callable[..., Any], plan: Callable[..., Sequence[Any]]) -> None:
    """Say that plan(layers, X) gives the steps of a chain whose first layer has this function: some of them fused.

    A chain that begins with another function, one of a user's too, costs no more than this look at it.
    """
    mark(forward, "begins_steps", plan)


def steps_of(layers: Sequence[Model], X: Any) -> Sequence[Any]:
    """The layers of a chain, as they are best run on X."""
    plan = marked(layers[0]._func, "begins_steps") if layers else None
    return layers if plan is None else plan(layers, X)


def run_steps(model: Model, X: Any, is_train: bool) -> Tuple[Any, Callable]:
    """The output of a chain, and its backprop(dY, plus=None, needs_dX=True), which returns plus + dX."""
    step: Any = None
    Y = X
    callbacks: List[Callable] = []
    try:
        steps: Sequence[Any] = model._layers
        if steps and hasattr(steps[0]._func, "begins_steps"):
            steps = steps_of(steps, X)
        if not is_train:  # nothing is kept for a backward pass
            for step in steps:
                Y = step._func(step, Y, False)[0]
            return Y, MethodType(_run_again, (model, X))
        for step in steps:
            Y, callback = step._func(step, Y, True)
            callbacks.append(callback)
    except Exception as error:
        _add_step_to_error(error, step, Y)
        raise
    return Y, MethodType(_backprop, (model, steps, callbacks))


def run_steps_plus(model: Model, X: Any, is_train: bool, added: Any) -> Tuple[Any, Callable]:
    """added + the output of a chain, and its backprop, the same as that of run_steps."""
    step: Any = None
    Y = X
    callbacks: List[Callable] = []
    try:
        steps = steps_of(model._layers, X)
        for step in steps[:-1]:
            Y, *callback = step._func(step, Y, is_train)
            callbacks += callback if is_train else ()
            del callback  # and what it keeps, when predicting
        if not steps:
            return add_up([added, Y]), MethodType(_backprop, (model, steps, callbacks))
        step = steps[-1]
        Y, callback = run_plus(step, Y, is_train, added)
        callbacks.append(callback)
    except Exception as error:
        _add_step_to_error(error, step, Y)
        raise
    return Y, MethodType(*(_backprop, (model, steps, callbacks)) if is_train else (_run_again, (model, X)))


def _run_again(run: Tuple[Model, Any], dY: Any, plus: Any = None, needs_dX: bool = True) -> Any:
    """The backward pass behind a prediction, which has kept nothing: the layers run once more."""
    model, X = run
    steps = steps_of(model._layers, X)
    return _backprop((model, steps, run_each(steps, X, False)[1]), dY, plus, needs_dX)


def run_each(steps: Sequence[Any], X: Any, is_train: bool) -> Tuple[Any, List[Callable]]:
    """The output of the last of the steps, and the callbacks of all."""
    callbacks: List[Callable] = []
    step: Any = None
    try:
        for step in steps:
            X, callback = step._func(step, X, is_train)
            callbacks.append(callback)
    except Exception as error:
        _add_step_to_error(error, step, X)
        raise
    return X, callbacks


def back_through(steps: Sequence[Any], callbacks: Sequence[Callable], dY: Any) -> Any:
    """The gradient of what the first of the steps was given."""
    for step, callback in zip(reversed(steps), reversed(callbacks)):
        try:
            dY = callback(dY)
        except Exception as error:
            _add_step_to_error(error, step)
            raise
    return dY


# A method costs less to make and to call than a partial.
def _backprop(
    run: Tuple[Model, Sequence[Any], Sequence[Callable]], dY: Any, plus: Any = None, needs_dX: bool = True
) -> Any:
    model, steps, callbacks = run
    callback: Any = None
    try:
        if plus is None and needs_dX:
            for callback in reversed(callbacks):
                dY = callback(dY)
            return dY
        for callback in callbacks[:0:-1]:
            dY = callback(dY)
        if not callbacks:
            return add_up([plus, dY]) if needs_dX else None
        callback = callbacks[0]
        if not needs_dX:
            return backprop_without_dX(steps[0], callback, dY)
        return backprop_plus(steps[0], callback, dY, plus)
    except Exception as error:
        index = callbacks.index(callback)
        if index < len(steps):  # they may have been edited since
            _add_step_to_error(error, steps[index])
        add_node_to_error(error, model)
        raise


def _add_step_to_error(error: Exception, step: Any, X: Any = None) -> None:
    """Name the layers on an error of a step, from the one that failed outwards. X: what the step was called with."""
    nodes = () if step is None else getattr(step, "nodes", (step,))
    if not nodes:
        return
    first, *others = nodes
    add_node_to_error(error, first, X if first is step or first is step._layers[0] else None)
    for node in others:
        add_node_to_error(error, node)
