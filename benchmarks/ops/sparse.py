"""Scores of bags of hashed keys."""

from typing import Any, Dict, Tuple

import numpy as np

from .. import inputs
from ..rows import FLOATS, JUDGED, ROWS, At, Op

WEIGHTS, TOPICS = 2**18, 17  # per output; outputs
COUNTS: Dict[str, Any] = {"sizes": tuple(shape[:1] for shape in ROWS), "judged": (JUDGED[:1],), "dtypes": FLOATS}


def bags(at: At) -> Tuple[Any, ...]:
    """Words as keys, their values and the lengths of texts."""
    return inputs.word_ids(20_000)[inputs.zipf_ids(20_000, at.rows)], at.array(at.rows), at.lengths()


def forward(at: At) -> Tuple[Any, ...]:
    return (*bags(at), at.array(WEIGHTS * TOPICS, seed=1), at.array(TOPICS, seed=2))


def backward(at: At) -> Tuple[Any, ...]:
    keys, values, lengths, W, db = forward(at)
    return at.array(len(lengths), TOPICS, seed=3), keys, values, lengths, W, np.zeros_like(W), db


def read_bytes(values: np.ndarray, times: int) -> float:
    """Two weights per key and output, and what the key takes itself."""
    return float(values.nbytes * (2 * TOPICS * times + 1) + 8 * len(values))


OPS = (
    Op(
        "sparse_affine",
        forward,
        original=False,
        traffic=lambda keys, values, *others: read_bytes(values, 1),
        **COUNTS,
    ),
    Op(
        "backprop_sparse_affine",
        backward,
        original=False,
        traffic=lambda dY, keys, values, *others: read_bytes(values, 3),
        **COUNTS,
    ),
)
