"""The checks of `python3 -m build_tools check`, in one table; each is a list of commands."""

import os
import subprocess
import time
from typing import Callable, Dict, List, Optional, Sequence

from .environment import ROOT, fail, python, say

Command = List[str]


def sources(*patterns: str) -> List[str]:
    """Tracked kinds of files below the folders that hold native code."""
    folders = (ROOT / "include", ROOT / "thinc_core")
    found = [path for folder in folders for pattern in patterns for path in folder.rglob(pattern)]
    return sorted(str(path.relative_to(ROOT)) for path in found)


def tool(name: str) -> str:
    """A program installed in .venv."""
    return str(python().parent / name)


def lint(fix: bool) -> List[Command]:
    return [[tool("ruff"), "check", ".", *(["--fix"] if fix else [])]]


def layout(fix: bool) -> List[Command]:
    return [[tool("ruff"), "format", ".", *([] if fix else ["--check"])]]


def cython(fix: bool) -> List[Command]:
    return [[tool("cython-lint"), *sources("*.pyx", "*.pxd", "*.pxi")]]


def clang_format(fix: bool) -> List[Command]:
    change = ["-i"] if fix else ["--dry-run", "--Werror"]
    return [[tool("clang-format"), *change, *sources("*.h", "*.cpp", "*.cu", "*.cuh")]]


def types(fix: bool) -> List[Command]:
    return [[tool("mypy")]]


def own(name: str) -> Callable[[bool], List[Command]]:
    """A check of this folder, run in .venv."""
    return lambda fix: [[str(python()), "-m", f"build_tools.check_{name}"]]


CHECKS: Dict[str, Callable[[bool], List[Command]]] = {
    "lint": lint,
    "format": layout,
    "cython": cython,
    "clang-format": clang_format,
    "types": types,
    "plugin": own("plugin"),
    "size": own("size"),
    "docs": own("docs"),
    "symbols": own("symbols"),
    "cuda": own("cuda"),
}
NAMES = list(CHECKS)


def passes(command: Command) -> bool:
    """Runs one command with cython-lint's helper programs on the path; true when it found nothing."""
    path = f"{python().parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "PATH": path}).returncode == 0


def run(only: Optional[Sequence[str]] = None, fix: bool = False) -> int:
    """Runs the named checks, or all; every one is run even after a failure. Returns the exit status."""
    unknown = sorted(set(only or []) - set(CHECKS))
    if unknown:
        fail(f"check: unknown name {', '.join(unknown)}; known are {', '.join(CHECKS)}")
    results = {}
    started = time.perf_counter()
    for name in only or CHECKS:
        say(name)
        results[name] = all(passes(command) for command in CHECKS[name](fix))
    say(f"{len(results)} checks in {time.perf_counter() - started:.0f} s")
    for name, good in results.items():
        print(f"{'ok    ' if good else 'FAILED'}  {name}")
    return 0 if all(results.values()) else 1
