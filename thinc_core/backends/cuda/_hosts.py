"""Whole numbers on the device whose values the host knows, because it made them: lengths of sequences, mostly.

What needs to know them need not wait for the device to read them. They are known as long as the array lives. It must
not be changed in place: nothing but our own code makes such arrays, to be lengths of a Ragged or sizes of a Padded.
"""

from __future__ import annotations

import weakref
from functools import partial
from typing import Any, Dict, Optional

import numpy


class Known:
    """values: (B,) int64 on the host, read-only.  starts: (B + 1,) int64 on the device, None until it is asked for."""

    def __init__(self, array: Any, values: Any, starts: Any):
        self.array = weakref.ref(array, partial(_forget, id(array)))
        self.values = numpy.array(values, dtype="int64")
        self.values.flags.writeable = False
        self.total, self.least = int(self.values.sum()), int(self.values.min()) if self.values.size else 0
        self.starts = starts


_known: Dict[int, Known] = {}  # by id, as arrays cannot be hashed


def _forget(key: int, _: Any) -> None:
    _known.pop(key, None)


def remember(array: Any, values: Any, starts: Any = None) -> Any:
    """From now on the array, which holds these values, is known; the array."""
    _known[id(array)] = Known(array, values, starts)
    return array


def known(array: Any) -> Optional[Known]:
    """What is known of this very array."""
    found = _known.get(id(array))
    return found if found is not None and found.array() is array else None
