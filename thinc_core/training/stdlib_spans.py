"""Spans in Python source, worked out from the syntax tree: real data for sequence labelling that every machine has.

    from os . path import join     CALLEE, MODULE ...: each of these is a span of one or more tokens
         [MODULE ]

MODULE: what is imported from; CALLEE: the dotted name that is called; EXCEPTION: what is raised or caught; DECORATOR;
BASE: of a class; TYPE: an annotation. The same `os.path` is a span of one kind, of another, or none, by its place.
"""

import ast
import sys
from pathlib import Path
from typing import List, Optional, Tuple

from .conllu import Sentence
from .stdlib_source import Position, char_column, from_file, logical_lines, parse_source

Range = Tuple[Position, Position, str]


def spans_of_file(path: Path) -> List[Sentence]:
    """Logical lines of one source file with BIO tags; nothing when this interpreter cannot parse it."""
    return from_file(spans_of_source, path)


def spans_of_source(source: str) -> List[Sentence]:
    """Logical lines of Python source text with BIO tags. RAISES: SyntaxError when it is not valid Python."""
    tree = parse_source(source)
    finder = _Finder(source)
    finder.visit(tree)
    ranges = sorted(finder.found, key=lambda each: (each[0], (-each[1][0], -each[1][1])))
    sentences, next_range = [], 0
    for tokens in logical_lines(source):
        tags: List[str] = []
        inside: Optional[Range] = None
        for token in tokens:
            if inside and token.start >= inside[1]:
                inside = None
            begins = False
            while next_range < len(ranges) and ranges[next_range][0] <= token.start:
                if inside is None and ranges[next_range][0] == token.start:
                    inside, begins = ranges[next_range], True
                next_range += 1
            tags.append("O" if inside is None else f"{'B' if begins else 'I'}-{inside[2]}")
        sentences.append(Sentence([token.string for token in tokens], tags))
    return sentences


class _Finder(ast.NodeVisitor):
    """Collects where spans begin and end. Of spans that overlap, the outermost is kept by the reader."""

    def __init__(self, source: str) -> None:
        self.found: List[Range] = []
        self._lines = source.split("\n")

    def _mark(self, node: Optional[ast.AST], label: str, end: Optional[Position] = None) -> None:
        if isinstance(node, (ast.expr, ast.alias)) and node.end_lineno is not None:
            begin = self._position(node.lineno, node.col_offset)
            self.found.append((begin, end or self._position(node.end_lineno, node.end_col_offset or 0), label))

    def _position(self, line: int, byte_column: int) -> Position:
        text = self._lines[line - 1] if line <= len(self._lines) else ""
        return line, char_column(text, byte_column)

    def _mark_names(self, node: Optional[ast.AST], label: str) -> None:
        """The dotted names in an expression that lists some, each called or not."""
        for each in node.elts if isinstance(node, ast.Tuple) else [node]:
            name = each.func if isinstance(each, ast.Call) else each
            if _is_dotted(name):
                self._mark(name, label)

    def visit_Call(self, node: ast.Call) -> None:
        if _is_dotted(node.func) and not self._is_marked(node.func):
            self._mark(node.func, "CALLEE")
        self.generic_visit(node)

    def _is_marked(self, node: ast.expr) -> bool:
        return self._position(node.lineno, node.col_offset) in [begin for begin, _, _ in self.found[-8:]]

    def visit_Raise(self, node: ast.Raise) -> None:
        self._mark_names(node.exc, "EXCEPTION")
        self.generic_visit(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self._mark_names(node.type, "EXCEPTION")
        self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for decorator in node.decorator_list:
            self._mark_names(decorator, "DECORATOR")
        for base in node.bases:
            self._mark_names(base, "BASE")
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for decorator in node.decorator_list:
            self._mark_names(decorator, "DECORATOR")
        self._mark(node.returns, "TYPE")
        self.generic_visit(node)

    visit_AsyncFunctionDef = visit_FunctionDef  # type: ignore[assignment]

    def visit_arg(self, node: ast.arg) -> None:
        self._mark(node.annotation, "TYPE")
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._mark(node.annotation, "TYPE")
        self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        if sys.version_info >= (3, 12):  # before, an f-string is one token and positions inside it are not its own
            self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            begin = self._position(alias.lineno, alias.col_offset)
            self._mark(alias, "MODULE", (begin[0], begin[1] + len(alias.name)))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        line, column = self._position(node.lineno, node.col_offset)
        text, name = self._lines[line - 1], "." * node.level + (node.module or "")
        begin = text.find(name, column + len("from"))
        if name and begin >= 0:  # else it is written with spaces, or on the next line
            self.found.append(((line, begin), (line, begin + len(name)), "MODULE"))


def _is_dotted(node: Optional[ast.AST]) -> bool:
    """Whether an expression is a name, or names with dots between them."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)
