"""with_debug: functions that are called before a layer is initialised, run and differentiated."""

import contextlib
from typing import Any, Callable, ContextManager, Optional, TypeVar

from ..config import registry
from ..model import Model
from ..util import partial
from ._instrument import instrument

ModelT = TypeVar("ModelT", bound=Model)


def do_nothing(*args: Any) -> None:
    """The hook when none is given."""


@registry.layers("with_debug.v1")
def with_debug(
    layer: ModelT,
    name: Optional[str] = None,
    *,
    on_init: Callable[[Model, Any, Any], None] = do_nothing,
    on_forward: Callable[[Model, Any, bool], None] = do_nothing,
    on_backprop: Callable[[Any], None] = do_nothing,
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


def _call(hook: Callable[..., None], *args: Any) -> ContextManager[None]:
    hook(*args)
    return contextlib.nullcontext()
