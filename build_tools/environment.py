"""Makes the virtual environment of the repository and installs into it. Standard library only.

Everything here is idempotent: a stamp inside .venv remembers what was installed and from which sources the extensions
were compiled, so the second call costs a few milliseconds.
"""

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import Dict, Iterable, List, NoReturn, Sequence

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
STAMP = VENV / "thinc_core_stamp.json"
OLDEST = (3, 10)
# What the tests compare with. Plain "torch" is a CUDA build of several gigabytes where PyPI serves Linux.
TORCH = "2.13.0+cpu"
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
NATIVE = ("*.pyx", "*.pxd", "*.pxi", "*.h", "*.def", "*.cpp")


def python() -> Path:
    """The interpreter inside .venv."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def say(text: str) -> None:
    """Announces a step; flushed, so that it comes before the output of the step."""
    print(f"== {text}", flush=True)


def fail(text: str) -> NoReturn:
    """Ends the program with one readable message."""
    print(f"error: {text}", file=sys.stderr)
    raise SystemExit(2)


def succeeds(command: Sequence[object]) -> bool:
    """Runs a command without showing its output; tells whether it ended well."""
    try:
        done = subprocess.run(
            [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT
        )
    except OSError:
        return False
    return done.returncode == 0


def pip(*arguments: str) -> None:
    """Runs pip install inside .venv, or ends the program."""
    if not pip_succeeds(*arguments):
        fail(f"this command failed, see its messages above:\n  {python()} -m pip install {' '.join(arguments)}")


def pip_succeeds(*arguments: str) -> bool:
    """Runs pip install and shows its progress, without the long list of what is there already; tells how it ended."""
    command = [str(python()), "-m", "pip", "install", "--disable-pip-version-check", *arguments]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace"
    )
    assert process.stdout is not None
    for line in process.stdout:
        if not line.lstrip().startswith(("Requirement already satisfied", "Using cached")):
            print(line, end="", flush=True)
    return process.wait() == 0


def check_machine() -> None:
    """Stops with a remedy when something is missing that pip cannot install."""
    if sys.version_info < OLDEST:
        fail(f"Python 3.10 or newer is needed; {sys.executable} is {sys.version.split()[0]}")
    compilers = [os.environ.get("CXX", ""), "c++", "g++", "clang++", "cl"]
    if not any(shutil.which(name.split()[0]) for name in compilers if name):
        fail("a C++17 compiler is needed (Debian: apt-get install g++; macOS: xcode-select --install)")
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").exists():
        fail(f"the headers of {sys.executable} are needed to compile extensions (Debian: apt-get install python3-dev)")


def create() -> None:
    """Makes .venv unless a working one is there."""
    if succeeds([python(), "-m", "pip", "--version"]):
        return
    say(f"creating {VENV} with Python {sys.version.split()[0]}")
    if succeeds([sys.executable, "-m", "venv", "--clear", VENV]):
        return
    # Debian splits ensurepip off; the pip of the calling interpreter can fill an environment that has none.
    bare = succeeds([sys.executable, "-m", "venv", "--clear", "--without-pip", VENV])
    if bare and succeeds([sys.executable, "-m", "pip", "--python", python(), "install", "pip"]):
        return
    if succeeds([sys.executable, "-m", "virtualenv", "--clear", VENV]):
        return
    fail(f"{sys.executable} cannot make a virtual environment (Debian: apt-get install python3-venv)")


def build_requirements() -> List[str]:
    """The packages that compiling needs, from pyproject.toml (Python 3.10 has no TOML reader; a list of strings is
    written the same way in both languages)."""
    found = re.search(r"^requires = (\[.*?^\])", (ROOT / "pyproject.toml").read_text(), re.DOTALL | re.MULTILINE)
    if not found:
        fail("pyproject.toml: [build-system] must have a list `requires`")
    return [str(item) for item in ast.literal_eval(found.group(1))]


def native_sources() -> List[Path]:
    """Every file that the compiled extensions depend on. (What Cython generates goes to build/.)"""
    files = [ROOT / "setup.py", ROOT / "build_tools" / "extensions.py", ROOT / "build_tools" / "commands.py"]
    for folder in ("include", "thinc_core"):
        files += [path for pattern in NATIVE for path in (ROOT / folder).rglob(pattern)]
    return sorted(files)


def digest(files: Iterable[Path]) -> str:
    """One fingerprint of the names and contents of files."""
    total = hashlib.sha256()
    for path in files:
        total.update(f"{path.relative_to(ROOT)}\0".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def read_stamp() -> Dict[str, object]:
    """What the last call left behind; empty when there is nothing or it cannot be read."""
    try:
        stamp = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def install_torch() -> None:
    """Installs PyTorch, in the build for CPUs if that can be had. Tests that need it are skipped when it cannot.

    Measured: 12 s. Byte code, which would take 25 s more, is left to the first import of what is imported.
    """
    say("installing PyTorch for the CPU")
    known = ["--quiet", "--no-compile"]
    if sys.platform != "darwin":  # where every build is one
        # Alone first: its index is asked for nothing else, and not for long where there is no way to it.
        patience = ["--no-deps", "--retries", "0", "--timeout", "5"]
        pip_succeeds(*known, *patience, "--extra-index-url", TORCH_INDEX, f"torch=={TORCH}")
    if not pip_succeeds(*known, "torch>=2.2"):  # what it depends on, or any build
        say("PyTorch cannot be installed here: its tests will be skipped, or fail with THINC_CORE_REQUIRE=torch")


def ensure(extras: Sequence[str]) -> None:
    """Makes .venv hold thinc_core in editable form, compiled from the present sources, with these extras."""
    check_machine()
    create()
    stamp = read_stamp()
    known = stamp.get("extras")
    wanted = sorted({*extras, *(known if isinstance(known, list) else [])})
    state = {
        "extras": wanted,
        "project": digest([ROOT / "pyproject.toml"]),
        "sources": digest(native_sources()),
        "torch": TORCH if "test" in wanted else None,
    }
    if state == stamp:
        return
    STAMP.unlink(missing_ok=True)
    started = time.perf_counter()
    target = f".[{','.join(wanted)}]" if wanted else "."
    if (state["extras"], state["project"]) != (stamp.get("extras"), stamp.get("project")):
        say("installing what compiling needs")
        pip(*build_requirements())
        say(f"compiling and installing thinc_core with {', '.join(wanted) or 'no extras'} (a minute or two)")
        pip("--no-build-isolation", "-e", target)
    elif state["sources"] != stamp.get("sources"):
        say("sources changed: compiling")
        pip("--quiet", "--no-build-isolation", "--no-deps", "-e", ".")
    if state["torch"] not in (None, stamp.get("torch")):
        install_torch()
    STAMP.write_text(json.dumps(state))
    say(f"environment ready after {time.perf_counter() - started:.0f} s")
