"""Tagged sentences from CoNLL-U files, plain or gzipped (https://universaldependencies.org/format.html)."""

import gzip
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Iterator, List, NamedTuple, Union

from .errors import UserError

ID, FORM, UPOS, N_COLUMNS = 0, 1, 3, 10


class Sentence(NamedTuple):
    """Words and their tags, in step. tags may be empty when only words are known."""

    words: List[str]
    tags: List[str]


@contextmanager
def open_text(path: Union[str, Path]) -> Iterator[IO[str]]:
    """Open a UTF-8 text file for reading, gunzipping it when its name ends in .gz; newlines are kept as they are.

    RAISES: UserError when it cannot be opened, and for what goes wrong with reading it within the block.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path}: is a directory, not a file")
    try:
        opened = gzip.open if path.suffix == ".gz" else open
        with reading(path), opened(path, "rt", encoding="utf-8-sig", newline="\n") as lines:
            yield lines
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except PermissionError as err:
        raise UserError(f"{path}: cannot be read: {err.strerror or err}") from None


@contextmanager
def reading(name: Union[str, Path]) -> Iterator[None]:
    """Turns what can go wrong with the bytes of a text file into a UserError that names it."""
    try:
        yield
    except UnicodeDecodeError as err:
        raise UserError(f"{name}: not UTF-8 text: {err.reason} at byte {err.start}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as err:
        raise UserError(f"{name}: cannot be read: {err}") from None


def read_conllu(path: Union[str, Path], *, need_tags: bool = True) -> List[Sentence]:
    """All sentences of a CoNLL-U file; multiword ranges (3-4) and empty nodes (3.1) are left out.

    need_tags: whether an empty UPOS column is an error.
    RAISES: UserError with file and line number when the file cannot be read or a line is malformed.
    """
    with open_text(path) as lines:
        sentences = list(parse_conllu(lines, str(path), need_tags=need_tags))
    if not sentences:
        raise UserError(f"{path}: no sentences found in the file")
    return sentences


def parse_conllu(lines: Iterator[str], name: str, *, need_tags: bool = True) -> Iterator[Sentence]:
    """Sentences from the lines of a CoNLL-U file. name: what error messages call the file."""
    words: List[str] = []
    tags: List[str] = []
    for number, line in enumerate(lines, 1):
        line = line.rstrip("\r\n")
        if line.startswith("#"):
            continue
        if not line.strip():
            if words:
                yield Sentence(words, tags)
                words, tags = [], []
            continue
        columns = line.split("\t")
        _check_line(columns, f"{name}:{number}", len(words) + 1, need_tags)
        if columns[ID].isdigit():
            words.append(columns[FORM])
            tags.append(columns[UPOS])
    if words:
        yield Sentence(words, tags)


def _check_line(columns: List[str], where: str, expected_id: int, need_tags: bool) -> None:
    if len(columns) != N_COLUMNS:
        raise UserError(f"{where}: a token line has {N_COLUMNS} columns divided by tabs; got {len(columns)}")
    token_id = columns[ID]
    if not token_id.isdigit():
        if token_id.replace("-", ".", 1).replace(".", "", 1).isdigit():
            return
        raise UserError(f'{where}: the token id must be a number like 3, 3-4 or 3.1; got "{token_id}"')
    if int(token_id) != expected_id:
        raise UserError(f"{where}: token ids must count up from 1; expected {expected_id}, got {token_id}")
    if not columns[FORM]:
        raise UserError(f"{where}: the word in column 2 is empty")
    if need_tags and columns[UPOS] in ("", "_"):
        raise UserError(f'{where}: the UPOS tag in column 4 of "{columns[FORM]}" is missing')
