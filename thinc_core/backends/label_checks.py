"""What must hold of labels and of the guesses that a loss compares with them; words and types as in checks.py."""

from __future__ import annotations

from typing import Any


def labels(op: str, values: Any, ignored: Any, limit: int) -> None:
    """Labels must be in [0, limit), but for those that are ignored."""
    bad = ~ignored & ((values < 0) | (values >= limit))
    if bad.any():
        position = int(bad.argmax())
        raise bad_label(op, int(values[position]), position, limit)


def bad_label(op: str, value: int, position: int, limit: int) -> ValueError:
    return ValueError(f"{op}: labels must be in [0, {limit}); got {value} at position {position}")


def probabilities(op: str, name: str, X: Any) -> None:
    """Numbers of a matrix must be in [0, 1]; NaN passes."""
    bad = (X < 0) | (X > 1)
    if bad.any():
        row, column = divmod(int(bad.argmax()), X.shape[1])
        raise bad_probability(op, name, float(X[row, column]), row, column)


def bad_probability(op: str, name: str, value: float, row: int, column: int) -> ValueError:
    return ValueError(f"{op}: {name} must be in [0, 1]; got {value:.8g} at [{row}, {column}]")
