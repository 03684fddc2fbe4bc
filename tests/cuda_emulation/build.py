"""Compiles every .cu file with the C++ compiler to one shared library; an object is kept until its text changes."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence

from thinc_core.backends.cuda import _device

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# fp-contract: products and sums are rounded as the kernels say.  fno-gnu-unique: several such libraries may be loaded.
FLAGS = ["-std=c++17", "-O1", "-fPIC", "-fvisibility=hidden", "-fno-gnu-unique", "-ffp-contract=off"]
FLAGS += ["-fno-strict-aliasing", "-w"]
SANITIZE: List[str] = []
if os.environ.get("THINC_CORE_SANITIZED"):  # by build_tools check --asan, which finds reads beyond an array too
    SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=address,undefined"]
    FLAGS += [*SANITIZE, "-g", "-fno-omit-frame-pointer"]


def problem() -> Optional[str]:
    """Why kernels cannot be emulated on this machine, or None."""
    if sys.platform != "linux":
        return "CUDA kernels are emulated on Linux only"
    return None if compiler() else "emulating CUDA kernels needs a C++ compiler (g++ or clang++)"


def compiler() -> Optional[str]:
    found = [shutil.which(name) for name in (os.environ.get("CXX", "g++").split()[-1], "g++", "clang++")]
    return next(filter(None, found), None)


def folder() -> Path:
    """Where objects and libraries are kept."""
    kept = ROOT / "build" / "cuda_emulation"
    try:
        kept.mkdir(parents=True, exist_ok=True)
    except OSError:  # an installed, read-only copy of the tests
        kept = Path(tempfile.gettempdir()) / f"thinc_core_cuda_emulation_{os.getuid()}"
        kept.mkdir(mode=0o700, exist_ok=True)
    return kept


def texts() -> Dict[str, str]:
    """C++ text by stem: a namespace of its own for each .cu file, as each is a module of its own on the device."""
    return {path.stem: translated(_device.source(path.stem)) for path in _device.SOURCES.glob("*.cu")}


def translated(source: str) -> str:
    return f'#include "emulation.h"\nnamespace {{\n{source}\n}}\n'


def build(sources: Dict[str, str], machinery: str = "fibers", flags: Sequence[str] = ()) -> Path:
    """The library made of these texts of kernels. machinery: fibers or threads.  flags: more, for the kernels."""
    parts = [(name, (HERE / f"{name}.cpp").read_text(), ()) for name in ("emulation", machinery)]
    parts += [(stem, text, tuple(flags)) for stem, text in sources.items()]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(lambda part: compiled(*part), parts))
    link = ["-shared", *SANITIZE, *(flag for flag in flags if flag.startswith("-fsanitize"))]
    return made(hashed(*link, *(path.name for path in objects)), ".so", [*link, *map(str, objects)])


def compiled(stem: str, text: str, flags: Sequence[str] = ()) -> Path:
    digest = hashed(text, (HERE / "emulation.h").read_text(), *FLAGS, *flags, str(compiler()))
    source = folder() / f"{stem}-{digest}.cpp"
    object_file = source.with_suffix(".o")
    if not object_file.exists():
        source.write_text(text)
    return made(f"{stem}-{digest}", ".o", [*FLAGS, *flags, f"-I{HERE}", "-c", str(source)])


def hashed(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def made(name: str, suffix: str, arguments: list) -> Path:
    """A file that the compiler writes, unless it is there; other processes see all of it or nothing."""
    target = folder() / f"{name}{suffix}"
    with only_one(folder() / f"{name}.lock"):
        if not target.exists():
            partial = folder() / f"{name}.partial{suffix}"
            command = [str(compiler()), *arguments, "-o", str(partial)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-4000:]}")
            os.replace(partial, target)
    return target


@contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """One process at a time: the workers of a test run would all compile the same things at first."""
    import fcntl  # not on Windows, which imports this module too

    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
