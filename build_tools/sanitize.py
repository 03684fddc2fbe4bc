"""`python3 -m build_tools check --asan`: the op suite under AddressSanitizer and UndefinedBehaviorSanitizer.

The sources are copied to build/asan and compiled there with the sanitizers, so the extensions in use are not touched.
A fault ends the run: the report names the kernel and the line, and pytest's fault handler the test. Every instruction
set of this machine has a run of its own, which refuses to start unless that set is the active one and the extension was
compiled with the sanitizers. A last run looks for memory that nothing refers to any more when Python ends.
"""

import os
import re
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
TESTS = ["tests/backends", "-k", "not reference and not cupy and not cuda"]
# The emulated kernels, once. Races have a sanitizer of their own, and wrong lines would end the process.
CUDA_TESTS = ["tests/backends", "tests/layers/test_host_waits.py", "tests/layers/test_launches.py"]
CUDA_TESTS += ["-k", "(cuda or waits or launches) and not races and not mutants and not large"]
LEAK_TESTS = [
    "tests/backends/test_ops_golden.py",
    "tests/backends/test_ops_errors.py",
    "tests/backends/test_ops_lists.py",
]
LEAK_TESTS += ["-k", "not reference and not cupy and not cuda", "-p", "no:cacheprovider"]


def compiler() -> str:
    """The compiler whose sanitizer library is loaded; the one setuptools will call, be it through ccache."""
    words = [word for word in os.environ.get("CXX", "").split() if Path(word).name not in ("ccache", "sccache")]
    return words[0] if words else "g++"


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
        # tests/conftest.py ends the run when another extension is loaded, or one without sanitizers.
        "THINC_CORE_SANITIZED": str(FOLDER),
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
    names = instruction_sets(settings)
    failed = [name for name in names if not passes(name, arguments, settings)]
    if not arguments and not passes(names[0], CUDA_TESTS, settings):
        failed.append("cuda kernels")
    if not arguments and leaks(settings):
        failed.append("leaks")
    ran = ", ".join(names if arguments else [*names, "cuda kernels", "leaks"])
    say(f"check --asan: {ran} in {time.perf_counter() - started:.0f} s")
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


def leaks(settings: Dict[str, str]) -> bool:
    """Whether memory that our extensions asked for was lost. What Python and NumPy lose themselves is not shown."""
    say("sanitized, memory that is lost")
    log = FOLDER / "leaks"
    for old in FOLDER.glob("leaks.*"):
        old.unlink()
    # Frames beyond Python's own, which have no frame pointers, are found only by the slow unwinder.
    options = f"detect_leaks=1:exitcode=0:fast_unwind_on_malloc=0:malloc_context_size=12:log_path={log}"
    command = [str(python()), "-m", "pytest", "-q", *LEAK_TESTS]
    environment = {**settings, "ASAN_OPTIONS": f"{settings['ASAN_OPTIONS']}:{options}"}
    failed = subprocess.run(command, cwd=FOLDER, env=environment).returncode != 0
    reports = "\n".join(path.read_text(errors="replace") for path in FOLDER.glob("leaks.*"))
    if "LeakSanitizer" not in reports:
        fail("check --asan: the leak sanitizer said nothing, not even of Python's own leaks (it needs ptrace)")
    blocks = re.split(r"\n(?=(?:Direct|Indirect) leak of)", reports)
    ours = [block for block in blocks if re.search(r"leak of.*\n(?:.*\n)*?.*/thinc_core/", block)]
    print("\n".join(ours[:5]), f"{len(blocks) - 1} leaks, {len(ours)} of them ours", sep="\n", flush=True)
    return failed or bool(ours)
