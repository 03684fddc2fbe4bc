"""Errors that are the user's to fix: the command line prints their text alone, without a traceback."""

import difflib
from typing import Iterable


class UserError(ValueError):
    """Bad input: a config, a data file, a saved model or a path. The message says what, where and what to do."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint with the nearest known name, or with all of them when they are few; "" when there is nothing to say.

    name: what the user wrote.
    known: the names that would have been right.
    RETURNS: text to append to a message: ' (did you mean "x"?)', ' (known: a, b)' or ''.
    """
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    lowered = {other.lower(): other for other in names}
    if not close and name.lower() in lowered:
        close = [lowered[name.lower()]]
    if close:
        return f' (did you mean "{close[0]}"?)'
    return f" (known: {', '.join(names)})" if 0 < len(names) <= 12 else ""
