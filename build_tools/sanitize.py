"""`python3 -m build_tools check --asan`: the op suite under AddressSanitizer and UndefinedBehaviorSanitizer.

The sources are copied to build/asan and compiled there with the sanitizers, so the extensions in use are not touched.
A fault ends the run: the report names the kernel and the line, and pytest's fault handler the test.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, List, Sequence

from .environment import ROOT, fail, python, say

FOLDER = ROOT / "build" / "asan"
SOURCES = ("build_tools", "include", "tests", "thinc_core", "setup.py", "pyproject.toml", "README.md", "LICENSE")
UNCOPIED = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__", ".pytest_cache")
SANITIZERS = "address,undefined"
PROBE = "import thinc_core.backends as b; print(b.__file__); print(*b.supported_isas())"
TESTS = ["tests/backends", "-k", "not reference and not cupy"]


def compiler() -> str:
    """The compiler whose sanitizer library is loaded; the one setuptools will call."""
    return os.environ.get("CXX", "g++").split()[0]


def library(name: str) -> str:
    """The full path of a library of the compiler."""
    if not shutil.which(compiler()):
        fail(f"check --asan: {compiler()} is needed (Debian: apt-get install g++)")
    found = subprocess.run([compiler(), f"-print-file-name={name}"], capture_output=True, encoding="utf-8").stdout
    path = Path(found.strip())
    if not path.is_absolute():
        fail(f"check --asan: {compiler()} has no {name} (Debian: apt-get install libasan8; with clang, set CXX=g++)")
    return str(path.resolve())


def copy() -> None:
    """The sources in FOLDER. Dates are kept, so that what did not change is not compiled again."""
    for name in SOURCES:
        if (ROOT / name).is_dir():
            remove_stale(FOLDER / name, ROOT / name)
            shutil.copytree(ROOT / name, FOLDER / name, ignore=UNCOPIED, dirs_exist_ok=True)
        else:
            shutil.copy2(ROOT / name, FOLDER / name)


def remove_stale(folder: Path, source: Path) -> None:
    """Delete Python files of an earlier copy that the sources no longer have."""
    for path in folder.rglob("*.py"):
        if not (source / path.relative_to(folder)).exists():
            path.unlink()


def environment() -> Dict[str, str]:
    """What a process needs to run sanitized extensions inside an interpreter that is not sanitized itself."""
    return {
        **os.environ,
        # C++ exceptions are intercepted only where the C++ library is there from the start.
        "LD_PRELOAD": f"{library('libasan.so')} {library('libstdc++.so')}",
        # Python's own allocator would hide what lies between two of its blocks.
        "PYTHONMALLOC": "malloc",
        # CPython and NumPy let go of some memory only by ending. A size that no machine has is an answer, not a fault.
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
        "OMP_NUM_THREADS": "1",
        "THINC_CORE_FUZZ": os.environ.get("THINC_CORE_FUZZ", "200"),
    }


def run(arguments: Sequence[str]) -> int:
    """Compile, then one pytest run for each instruction set. Returns the exit status."""
    if not sys.platform.startswith("linux"):
        fail(f"check --asan: needs Linux and GCC; this is {sys.platform}")
    settings = environment()
    started = time.perf_counter()
    FOLDER.mkdir(parents=True, exist_ok=True)
    copy()
    say(f"compiling with -fsanitize={SANITIZERS} in {FOLDER.relative_to(ROOT)} (two minutes)")
    build = [str(python()), "setup.py", "--quiet", "build_ext", "--inplace"]
    if subprocess.run(build, cwd=FOLDER, env={**os.environ, "THINC_CORE_SANITIZE": SANITIZERS}).returncode != 0:
        fail("check --asan: the extensions did not compile")
    failed = [name for name in instruction_sets(settings) if not passes(name, arguments, settings)]
    say(f"check --asan: {time.perf_counter() - started:.0f} s")
    print(f"FAILED  {', '.join(failed)}: see above" if failed else "ok      no fault found", flush=True)
    return 1 if failed else 0


def instruction_sets(settings: Dict[str, str]) -> List[str]:
    """Those of this machine; and the proof that the sanitized extensions are the ones that run."""
    probe = subprocess.run(
        [str(python()), "-c", PROBE], cwd=FOLDER, env=settings, stdout=subprocess.PIPE, encoding="utf-8"
    )
    lines = probe.stdout.splitlines()
    if probe.returncode != 0 or len(lines) != 2 or not lines[0].startswith(str(FOLDER)):
        fail(f"check --asan: the sanitized extensions cannot be imported; the probe printed {probe.stdout!r}")
    return lines[1].split()


def passes(isa: str, arguments: Sequence[str], settings: Dict[str, str]) -> bool:
    """Whether the op suite passes on one instruction set."""
    say(f"sanitized, instruction set {isa}")
    command = [str(python()), "-m", "pytest", "-q", "--hypothesis-profile=ci", *(arguments or TESTS)]
    return subprocess.run(command, cwd=FOLDER, env={**settings, "THINC_CORE_ISA": isa}).returncode == 0
