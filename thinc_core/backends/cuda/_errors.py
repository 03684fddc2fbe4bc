"""Faults that kernels find in their arguments, such as an index beyond the table.

A kernel that meets one skips it and writes four words into memory that the host sees too, so nobody waits for the
device to learn that all is well. The host looks at them before the next launch of a kernel that checks, when values
are copied to the host, and in `check_errors`. With THINC_CORE_CHECK=1 it waits for each such kernel and looks at once.
"""

from __future__ import annotations

import os
from collections import deque
from typing import Any, Callable, Deque, Optional, Tuple

Describe = Callable[[int, int, int], Exception]  # (value, position, limit) -> what to raise

CODE, VALUE, POSITION, LIMIT = range(4)
REMEMBERED = 4096  # launches whose faults can still be put into words


class ErrorWord:
    """The four words of one device: code, value, position, limit. The code is the ticket of the launch, 0 for none."""

    def __init__(self, words: Any, address: int, synchronize: Callable[[], None], at_once: Optional[bool] = None):
        """words: NumPy's view, (4,) int64.  address: of the same memory, on the device.  at_once: None: as the
        environment says."""
        self.words, self.address, self.synchronize = words, address, synchronize
        self.at_once = os.environ.get("THINC_CORE_CHECK") == "1" if at_once is None else at_once
        self._described: Deque[Tuple[int, Describe]] = deque(maxlen=REMEMBERED)
        self._last = 0
        words[...] = 0

    def ticket(self, describe: Describe) -> int:
        """The code for the next launch; describe words what it may report."""
        self._last += 1
        self._described.append((self._last, describe))
        return self._last

    def look(self) -> None:
        """Raise what a kernel has reported, without waiting for those that still run."""
        if self.words[CODE] > 0:  # it is negative while a kernel writes the others
            code, value, position, limit = self.words.tolist()
            self.words[...] = 0
            raise self._error(code, value, position, limit)

    def settle(self) -> None:
        """After a launch: with THINC_CORE_CHECK=1, wait for it and look."""
        if self.at_once:
            self.synchronize()
            self.look()

    def _error(self, code: int, value: int, position: int, limit: int) -> Exception:
        for number, describe in self._described:
            if number == code:
                return describe(value, position, limit)
        return IndexError(f"a kernel met {value}, which must be in [0, {limit}), at flat position {position}")
