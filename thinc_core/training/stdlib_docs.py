"""Docstrings of Python's own standard library, labelled with the module they describe: real texts on every machine."""

import ast
from pathlib import Path
from typing import Dict, List, Sequence

from .errors import UserError
from .stdlib_source import from_file, parse_source, stdlib_files, stdlib_root
from .texts import Text

# Modules and packages that document much, in every version of Python; those that an installation lacks are left out.
TOPICS = (
    "asyncio", "email", "http", "importlib", "logging", "mailbox", "multiprocessing", "tkinter", "turtle", "unittest",
    "urllib", "xml",
)  # fmt: skip
FEWEST_WORDS = 4  # in a docstring that says something


def read_docstrings(topics: Sequence[str] = TOPICS) -> List[Text]:
    """Every different docstring of the modules in `topics`, in a fixed order. RAISES: UserError for unknown modules."""
    files: Dict[str, List[Path]] = {topic: [] for topic in topics}
    root = stdlib_root()
    for path in stdlib_files():
        topic = path.relative_to(root).parts[0].removesuffix(".py")
        if topic in files:
            files[topic].append(path)
    missing = [topic for topic in topics if not files[topic] and topic not in TOPICS]
    if missing:
        raise UserError(f"corpus.topics: the standard library here has no Python source of {', '.join(missing)}")
    labels: Dict[str, str] = {}
    for topic, paths in files.items():
        for path in paths:
            for text in from_file(docstrings, path):
                labels.setdefault(text, topic)
    return [Text(text, label) for text, label in labels.items()]


def docstrings(source: str) -> List[str]:
    """The docstrings of a module, its classes and functions. RAISES: SyntaxError when it is not valid Python."""
    nodes = [node for node in ast.walk(parse_source(source)) if isinstance(node, _DOCUMENTED)]
    found = [ast.get_docstring(node) or "" for node in nodes]
    return [text for text in found if len(text.split()) >= FEWEST_WORDS]


_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
