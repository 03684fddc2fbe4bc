"""with_debug: functions that are called before a layer is initialised, run and differentiated."""

import contextlib
from typing import Any, Callable, ContextManager, Optional, TypeVar

from ..config import registry
from ..model import Model
from ..util import partial
from ._instrument import instrument

ModelT = TypeVar("ModelT", bound=Model)


@registry.layers("with_debug.v1")
def with_debug(
    layer: ModelT,
    name: Optional[str] = None,
    *,
    on_init: Optional[Callable[[Model, Any, Any], None]] = None,
    on_forward: Optional[Callable[[Model, Any, bool], None]] = None,
    on_backprop: Optional[Callable[[Any], None]] = None,
) -> ModelT:
    """The layer itself, which calls on_init(model, X, Y), on_forward(model, X, is_train) and on_backprop(dY) first.

    name: accepted, and not used.
    """
    return instrument(
        layer,
        init=partial(_call, on_init),
        forward=partial(_call, on_forward),
        backprop=partial(_call, on_backprop),
    )


def _call(hook: Optional[Callable[..., None]], *args: Any) -> ContextManager[None]:
    if hook is not None:
        hook(*args)
    return contextlib.nullcontext()
