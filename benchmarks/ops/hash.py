"""Hashes of ids, and what else turns positions and ids into numbers."""

from typing import Any, Dict

from .. import inputs
from ..result import Target
from ..rows import JUDGED, NO_FLOATS, ROWS, Op

COUNTS: Dict[str, Any] = {"sizes": tuple(shape[:1] for shape in ROWS), "judged": (JUDGED[:1],), "dtypes": NO_FLOATS}

OPS = (
    Op("hash", lambda at: (inputs.word_ids(at.rows), 7), targets=(Target("thinc", 0.6),), **COUNTS),
    Op(
        "ngrams n=2",
        lambda at: (2, inputs.word_ids(at.rows)),
        targets=(Target("thinc", 0.6),),
        call=lambda ops, n, keys: ops.ngrams(n, keys),
        **COUNTS,
    ),
    Op(
        "position_encode",
        lambda at: at.shape,
        targets=(Target("thinc", 0.1),),
        traffic=lambda N, D: 4.0 * N * D,
        dtypes=("float32",),
    ),
)
