"""What `out` means: an op writes its result into an array of the caller's instead of a new one.

Bodies compute new arrays and know nothing of it. A native method that can write straight into out does so; what it
cannot (another layout, memory that an argument has a part of) comes here too, so all backends agree on what fits.
"""

from __future__ import annotations

import functools
from typing import Any, Callable, Dict, Tuple, TypeVar

from .. import checks

F = TypeVar("F", bound=Callable[..., Any])

ONE = "out: array of the result's shape and dtype to write into, in any layout; None: a new one."
SEVERAL = "out: tuple of arrays to write into, each like the one that is returned there; None, also in it: a new one."


def takes_out(*, like: str = "", changes: Tuple[str, ...] = ()) -> Callable[[F], F]:
    """Decorator of an op that declares `out`, by name only, and computes a new array.

    like, changes: of an op that adds to some of its arguments: the one that has the result's shape and dtype, and those
        it adds to. They must stay as they are when out does not fit, so that is found out first.
    """

    def decorate(body: F) -> F:
        method: Any = into_out(body, like, changes)
        parts = (body.__doc__ or "").partition("        RETURNS:")  # a docstring may have been stripped (-OO)
        text = SEVERAL if "Tuple" in str(body.__annotations__["return"]) else ONE
        method.__doc__ = f"{parts[0]}        {text}\n{parts[1]}{parts[2]}" if parts[0] else None
        method.into_out = functools.partial(into_out, like=like, changes=changes)  # for a backend's version of the body
        return method

    return decorate


def into_out(body: Callable[..., Any], like: str, changes: Tuple[str, ...]) -> Any:
    """A method that hands everything but out to the body, and writes what that returns into out."""
    op, parameters = body.__name__, _parameters(body)

    @functools.wraps(body)
    def method(self: Any, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        if out is None:
            return body(self, *args, **kwargs)
        _check_early(self, op, dict(zip(parameters, args), **kwargs), out, like, changes)
        return _written(self, op, out, body(self, *args, **kwargs))

    return method


def _parameters(body: Any) -> Tuple[str, ...]:
    """Names of what may be given by position, but self; inspect.signature would take 30 us."""
    while hasattr(body, "__wrapped__"):
        body = body.__wrapped__
    return body.__code__.co_varnames[1 : body.__code__.co_argcount]


def _check_early(ops: Any, op: str, given: Dict[str, Any], out: Any, like: str, changes: Tuple[str, ...]) -> None:
    """Refuse what must not be found out after the op has changed its arguments."""
    if checks.flag(op, "inplace", given.get("inplace", False)):
        raise ValueError(f"{op}: out must be None when inplace is set; got both")
    if like and hasattr(given.get(like), "dtype"):  # the body refuses an argument that is no array
        ops._arrays(op, out=out)
        checks.out(op, "out", out, ops.xp, given[like].shape, given[like].dtype)
        checks.apart(op, "out", out, **{name: given[name] for name in changes if hasattr(given.get(name), "dtype")})


def _written(ops: Any, op: str, out: Any, result: Any) -> Any:
    """The arrays of out with the result in them, once all of them fit."""
    if not isinstance(result, tuple):
        checks.out(op, "out", out, ops.xp, result.shape, result.dtype)
        return _copied(result, out)
    checks.outs(op, out, len(result))
    for i, (each, value) in enumerate(zip(out, result)):
        if each is not None and not hasattr(value, "dtype"):
            raise ValueError(f"{op}: out[{i}] must be None, as is what is returned there; got {checks.kind_of(each)}")
        if each is not None:
            checks.out(op, f"out[{i}]", each, ops.xp, value.shape, value.dtype)
    return tuple(value if each is None else _copied(value, each) for each, value in zip(out, result))


def _copied(value: Any, out: Any) -> Any:
    out[...] = value
    return out
