"""Dropout and its masks."""

from typing import Any, Callable, Tuple

import numpy as np

from ..result import Target
from ..rows import Op


def numpy_mask(shape: Tuple[int, int], rate: float) -> np.ndarray:
    """The plain expression."""
    kept = np.random.default_rng().random(shape, dtype=np.float32) >= rate
    return kept * np.float32(1 / (1 - rate))


def torch_mask(t: Any, shape: Tuple[int, int], rate: float) -> Callable[[], Any]:
    """Dropout of ones: the mask."""
    ones = t.ones(shape)
    return lambda: t.nn.functional.dropout(ones, rate)


OPS = (
    Op(
        "get_dropout_mask",
        lambda at: (at.shape, 0.2),
        torch_mask,
        numpy_mask,
        (Target("thinc", 0.1),),
        dtypes=("float32",),
    ),
    Op(
        "dropout",
        lambda at: (at.normal(), 0.2, 1),
        lambda t, x, rate, seed: lambda: t.dropout(x, rate, True),
        original=False,
    ),
)
