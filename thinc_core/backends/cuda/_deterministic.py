"""Whether sums into rows that several threads meet in are to be the same bits every time.

Such a sum is made of atomic additions, and in which order those happen is left to chance. In a fixed order it costs a
sort of all row numbers. A table that is not in C order is left to CuPy, which adds in any order.
"""

from __future__ import annotations

import os

_state = {"fixed": os.environ.get("THINC_CORE_DETERMINISTIC") == "1"}


def set_deterministic(value: bool) -> None:
    """From now on, add the terms of scatter_add, backprop_hash_embed and backprop_hash_embeds in their order, or not.

    Before the first call the environment variable THINC_CORE_DETERMINISTIC=1 decides.
    """
    _state["fixed"] = bool(value)


def is_deterministic() -> bool:
    return _state["fixed"]
