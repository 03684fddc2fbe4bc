"""Sentences in columns, a word a line and a blank line between sentences, as in the CoNLL shared tasks."""

from pathlib import Path
from typing import Iterable, Iterator, List, Union

from .bio import split_tag, to_bio
from .conllu import Sentence, open_text
from .errors import UserError

DOCUMENT = "-DOCSTART-"  # the word of a line between documents


def read_columns(
    path: Union[str, Path], word_column: int = 0, tag_column: int = -1, *, need_tags: bool = True
) -> List[Sentence]:
    """All sentences of a column file, plain or .gz, with BIO tags whatever kind of tags they had.

    word_column, tag_column: counted from 0, or from the end when negative.
    RAISES: UserError with file and line number when the file cannot be read or a line is malformed.
    """
    with open_text(path) as lines:
        sentences = list(parse_columns(lines, str(path), word_column, tag_column, need_tags=need_tags))
    if not sentences:
        raise UserError(f"{path}: no sentences found in the file")
    return sentences


def parse_columns(
    lines: Iterable[str], name: str, word_column: int = 0, tag_column: int = -1, *, need_tags: bool = True
) -> Iterator[Sentence]:
    """Sentences from the lines of a column file. name: what error messages call the file."""
    words: List[str] = []
    tags: List[str] = []
    width = 0
    for number, line in enumerate(lines, 1):
        cells = line.split("\t") if "\t" in line.strip() else line.split()
        cells = [cell.strip() for cell in cells]
        is_comment = line.startswith("# ") and len(cells) != width
        is_end = not line.strip() or cells[0] == DOCUMENT
        if is_end and words:
            yield Sentence(words, _bio(tags))
            words, tags = [], []
        if is_end or is_comment:
            continue
        width = width or len(cells)
        where = f"{name}:{number}"
        if len(cells) != width:
            raise UserError(f"{where}: every line must have as many columns as the first, {width}; got {len(cells)}")
        words.append(_cell(cells, word_column, where, "word"))
        if need_tags:
            tags.append(_tag(_cell(cells, tag_column, where, "tag"), where, width))
    if words:
        yield Sentence(words, _bio(tags))


def _bio(tags: List[str]) -> List[str]:
    return to_bio(tags) if tags else []


def _cell(cells: List[str], column: int, where: str, what: str) -> str:
    if not -len(cells) <= column < len(cells):
        raise UserError(f"{where}: there is no column {column} for the {what}; the line has {len(cells)}")
    if not cells[column]:
        raise UserError(f"{where}: the {what} is empty")
    return cells[column]


def _tag(tag: str, where: str, width: int) -> str:
    try:
        split_tag(tag)
    except ValueError as err:
        hint = "" if width > 1 else " (the line has one column: is there a column of tags?)"
        raise UserError(f"{where}: {err}{hint}") from None
    return tag
