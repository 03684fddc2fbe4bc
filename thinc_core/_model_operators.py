"""Operators between models, bound to functions such as chain for the length of a `with` block."""

import contextlib
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, cast

if TYPE_CHECKING:
    from .model import Model


context_operators: ContextVar[Dict[str, Callable[..., Any]]] = ContextVar("context_operators", default={})  # noqa: B039


SYMBOLS = ("+", "-", "*", "@", "/", "//", "%", "**", "<<", ">>", "&", "^", "|")


class Operators:
    """The part of class Model that defines `a >> b` and its like."""

    __slots__ = ()

    _context_operators = context_operators

    @classmethod
    @contextlib.contextmanager
    def define_operators(cls, operators: Dict[str, Callable[..., Any]]) -> Iterator[None]:
        """Bind operators such as ">>" to functions of two models within the block, in this thread or task only.

        operators: any of + - * @ / // % ** << >> & ^ |. An inner block replaces all of the outer one's.
        RAISES: ValueError for any other.
        """
        unknown = sorted(set(operators) - set(SYMBOLS))
        if unknown:
            raise ValueError(f"define_operators: operators must be among {' '.join(SYMBOLS)}; got {unknown}")
        token = cls._context_operators.set(dict(operators))
        try:
            yield
        finally:
            cls._context_operators.reset(token)

    def _operator(self, symbol: str, other: Any, **kwargs: Any) -> "Model":
        function = self._context_operators.get().get(symbol)
        if function is None:
            raise TypeError(
                f"model: operator {symbol!r} is not bound here "
                f"(use `with Model.define_operators({{{symbol!r}: chain}}):`)"
            )
        return cast("Model", function(self, other, **kwargs))

    def __add__(self, other: Any) -> "Model":
        return self._operator("+", other)

    def __sub__(self, other: Any) -> "Model":
        return self._operator("-", other)

    def __mul__(self, other: Any) -> "Model":
        return self._operator("*", other)

    def __matmul__(self, other: Any) -> "Model":
        return self._operator("@", other)

    def __truediv__(self, other: Any) -> "Model":
        return self._operator("/", other)

    def __floordiv__(self, other: Any) -> "Model":
        return self._operator("//", other)

    def __mod__(self, other: Any) -> "Model":
        return self._operator("%", other)

    def __pow__(self, other: Any, **kwargs: Any) -> "Model":
        return self._operator("**", other, **kwargs)

    def __lshift__(self, other: Any) -> "Model":
        return self._operator("<<", other)

    def __rshift__(self, other: Any) -> "Model":
        return self._operator(">>", other)

    def __and__(self, other: Any) -> "Model":
        return self._operator("&", other)

    def __xor__(self, other: Any) -> "Model":
        return self._operator("^", other)

    def __or__(self, other: Any) -> "Model":
        return self._operator("|", other)
