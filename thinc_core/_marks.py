"""What a forward function says about itself. It holds for that function only.

One that wraps it, and copies its attributes as functools.wraps does, does something else.
"""

from typing import Any, Callable, TypeVar

ForwardT = TypeVar("ForwardT", bound=Callable[..., Any])


def mark(forward: Any, key: str, value: Any) -> None:
    """Say something about a forward function."""
    setattr(forward, key, (value, forward))


def marked(forward: Any, key: str) -> Any:
    """What was said about this very function, or None."""
    value, owner = getattr(forward, key, (None, None))
    return value if owner is forward else None


def skips_dX(forward: ForwardT) -> ForwardT:
    """Decorator: the callback takes needs_dX=False, by name, and then returns None, which takes it less time."""
    mark(forward, "skips_dX", True)
    return forward


def backprop_without_dX(layer: Any, backprop: Callable[..., Any], dY: Any) -> None:
    """Run the callback of a layer for the gradients of its parameters alone."""
    if marked(layer._func, "skips_dX"):
        backprop(dY, needs_dX=False)
    else:
        backprop(dY)
