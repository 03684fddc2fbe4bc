"""Labelled texts from JSON lines, CSV files, or a directory with a folder of text files for each label."""

import csv
import json
import re
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Sequence, Union

from .conllu import open_text
from .errors import UserError, did_you_mean

_TOKENS = re.compile(r"\w+|[^\w\s]")


class Text(NamedTuple):
    """A text and its label, which is "" where it is not known."""

    text: str
    label: str


def tokens_of(text: str) -> List[str]:
    """Words, and each other character that is no space."""
    return _TOKENS.findall(text)


def read_texts(path: Union[str, Path], text_column: str = "text", label_column: str = "label") -> List[Text]:
    """Labelled texts. path: a directory, or a file that ends in .jsonl, .csv or .tsv, plain or .gz.

    text_column, label_column: names of the CSV columns or JSON keys.
    RAISES: UserError with file and line for whatever is missing or malformed.
    """
    path = Path(path)
    texts = _from_folders(path) if path.is_dir() else _from_file(path, text_column, label_column)
    if not texts:
        raise UserError(f"{path}: no texts found")
    return texts


def _from_file(path: Path, text_column: str, label_column: str) -> List[Text]:
    suffix = suffix_of(path.name)
    with open_text(path) as lines:
        if suffix == ".jsonl":
            records = read_json_lines(lines, str(path))
        elif suffix in (".csv", ".tsv"):
            records = read_csv_records(lines, str(path), [text_column, label_column])
        else:
            raise UserError(f"{path}: must be a directory or end in .jsonl, .csv or .tsv, to say how to read it")
        return [
            Text(_value(record, text_column, where, empty=True), _value(record, label_column, where))
            for where, record in records
        ]


def _from_folders(path: Path) -> List[Text]:
    texts = []
    folders = sorted(each for each in path.iterdir() if each.is_dir() and not each.name.startswith("."))
    if not folders:
        raise UserError(f"{path}: a directory of texts has a folder for each label; there is none")
    for folder in folders:
        for file in sorted(each for each in folder.iterdir() if each.is_file() and not each.name.startswith(".")):
            with open_text(file) as lines:
                texts.append(Text(lines.read(), folder.name))
    return texts


class Located(NamedTuple):
    """A record, and where it stands: "file:line"."""

    where: str
    record: Dict[str, Any]


def read_json_lines(lines: Iterable[str], name: str) -> Iterator[Located]:
    """Objects, one a line; blank lines are passed over."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            where = f"{name}:{number}"
            try:
                record = json.loads(line)
            except ValueError as err:
                raise UserError(f"{where}: not valid JSON: {err}") from None
            if not isinstance(record, dict):
                raise UserError(f"{where}: a line must be a JSON object, {{...}}; got {line.strip()[:40]}")
            yield Located(where, record)


def read_csv_records(lines: Iterable[str], name: str, needed: Sequence[str] = ()) -> Iterator[Located]:
    """Rows of a CSV file with a header, by column. needed: columns that must be there."""
    is_tabs = suffix_of(name) == ".tsv"
    reader = csv.reader(lines, delimiter="\t" if is_tabs else ",", strict=True)
    try:
        header = next(reader, [])
        check_header(header, name, needed)
        for row in reader:
            where = f"{name}:{reader.line_num}"
            if row and len(row) != len(header):
                raise UserError(f"{where}: a row must have the {len(header)} columns of the header; got {len(row)}")
            if row:
                yield Located(where, dict(zip(header, row)))
    except csv.Error as err:
        raise UserError(f"{name}:{reader.line_num}: not valid CSV: {err}") from None


def check_header(header: Sequence[str], name: str, needed: Sequence[str]) -> None:
    """RAISES: UserError for an empty file, a name that stands twice, or a column that is missing."""
    if not any(cell.strip() for cell in header):
        raise UserError(f"{name}: the first line must name the columns; the file is empty")
    twice = sorted({cell for cell in header if list(header).count(cell) > 1})
    if twice:
        raise UserError(f'{name}: the names of columns must differ; "{twice[0]}" stands twice')
    for column in needed:
        if column not in header:
            raise UserError(f'{name}: there is no column "{column}"{did_you_mean(column, header)}')


def suffix_of(name: str) -> str:
    """ ".csv" of "a.csv" and "a.csv.gz"."""
    return Path(name.removesuffix(".gz")).suffix.lower()


def _value(record: Dict[str, Any], key: str, where: str, *, empty: bool = False) -> str:
    if key not in record:
        raise UserError(f'{where}: there is no "{key}"{did_you_mean(key, record)}')
    value = record[key]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise UserError(f'{where}: "{key}" must be a text; got {json.dumps(value)[:40]}')
    if not value.strip() and not empty:
        raise UserError(f'{where}: "{key}" is empty')
    return value
