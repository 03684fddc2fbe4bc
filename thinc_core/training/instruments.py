"""What watches updates from inside: something is put around the functions of all layers for the length of a block.

Nothing is changed outside the block, so what is not watched costs nothing. Within it, layers that are otherwise run as
one step are run one by one.
"""

from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Callable, ContextManager, Dict, Iterator, List, Tuple

from ..model import Model
from ..types import Padded, Ragged

# wrap(node, its forward function, model, X, is_train) -> (Y, backprop)
Wrap = Callable[..., Tuple[Any, Callable]]


@contextmanager
def instrumented(model: Model, wrap: Wrap) -> Iterator[None]:
    """Within the block, the forward function of each node is wrap(node, forward, ...)."""
    before = [(node, node._func) for node in model.walk()]
    for node, forward in before:
        wrapped: Any = partial(wrap, node, forward)
        wrapped.watched = forward
        for name in ("output_width", "stays_on_cpu"):
            if hasattr(forward, name):
                setattr(wrapped, name, getattr(forward, name))
        node._func = wrapped
    try:
        yield
    finally:
        for node, forward in before:
            node._func = forward


class Both:
    """Two ways to watch an update, as one."""

    def __init__(self, *arounds: Callable[[Model, int], ContextManager[None]]) -> None:
        self.arounds = arounds

    @contextmanager
    def __call__(self, model: Model, step: int) -> Iterator[None]:
        with ExitStack() as stack:
            for around in self.arounds:
                stack.enter_context(around(model, step))
            yield


def layer_paths(model: Model) -> Dict[int, str]:
    """A short path for each node, by its id(): "chain > 1 relu > ..." with the place in the parent before the name."""
    paths: Dict[int, str] = {}

    def visit(node: Model, path: str) -> None:
        if id(node) not in paths:
            paths[id(node)] = path
            for index, child in enumerate(node.layers, 1):
                visit(child, f"{path} > {index} {kind_of(child)}")

    visit(model, kind_of(model))
    return paths


def kind_of(node: Model) -> str:
    """What a layer is, in a word: "chain" instead of the names of all its parts."""
    func: Any = node._func
    while hasattr(func, "watched"):
        func = func.watched
    module = str(getattr(func, "__module__", ""))
    last = module.rpartition(".")[2]
    return last if ".layers." in module and node.layers and not last.startswith("_") else str(node.name)


def arrays_in(X: Any) -> List[Any]:
    """The arrays of data in a batch of any kind."""
    if isinstance(X, (list, tuple)):
        return [array for item in X for array in arrays_in(item)]
    if isinstance(X, Ragged):
        return [X.dataXd]
    if isinstance(X, Padded):
        return [X.data]
    return [X] if hasattr(X, "nbytes") else []
