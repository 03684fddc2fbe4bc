"""What must hold of labels and of the guesses that a loss compares with them; words and types as in checks.py."""

from __future__ import annotations

from typing import Any, Tuple

import numpy


def labels(op: str, values: Any, ignored: Any, limit: int) -> None:
    """Labels must be in [0, limit), but for those that are ignored."""
    bad = ~ignored & ((values < 0) | (values >= limit))
    if bad.any():
        position = int(bad.argmax())
        raise bad_label(op, int(values[position]), position, limit)


def bad_label(op: str, value: int, position: int, limit: int) -> ValueError:
    return ValueError(f"{op}: labels must be in [0, {limit}); got {value} at position {position}")


def probabilities(op: str, name: str, X: Any) -> None:
    """Numbers must be in [0, 1]; NaN passes."""
    bad = (X < 0) | (X > 1)
    if bad.any():
        position = int(bad.argmax())
        raise bad_probability(op, name, float(X.reshape(-1)[position]), position, X.shape)


def bad_probability(op: str, name: str, value: float, position: int, shape: Tuple[int, ...]) -> ValueError:
    """position: among all elements of an array of this shape."""
    where = [int(i) for i in numpy.unravel_index(position, shape)]
    return ValueError(f"{op}: {name} must be in [0, 1]; got {value:.8g} at {where}")
