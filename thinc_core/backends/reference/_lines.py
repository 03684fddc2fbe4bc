"""Marks of an array: a bit for each line of 64 values in C order, which says whether there may be other than zeros.

They are bytes, the lowest bit first. Most weights of a large table never have a gradient, and few have one in a step.
"""

from __future__ import annotations

from typing import Any

import numpy

from .. import checks

LINE = 64


def line_bytes(size: int) -> int:
    """How many bytes hold the bits of an array of this size."""
    return -(-size // (8 * LINE))


def mark_places(xp: Any, marks: Any, places: Any) -> None:
    """Set the bits of the lines of these places in the flat array."""
    bits = xp.unpackbits(marks, bitorder="little")
    bits[places.ravel() // LINE] = 1
    marks[...] = xp.packbits(bits, bitorder="little")


def mark_lines(xp: Any, marks: Any, X: Any) -> None:
    """Set the bits of the lines of X that hold other than zeros."""
    values = xp.zeros(len(marks) * 8 * LINE, dtype=bool)
    values[: X.size] = X.ravel() != 0
    marks |= xp.packbits(values.reshape(-1, LINE).any(axis=1), bitorder="little")


def check_marks(op: str, name: str, marks: Any, X: Any, xp: Any) -> None:
    """Marks must be those of an array like X, or None."""
    if marks is not None:
        checks.out(op, name, marks, xp, (line_bytes(X.size),), numpy.dtype("uint8"))
