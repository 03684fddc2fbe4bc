"""Tagged tokens from Python source, by default that of Python's own standard library: real data every machine has.

A sentence is a logical line; a tag says what role the token plays, worked out from the syntax tree:

    @wraps(f)                          OP CALL OP LOAD OP
    def area(self, scale=1.0):         KW FUNC OP PARAM OP PARAM OP NUM OP OP
        return scale * self.w          KW LOAD OP LOAD OP ATTR

The same word changes its tag with its place (`area` is FUNC, CALL, ATTR or LOAD), so a model has to read the context.
"""

import ast
import io
import keyword
import os
import sys
import sysconfig
import tokenize
import warnings
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Optional, Tuple, TypeVar, Union

import numpy

from .conllu import Sentence
from .errors import UserError

T = TypeVar("T")
Position = Tuple[int, int]  # line from 1, column from 0, in characters

_IGNORED = {tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
_STRINGS = {tokenize.STRING} | {
    getattr(tokenize, name)
    for name in ("FSTRING_START", "FSTRING_MIDDLE", "FSTRING_END", "TSTRING_START", "TSTRING_MIDDLE", "TSTRING_END")
    if hasattr(tokenize, name)
}
# Tests, other people's code, and tables of data that happen to be written as Python.
_LEFT_OUT = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__", "encodings", "pydoc_data"}
WORDS_PER_FILE = 4_000  # no more are taken from one file, so that no single file decides a score


def python_name() -> str:
    """Which interpreter's library this is, for printing beside a score: it differs from version to version."""
    return f"{sys.implementation.name} {sys.version.split()[0]}"


def stdlib_root() -> Path:
    """Where the standard library of the running interpreter is."""
    return Path(sysconfig.get_paths()["stdlib"])


def stdlib_files() -> List[Path]:
    """The .py files of the running interpreter's standard library in a fixed order, tests left out."""
    root = stdlib_root()
    files: List[Path] = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in _LEFT_OUT]  # not walked into
        files += [Path(folder, name) for name in names if name.endswith(".py")]
    if not files:
        raise UserError(f"{root}: no Python source found there (give a CoNLL-U file as corpus.train instead)")
    return sorted(files, key=lambda path: path.relative_to(root).as_posix())


def read_stdlib(
    max_words: int, *, seed: int = 0, tag: Optional[Callable[[Path], List[Sentence]]] = None
) -> List[List[Sentence]]:
    """Tagged logical lines of standard-library files drawn at random, one list per file.

    max_words: stop with the file that reaches this many tokens.
    seed: which files; the same Python version and seed give the same corpus.
    tag: tag(path) -> tagged logical lines; None: tag_file.
    """
    tag = tag_file if tag is None else tag
    files = stdlib_files()
    corpus, words = [], 0
    for index in numpy.random.default_rng(seed).permutation(len(files)):
        sentences, n_words = _first_words(tag(files[index]))
        if sentences:
            corpus.append(sentences)
            words += n_words
        if words >= max_words:
            break
    return corpus


def _first_words(sentences: List[Sentence]) -> Tuple[List[Sentence], int]:
    total = 0
    for index, sentence in enumerate(sentences):
        if total + len(sentence.words) > WORDS_PER_FILE:
            return sentences[:index], total
        total += len(sentence.words)
    return sentences, total


def tag_file(path: Path) -> List[Sentence]:
    """Tagged logical lines of one source file; nothing when this interpreter cannot parse it."""
    return from_file(tag_source, path)


def from_file(read: Callable[[str], List[T]], path: Path) -> List[T]:
    """read(source of the file); nothing when this interpreter cannot parse it."""
    try:
        with tokenize.open(path) as file:
            return read(file.read())
    except (SyntaxError, UnicodeDecodeError, ValueError, RecursionError):
        return []


