"""clone: copies of a layer in a chain."""

from typing import List, TypeVar

from ..config import registry
from ..model import Model
from .chain import chain
from .noop import noop

InT = TypeVar("InT")


@registry.layers("clone.v1")
def clone(orig: Model[InT, InT], n: int) -> Model[InT, InT]:
    """chain(orig, copy, copy, ...) with n layers in all: different weights once they are initialised.

    n: 0 gives a noop, 1 gives orig itself.
    """
    if n < 0:
        raise ValueError(f"clone: n must be >= 0; got {n}")
    if n == 0:
        return noop()
    layers: List[Model] = [orig, *[orig.copy() for _ in range(n - 1)]]
    return layers[0] if n == 1 else chain(layers[0], layers[1], *layers[2:])
