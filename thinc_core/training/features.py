"""Word features as 64-bit ids: what a hash-embedding model sees of a token."""

import re
from typing import Callable, Dict, Iterable, List, Sequence

import numpy
from murmurhash import mrmr

from .errors import UserError, did_you_mean

_RUNS = re.compile(r"(.)\1{4,}")


def word_shape(word: str) -> str:
    """Letters as x or X, digits as d, the rest as it is; runs longer than four are cut: "Hello2021!" -> "Xxxxxdddd!".

    The cut keeps the number of different shapes small; the first capital does not count to the run of x.
    """
    shape = "".join("d" if c.isdigit() else c if not c.isalpha() else "X" if c.isupper() else "x" for c in word)
    return _RUNS.sub(lambda match: match[1] * 4, shape)


FEATURES: Dict[str, Callable[[str], str]] = {
    "form": lambda word: word,
    "lower": str.lower,
    "prefix1": lambda word: word[:1],
    "prefix3": lambda word: word[:3],
    "suffix3": lambda word: word[-3:],
    "shape": word_shape,
}


def hash_string(text: str) -> int:
    """A 64-bit id of a string: two 32-bit MurmurHash3 values of its UTF-8 bytes (seeds 0 and 1) side by side."""
    data = text.encode("utf8", "surrogatepass")
    return (mrmr.hash_bytes(data, 0) & 0xFFFFFFFF) << 32 | (mrmr.hash_bytes(data, 1) & 0xFFFFFFFF)


class FeatureExtractor:
    """Turns words into rows of feature ids, working out each different word once.

    names: one column per name, from FEATURES; the order is the column order of the arrays.
    """

    def __init__(self, names: Sequence[str] = ("lower", "prefix1", "suffix3", "shape")) -> None:
        for name in names:
            if name not in FEATURES:
                raise UserError(f'features: no feature is called "{name}"{did_you_mean(name, FEATURES)}')
        if not names:
            raise UserError(f"features: at least one is needed; got none (known: {', '.join(FEATURES)})")
        self.names = tuple(names)
        self._getters = [FEATURES[name] for name in names]
        self._ids: Dict[str, int] = {}
        self._row_of_word: Dict[str, int] = {}
        self._rows: List[List[int]] = []

    def __call__(self, words: Iterable[str]) -> numpy.ndarray:
        """RETURNS: (number of words, number of features) uint64."""
        row_of_word = self._row_of_word
        index = [row_of_word[word] if word in row_of_word else self._add(word) for word in words]
        table = numpy.array(self._rows, dtype="uint64").reshape(-1, len(self.names))
        return table[numpy.array(index, dtype="int64")]

    def _add(self, word: str) -> int:
        self._rows.append([self._id(getter(word)) for getter in self._getters])
        self._row_of_word[word] = len(self._rows) - 1
        return len(self._rows) - 1

    def _id(self, text: str) -> int:
        if text not in self._ids:
            self._ids[text] = hash_string(text)
        return self._ids[text]