def parse_source(source: str) -> ast.Module:
    """The syntax tree. RAISES: SyntaxError when it is not valid Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes and the like in old files
        return ast.parse(source)


def tag_source(source: str) -> List[Sentence]:
    """Tagged logical lines of Python source text. RAISES: SyntaxError when it is not valid Python."""
    tree = parse_source(source)
    roles = _Roles(source)
    roles.visit(tree)
    sentences: List[Sentence] = []
    previous: Optional[str] = None
    for tokens in logical_lines(source):
        tags = []
        for token in tokens:
            tags.append(_tag(token, previous, roles.found))
            previous = token.string
        sentences.append(Sentence([token.string for token in tokens], tags))
    return sentences


def logical_lines(source: str) -> Iterator[List[tokenize.TokenInfo]]:
    """The tokens of each statement of valid Python text that have a meaning: no comments, no indentation."""
    tokens: List[tokenize.TokenInfo] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _IGNORED and token.string.strip():
            tokens.append(token)
        elif token.type == tokenize.NEWLINE and tokens:
            yield tokens
            tokens = []
    if tokens:
        yield tokens


def char_column(text: str, byte_column: int) -> int:
    """The syntax tree counts the bytes of a line in UTF-8, the tokenizer its characters."""
    return byte_column if text.isascii() else len(text.encode("utf8")[:byte_column].decode("utf8", "ignore"))


def tokenize_lines(text: str) -> Iterator[List[str]]:
    """The tokens of each logical line of Python text, also of text that is not (yet) valid Python."""
    words: List[str] = []
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    while True:
        try:
            token = next(tokens)
        except StopIteration:
            break
        except (tokenize.TokenError, SyntaxError):  # an open bracket or string at the end of the text
            break
        if token.type not in _IGNORED and token.string.strip():
            words.append(token.string)
        elif token.type == tokenize.NEWLINE and words:
            yield words
            words = []
    if words:
        yield words


def _tag(token: tokenize.TokenInfo, previous: Optional[str], roles: Dict[Position, str]) -> str:
    if token.type == tokenize.NAME:
        if keyword.iskeyword(token.string):
            return "KW"
        if previous in ("def", "class"):
            return "FUNC" if previous == "def" else "CLASS"
        if previous == "!":  # the r of {x!r} in an f-string
            return "OP"
        return roles.get(token.start, "KW" if keyword.issoftkeyword(token.string) else "STORE")
    if token.type == tokenize.NUMBER:
        return "NUM"
    return "STR" if token.type in _STRINGS else "OP"


class _Roles(ast.NodeVisitor):
    """Collects what the names of a module are used for, by the position where the name stands."""

    def __init__(self, source: str) -> None:
        self.found: Dict[Position, str] = {}
        self._lines = source.split("\n")  # as the parser counts: not at form feeds

    def _mark(self, line: int, byte_column: int, role: str) -> None:
        self.found[(line, self._column(line, byte_column))] = role

    def _column(self, line: int, byte_column: int) -> int:
        return char_column(self._lines[line - 1] if line <= len(self._lines) else "", byte_column)

    def visit_Name(self, node: ast.Name) -> None:
        self._mark(node.lineno, node.col_offset, "LOAD" if isinstance(node.ctx, ast.Load) else "STORE")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._mark_attribute(node, "ATTR")
        self.visit(node.value)

    def _mark_attribute(self, node: ast.Attribute, role: str) -> None:
        if node.end_lineno is not None and node.end_col_offset is not None:
            self._mark(node.end_lineno, node.end_col_offset - len(node.attr.encode("utf8")), role)

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name):
            self._mark(node.func.lineno, node.func.col_offset, "CALL")
        elif isinstance(node.func, ast.Attribute):
            self._mark_attribute(node.func, "CALL")

    def visit_arg(self, node: ast.arg) -> None:
        self._mark(node.lineno, node.col_offset, "PARAM")
        self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg is not None:
            self._mark(node.lineno, node.col_offset, "PARAM")
        self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        if sys.version_info >= (3, 12):  # before, an f-string is one token and positions inside it are not its own
            self.generic_visit(node)

    def visit_Import(self, node: Union[ast.Import, ast.ImportFrom]) -> None:
        # Names in import statements have no nodes with a position each: mark all words of the statement's lines.
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1):
            text = self._lines[line - 1]
            begin = self._column(line, node.col_offset) if line == node.lineno else 0
            end = self._column(line, node.end_col_offset or 0) if line == node.end_lineno else len(text)
            self._mark_words(line, text, begin, end)

    visit_ImportFrom = visit_Import

    def _mark_words(self, line: int, text: str, begin: int, end: int) -> None:
        column = begin
        while column < end:
            stop = column
            while stop < end and (text[stop].isalnum() or text[stop] == "_"):
                stop += 1
            if stop > column:
                self.found[(line, column)] = "IMPORT"
            column = stop + 1
