"""Which lines of large parameters an optimizer has reached: the others are not looked at, see Ops.apply_gradients."""

from typing import Any, Dict, Optional, Tuple

import numpy

from .backends.reference._lines import line_bytes, mark_lines

KeyT = Tuple[int, str]
NO_MARKS: Tuple[Any, Any] = (None, None)  # reached, touched
LEAST_SIZE = 2**15  # below, a look at all values costs as little
DTYPES = (numpy.dtype("float32"), numpy.dtype("float64"))


class ReachedLines:
    """Marks of lines in which a parameter's moments or average are not zero, with the arrays that they are about."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: Dict[KeyT, Optional[Tuple[Tuple[Any, ...], Any]]] = {}

    def forget(self) -> None:
        """Somebody else has got the arrays, and may write to them before the next step."""
        self._known.clear()

    def find(self, key: KeyT, weights: Any, state: Tuple[Any, ...]) -> Any:
        """The marks of a parameter, made anew for other arrays than before; None when there are none.

        In the first step after `forget` there are none: making them is not worth it where that comes before each step.
        """
        if weights.dtype not in DTYPES or not isinstance(weights, numpy.ndarray):
            return None
        if key not in self._known:
            self._known[key] = None
            return None
        known = self._known[key]
        if known is None or any(X is not Y for X, Y in zip(known[0], state)):
            marks = numpy.zeros(line_bytes(weights.size), "uint8")
            for X in state:
                if X is not None:
                    mark_lines(numpy, marks, X)
            known = self._known[key] = (state, marks)
        return known[1]


def shared_table(name: str) -> Any:
    """A property for the optimizer's slot of that name: whoever gets it may write to the arrays."""

    def get(self: Any) -> Any:
        self._reached.forget()
        return getattr(self, name)

    def set_(self: Any, value: Any) -> None:
        setattr(self, name, value)

    return property(get, set_)
