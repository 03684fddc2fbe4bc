"""Tables of numbers and categories, such as CSV files, as the rows of numbers that a model takes."""

import json
import math
from pathlib import Path
from typing import IO, Any, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Sequence, Tuple, Union

import numpy

from .conllu import open_text
from .errors import UserError, did_you_mean
from .texts import Located, read_csv_records, suffix_of

# What programs write into a column of numbers where there is none.
MISSING = {"", "na", "n/a", "nan", "null", "none"}
MOST = float(numpy.finfo("float32").max)
MOST_CATEGORIES = 50  # different texts in a column; the rarer ones are taken together, as unknown ones are


def read_table(path: Union[str, Path], needed: Sequence[str] = ()) -> List[Located]:
    """The rows of a CSV (.csv) or tab-separated (.tsv) file with a header, plain or .gz.

    needed: columns that must be there. RAISES: UserError with file and line.
    """
    with open_text(path) as lines:
        rows = list(read_csv_records(lines, str(path), needed))
    if not rows:
        raise UserError(f"{path}: no rows found below the header")
    return rows


def read_rows(lines: IO[str], name: str, needed: Sequence[str]) -> Iterator[Located]:
    """Rows one by one: of CSV with a header, or objects of JSON lines, which need no header."""
    first = lines.readline()
    if suffix_of(name) == ".jsonl" or first.lstrip().startswith("{"):
        for number, line in enumerate(_with_first(first, lines), 1):
            if line.strip():
                yield Located(f"{name}:{number}", _object(line, f"{name}:{number}"))
    elif first.strip():
        yield from read_csv_records(_with_first(first, lines), name, needed)


class Column(NamedTuple):
    """How one column is turned into numbers: scaled, or one for each of its values."""

    name: str
    values: Tuple[str, ...]  # of categories; empty for a column of numbers
    mean: float
    scale: float

    @property
    def width(self) -> int:
        return len(self.values) or 1

    def fill(self, out: numpy.ndarray, value: Any, where: str) -> None:
        """out: (width,) zeros. A missing number becomes the mean, an unknown category nothing."""
        text = str(value).strip() if value is not None else ""
        if self.values:
            if text in self.values:
                out[self.values.index(text)] = 1
        elif text.lower() not in MISSING:
            out[0] = (to_number(text, where, self.name) - self.mean) / self.scale


class Encoder:
    """The columns of a table as numbers, in the order of training whatever order a file has them in."""

    def __init__(self, columns: Iterable[Column]) -> None:
        self.columns = list(columns)
        self.width = sum(column.width for column in self.columns)

    @classmethod
    def fit(cls, rows: Sequence[Located], names: Sequence[str]) -> "Encoder":
        """Numbers, some of them MISSING, are scaled to mean 0 and deviation 1; a column with anything else is one of
        categories."""
        return cls(_fit_column(name, [str(row.record[name]).strip() for row in rows]) for name in names)

    @classmethod
    def from_notes(cls, notes: Sequence[Mapping[str, Any]]) -> "Encoder":
        """The inverse of to_notes."""
        return cls(Column(each["name"], tuple(each["values"]), each["mean"], each["scale"]) for each in notes)

    def to_notes(self) -> List[Dict[str, Any]]:
        """Plain data for meta.json."""
        return [column._asdict() for column in self.columns]

    @property
    def names(self) -> List[str]:
        return [column.name for column in self.columns]

    def __call__(self, rows: Sequence[Located]) -> numpy.ndarray:
        """RETURNS: (number of rows, width) float32. RAISES: UserError naming row and column."""
        X = numpy.zeros((len(rows), self.width), dtype="float32")
        for i, (where, record) in enumerate(rows):
            start = 0
            for column in self.columns:
                if column.name not in record:
                    raise UserError(f'{where}: there is no "{column.name}"{did_you_mean(column.name, record)}')
                column.fill(X[i, start : start + column.width], record[column.name], where)
                start += column.width
        return X


def numbers_of(rows: Sequence[Located], names: Sequence[str]) -> numpy.ndarray:
    """Columns that must be numbers in every row. RETURNS: (number of rows, number of names) float64."""
    values = [[to_number(str(record[name]), where, name) for name in names] for where, record in rows]
    return numpy.array(values, dtype="float64").reshape(len(rows), len(names))


def to_number(text: str, where: str, column: str) -> float:
    """RAISES: UserError for what is no finite number, or none that models can hold."""
    number = _parsed(text)
    if number is not None and abs(number) > MOST:
        most = f"at most {MOST:.2g}, as models hold float32"
        raise UserError(f'{where}: column "{column}" must be {most}; got {text[:40]}')
    if number is None:
        raise UserError(f'{where}: column "{column}" must be a number; got "{text[:40]}"')
    return number


def _parsed(text: str) -> "float | None":
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _fit_column(name: str, texts: Sequence[str]) -> Column:
    numbers = [_parsed(text) for text in texts if text.lower() not in MISSING]
    if numbers and all(number is not None for number in numbers):
        array = numpy.array(numbers, dtype="float64")
        return Column(name, (), float(array.mean()), float(array.std()) or 1.0)
    counts: Dict[str, int] = {}
    for text in texts:
        counts[text] = counts.get(text, 0) + 1
    most = sorted(counts, key=lambda text: (-counts[text], text))[:MOST_CATEGORIES]
    return Column(name, tuple(sorted(most)), 0.0, 1.0)


def _object(line: str, where: str) -> Dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError as err:
        raise UserError(f"{where}: not valid JSON: {err}") from None
    if not isinstance(record, dict):
        raise UserError(f"{where}: a line must be a JSON object, {{...}}; got {line.strip()[:40]}")
    return record


def _with_first(first: str, lines: Iterable[str]) -> Iterator[str]:
    yield first
    yield from lines
