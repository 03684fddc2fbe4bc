"""How large the functions of Python's standard library are when compiled: real measurements, on every machine.

A row is a function: counts of what its source holds, and the bytes of bytecode that this interpreter makes of it.
"""

import ast
from pathlib import Path
from types import CodeType
from typing import Any, Dict, Iterator, List, Tuple, Union

import numpy

from .stdlib_source import from_file, parse_source, stdlib_files
from .texts import Located

TARGET = "bytecode"
Function = Union[ast.FunctionDef, ast.AsyncFunctionDef]
# What is counted, and the nodes of the syntax tree that it means.
COUNTS: Dict[str, Tuple[type, ...]] = {
    "names": (ast.Name,),
    "attributes": (ast.Attribute,),
    "calls": (ast.Call,),
    "constants": (ast.Constant,),
    "operators": (ast.BinOp, ast.UnaryOp, ast.AugAssign, ast.Compare, ast.BoolOp),
    "assignments": (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.NamedExpr),
    "branches": (ast.If, ast.IfExp),
    "loops": (ast.For, ast.While),
    "handlers": (ast.ExceptHandler, ast.With),
    "returns": (ast.Return, ast.Raise),
    "items": (ast.Subscript, ast.Tuple, ast.List, ast.Dict),
}


def read_functions(max_rows: int, *, seed: int = 0) -> List[List[Located]]:
    """Rows of functions from files drawn at random, a list per file.

    max_rows: stop with the file that reaches this many.
    seed: which files; the same Python version and seed give the same table.
    """
    files, found, n = stdlib_files(), [], 0
    for index in numpy.random.default_rng(seed).permutation(len(files)):
        rows = from_file(measure_functions, files[index])
        if rows:
            found.append([Located(f"{files[index].name}:{row.pop('line')}", row) for row in rows])
            n += len(rows)
        if n >= max_rows:
            break
    return found


def measure_functions(source: str) -> List[Dict[str, Any]]:
    """A row for each function of a module that has none inside. RAISES: SyntaxError when it is not valid Python."""
    tree = parse_source(source)
    sizes = {(code.co_name, code.co_firstlineno): len(code.co_code) for code in _codes(_compiled(tree))}
    rows = []
    for node, kind in _functions(tree):
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        inner = [each for each in ast.walk(node) if each is not node and isinstance(each, _SCOPES)]
        if not inner and (node.name, first) in sizes:
            rows.append({**describe(node, kind), TARGET: sizes[node.name, first], "line": node.lineno})
    return rows


def describe(node: Function, kind: str) -> Dict[str, Any]:
    """What the source of a function holds."""
    body = [each for statement in node.body for each in ast.walk(statement)]
    arguments = node.args
    return {
        "kind": kind,
        "lines": (node.end_lineno or node.lineno) - node.lineno + 1,
        "arguments": len(arguments.posonlyargs) + len(arguments.args) + len(arguments.kwonlyargs),
        "documented": "yes" if ast.get_docstring(node, clean=False) else "no",
        **{name: sum(isinstance(each, kinds) for each in body) for name, kinds in COUNTS.items()},
    }


_SCOPES = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda,
    ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp,
)  # fmt: skip


def _functions(tree: ast.AST, inside: str = "function") -> Iterator[Tuple[Function, str]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node, "coroutine" if isinstance(node, ast.AsyncFunctionDef) else inside
        else:
            yield from _functions(node, "method" if isinstance(node, ast.ClassDef) else inside)


def _compiled(tree: ast.Module) -> CodeType:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return compile(tree, "<module>", "exec", dont_inherit=True)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def write_table(path: Union[str, Path], rows: List[Located]) -> None:
    """The rows as a CSV file, to look at or to train on elsewhere."""
    import csv
    import io

    from .checkpoints import write_atomic

    text = io.StringIO()
    table = csv.DictWriter(text, list(rows[0].record), lineterminator="\n")
    table.writeheader()
    table.writerows(row.record for row in rows)
    write_atomic(path, text.getvalue())
