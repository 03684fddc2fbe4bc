"""Size is a budget: a layer file < 80 lines, a function <= 50 (docstring not counted), a source file <= 500."""

import ast
import re
import sys
from pathlib import Path
from typing import Iterator, List, NamedTuple

from .environment import ROOT

FILE, FUNCTION, LAYER = 500, 50, 79
FOLDERS = ("include", "thinc_core", "build_tools", "benchmarks", "tests", "examples")


class Function(NamedTuple):
    """A function of a source file: its name, first line and length."""

    name: str
    line: int
    length: int


def python_functions(text: str) -> Iterator[Function]:
    """Functions of a Python file, counted from `def` to the end without the docstring."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if ast.get_docstring(node) is not None:
                length -= (node.body[0].end_lineno or 0) - node.body[0].lineno + 1
            yield Function(node.name, node.lineno, length)


def cython_functions(text: str) -> Iterator[Function]:
    """Functions of a Cython file: a header and everything indented deeper, without the docstring and blank tail."""
    lines = text.splitlines()
    for start, line in enumerate(lines):
        header = re.match(r"( *)(?:def|cdef|cpdef)\b[^=]*?(\w+)\s*\(", line)
        if not header:
            continue
        depth, end, opened = len(header.group(1)), start, False
        for number in range(start, len(lines)):
            body = lines[number]
            if opened and body.strip() and len(body) - len(body.lstrip()) <= depth:
                break
            opened = opened or body.rstrip().endswith(":")
            end = number if body.strip() else end
        if opened:
            docstring = re.search(r'"""(?:.|\n)*?"""', "\n".join(lines[start : end + 1]))
            yield Function(
                header.group(2), start + 1, end - start + 1 - (docstring.group().count("\n") + 1 if docstring else 0)
            )


def without_comments(text: str) -> str:
    """C++ text whose comments and literals are blanked, line for line."""
    pattern = r'//[^\n]*|/\*(?:.|\n)*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\''
    return re.sub(pattern, lambda found: re.sub(r"[^\n]", " ", found.group()), text)


def cpp_functions(text: str) -> Iterator[Function]:
    """Outermost function bodies of a C++ file: a `{` after `)` (and specifiers) that is not inside another body."""
    clean, opened, start, depth = without_comments(text), "", 0, 0
    for found in re.finditer(r"[{}]", clean):
        if found.group() == "{":
            depth += 1
            head = clean[: found.start()].rsplit(";", 1)[-1].rsplit("}", 1)[-1].rsplit("{", 1)[-1]
            named = re.search(r"(\w+)\s*\([^{}]*\)\s*(?:const|noexcept|->[^{}]*|\s)*$", head)
            if named and not opened and named.group(1) not in ("if", "for", "while", "switch"):
                opened, start, outer = named.group(1), found.start(), depth
        else:
            if opened and depth == outer:
                first = clean[:start].count("\n")
                yield Function(opened, first + 1, clean[: found.start()].count("\n") - first + 1)
                opened = ""
            depth -= 1


READERS = {".py": python_functions, ".pyx": cython_functions, ".pxd": cython_functions, ".pxi": cython_functions}
NATIVE = (".h", ".cpp", ".cu", ".cuh")


def problems(path: Path) -> Iterator[str]:
    """What is too long in one file."""
    name, text = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
    length = text.count("\n")
    limit = FILE
    if path.parent.name == "layers" and path.parent.parent.name == "thinc_core" and not path.name.startswith("_"):
        limit = LAYER
    if length > limit:
        yield f"{name}: at most {limit} lines; got {length}"
    for function in READERS.get(path.suffix, cpp_functions)(text):
        if function.length > FUNCTION:
            yield f"{name}:{function.line}: {function.name} may have {FUNCTION} lines; got {function.length}"


def source_files() -> List[Path]:
    """Every source file of the project; generated ones are not in these folders or end in .cpp beside a .pyx."""
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in {*READERS, *NATIVE}]
    return sorted(path for path in files if not path.with_suffix(".pyx").exists() or path.suffix in READERS)


def main() -> int:
    """Prints every overrun; returns the exit status."""
    files = source_files()
    found = [problem for path in files for problem in problems(path)]
    print("\n".join([*found, f"{len(files)} files, {len(found)} over budget"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
