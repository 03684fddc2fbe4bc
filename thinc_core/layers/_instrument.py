"""What with_debug and its like share: something runs around the functions of a layer, which stays the node it is."""

from typing import Any, Callable, ContextManager, Dict, Optional, Tuple, TypeVar

from ..model import Model
from ..util import partial

ModelT = TypeVar("ModelT", bound=Model)
# enter(what the function is about to be called with) -> context manager around the call
Enter = Callable[..., ContextManager[Any]]


def instrument(layer: ModelT, *, forward: Enter, backprop: Enter, init: Optional[Enter] = None) -> ModelT:
    """Replace the functions of the layer by ones that call it inside `with forward(model, X, is_train):` and so on.

    Copies of the layer run on their own parameters, as nothing here holds the layer itself.
    """
    new_forward: Any = partial(_forward, forward, backprop, layer._func)
    new_init: Any = layer.init
    if init is not None and layer.init is not None:
        new_init = partial(_init, init, layer.init)
        _keep(layer.init, new_init, "param_shapes")
    # Not kept is what says that the layer may be fused with others: it would not be called then.
    for name in ("output_width", "stays_on_cpu"):
        _keep(layer._func, new_forward, name)
    layer.replace_callbacks(new_forward, init=new_init)
    return layer


def _keep(old: Any, new: Any, name: str) -> None:
    value = getattr(old, name, None) or getattr(getattr(old, "func", None), name, None)
    if value is not None:
        setattr(new, name, value)


def _forward(
    enter_forward: Enter, enter_backprop: Enter, run: Callable[..., Any], model: Model, X: Any, is_train: bool
) -> Tuple[Any, Callable]:
    with enter_forward(model, X, is_train):
        Y, callback = run(model, X, is_train)

    def backprop(dY: Any) -> Any:
        with enter_backprop(dY):
            return callback(dY)

    return Y, backprop


def _init(enter: Enter, run: Callable[..., Any], model: Model, X: Any = None, Y: Any = None) -> Any:
    samples: Dict[str, Any] = {"X": X, "Y": Y}
    with enter(model, X, Y):
        return run(model, **samples)
