"""What Model.finish_update does: gradients of a tree go to an optimizer, one by one or all together."""

import contextlib
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from . import _model_tree
from .errors import add_note

if TYPE_CHECKING:
    from .backends._param_server import ParamServer
    from .model import Model

KeyT = Tuple[int, str]


def finish_update(root: "Model", nodes: Sequence["Model"], optimizer: Callable[..., Any]) -> None:
    """Update every parameter of the nodes, all of the tree below root, that has a gradient."""
    current: List[Tuple[Model, str]] = []  # whose parameter is looked at, for the note on an error
    with _naming(root, current):
        if updates_together(optimizer):
            _update_together(nodes, optimizer, current)
            for node in nodes:
                if node._params.proxy is not None:
                    _publish(node)
        else:
            _update_each(nodes, optimizer, current)


def updates_together(optimizer: Callable[..., Any]) -> bool:
    """Whether it is our Optimizer; a subclass with another way to update a parameter is asked for each of them."""
    from .optimizers import Optimizer

    return isinstance(optimizer, Optimizer) and type(optimizer).__call__ is Optimizer.__call__


def _update_together(nodes: Sequence["Model"], optimizer: Any, current: List[Tuple["Model", str]]) -> None:
    from .optimizers import Optimizer

    if type(optimizer).apply_gradients is Optimizer.apply_gradients:
        marks: Dict[KeyT, Any] = {}
        optimizer.apply_gradients(_gradients(nodes, current, marks), marks)
    else:
        optimizer.apply_gradients(_gradients(nodes, current))


def _gradients(
    nodes: Sequence["Model"], current: List[Tuple["Model", str]], marks: Optional[Dict[KeyT, Any]] = None
) -> Iterator[Tuple[KeyT, Any, Any]]:
    """Key, parameter and gradient of each parameter that has one.

    marks: to be filled with marks of the gradients; without it they are lost, as who gets a gradient may write to it.
    """
    for node in nodes:
        server = node._params
        grads = server._grads
        for name in node._has_params if grads else ():  # most nodes of a frozen model have none
            key = (node.id, name)
            grad = grads.get(key)
            if grad is not None and node._has_params[name]:
                current[:] = [(node, name)]
                if server._marks:
                    _pass_marks(server, key, marks)
                yield key, server.get_param(*key), grad
    current.clear()


def _pass_marks(server: "ParamServer", key: KeyT, marks: Optional[Dict[KeyT, Any]]) -> None:
    if marks is None:
        server._marks.pop(key, None)
    else:
        marks[key] = server.get_marks(key)


def _update_each(nodes: Sequence["Model"], optimizer: Callable[..., Any], current: List[Tuple["Model", str]]) -> None:
    for key, param, grad in _gradients(nodes, current):
        param, new_grad = optimizer(key, param, grad)
        node, name = current[0]
        node._params.set_param(node.id, name, param)
        if new_grad is not grad:
            node._params.set_grad(node.id, name, new_grad)


def _publish(node: "Model") -> None:
    """Tell the proxy what parameters with a gradient have become."""
    server = node._params
    for key in server.grad_keys:
        server.set_param(*key, server._params[key])


@contextlib.contextmanager
def _naming(root: "Model", current: List[Tuple["Model", str]]) -> Iterator[None]:
    """Errors get a note on the parameter at which they occurred."""
    try:
        yield
    except Exception as error:
        for node, name in current:
            add_note(error, f"in parameter {name!r} of {_model_tree.node_path(root, node)}")
        raise
