"""strings2arrays: words replaced by their hashes."""

from typing import Any, Callable, List, Sequence, Tuple

import numpy

from ..config import registry
from ..model import Model
from ..types import Ints2d
from ._ids import no_gradient

InT = Sequence[Sequence[str]]


@registry.layers("strings2arrays.v1")
def strings2arrays() -> Model[InT, List[Ints2d]]:
    """Y[b][n] = MurmurHash3_x86_32 of X[b][n] in UTF-8, seed 0, a signed number extended to 64 bits.

    X: sequences of strings.  Y: a (N, 1) uint64 array for each.
    """
    return Model("strings2arrays", forward)


def forward(model: Model[InT, List[Ints2d]], Xs: InT, is_train: bool) -> Tuple[List[Ints2d], Callable]:
    from murmurhash import mrmr

    hashed: Any = [numpy.array([mrmr.hash(word) for word in X], dtype="int64").astype("uint64") for X in Xs]
    return [model.ops.asarray(each.reshape((-1, 1))) for each in hashed], no_gradient(model, Xs)
