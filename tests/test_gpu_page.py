"""docs/gpu.md: its table has every message of the GPU backend, and none that the code does not have."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Iterator, List

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "gpu.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "thinc_core"
# Functions whose messages have to be in the table; None for all of a file.
SOURCES = {
    "backends/_gpu.py": ("_cuda_problem", "_driver_problem", "set_gpu_allocator"),
    "backends/cupy_ops.py": None,
    "backends/cuda/_device.py": ("_why", "_driver"),
    "backends/cuda/_errors.py": None,
    "backends/checks.py": ("array", "device", "bad_index"),
    "util.py": ("gpu_device", "require_gpu"),
}
# Of another kind of argument, part of another message, or one that nobody can get.
ELSEWHERE = (
    "no GPU was found",
    "must be an array without a mask",
    "must be a plain array",
    "must be a \0 array",
    "install CuPy with its",
    "#line 1",  # what is put between files
)
HOLE = "\0"


def rows() -> List[List[str]]:
    """The texts in the first column, each as the parts between its dots."""
    table = PAGE[PAGE.index("| message | do |") :].split("\n\n")[0].splitlines()[2:]
    found = [re.match(r"\| `([^`]+)`", line) for line in table]
    return [[part for part in re.split(r"\.\.\.", match[1]) if part.strip(" ;:.,()")] for match in found if match]


def texts(node: ast.AST) -> Iterator[str]:
    """The messages that a function words: string literals with a hole for each value, joined where they are."""
    if isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else HOLE for part in node.values)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    else:
        for child in ast.iter_child_nodes(node):
            yield from texts(child)


def messages() -> List[str]:
    """Every sentence that is raised, or returned as a problem."""
    found = []
    for name, functions in SOURCES.items():
        tree = ast.parse((PACKAGE / name).read_text(encoding="utf-8"))
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef) or (functions and function.name not in functions):
                continue
            for statement in ast.walk(function):
                if isinstance(statement, (ast.Raise, ast.Return, ast.Assign)):
                    found += [text for text in texts(statement) if len(text.replace(HOLE, "").split()) > 3]
    for match in re.finditer(r'raise \w+\(f"([^"]+)"\)', (PACKAGE / "backends/cuda/_launch.pyx").read_text()):
        if "launch failed" in match[1]:
            found.append(re.sub(r"\{[^}]*\}", HOLE, match[1]))
    return found


def fits(row: List[str], message: str) -> bool:
    """Whether all parts of the row are in the message, in their order."""
    place = 0
    for part in row:
        place = message.find(part.strip(), place)
        if place < 0:
            return False
        place += len(part.strip())
    return True


@pytest.mark.parametrize("message", messages(), ids=lambda text: text.replace(HOLE, "_")[:60])
def test_every_message_is_in_the_table(message: str) -> None:
    if not any(part in message for part in ELSEWHERE) and not message.startswith(("call ", "model.")):
        assert any(fits(row, message) for row in rows() if row), message


@pytest.mark.parametrize("row", [row for row in rows() if row], ids=" ... ".join)
def test_every_row_is_a_message_of_the_code(row: List[str]) -> None:
    assert any(fits(row, message) for message in [*messages(), f"require_gpu: {HOLE}"]), row


def test_there_are_enough() -> None:
    assert len(messages()) > 15
    assert len(rows()) > 15
