"""Public ops and layers must be documented; pages must not point at missing files, and their code must parse.

(The test suite runs the code blocks; this check is quick and needs no kernels.)
"""

import ast
import inspect
import re
import sys
from pathlib import Path
from typing import Iterator, List

from .environment import ROOT

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)#\s]+)[^)]*\)")
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
SKIPPED = (".venv", "build", "runs", "dist", ".pytest_cache")


def docstring_problems(owner: str, name: str, thing: object) -> Iterator[str]:
    """A docstring must exist and begin with a sentence."""
    text = inspect.getdoc(thing) or ""
    first = text.split("\n\n", 1)[0].strip()
    if not first:
        yield f"{owner}.{name}: must have a docstring"
    elif not re.search(r"[.:)]$", first):
        yield f"{owner}.{name}: the docstring must begin with a sentence; got {first[:60]!r}"


def api_problems() -> Iterator[str]:
    """Docstrings of every public op and of everything that `thinc_core.layers` exports."""
    import thinc_core.layers as layers
    from thinc_core.backends.ops import Ops

    ops = [name for name in dir(Ops) if not name.startswith("_") and callable(getattr(Ops, name))]
    for name in ops:
        yield from docstring_problems("Ops", name, getattr(Ops, name))
    for name in layers.__all__:
        yield from docstring_problems("layers", name, getattr(layers, name))
    print(f"{len(ops)} ops, {len(layers.__all__)} layers")


def pages() -> List[Path]:
    """Every Markdown file of the project."""
    found = [
        path
        for path in ROOT.rglob("*.md")
        if not any(part.startswith(SKIPPED) for part in path.relative_to(ROOT).parts)
    ]
    return sorted(found)


def page_problems(path: Path) -> Iterator[str]:
    """Links to files that do not exist, and Python blocks that do not parse (prompts are left to the tests)."""
    name, text = path.relative_to(ROOT), path.read_text(encoding="utf-8")
    for target in LINK.findall(text):
        if "://" not in target and not target.startswith("mailto:") and not (path.parent / target).exists():
            yield f"{name}: links to {target}, which does not exist"
    for block in BLOCK.finditer(text):
        line = text[: block.start()].count("\n") + 2
        try:
            ast.parse(block.group(1))
        except SyntaxError as error:
            if ">>>" not in block.group(1):
                yield f"{name}:{line + (error.lineno or 1) - 1}: {error.msg}"


def main() -> int:
    """Prints every problem; returns the exit status."""
    found = [*api_problems(), *(problem for path in pages() for problem in page_problems(path))]
    print("\n".join([*found, f"{len(pages())} pages, {len(found)} problems"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
