"""Programs in tests/typing are checked with mypy --strict and our plugin, and every public name is imported so."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import List

from .environment import ROOT

SAMPLES = ROOT / "tests" / "typing"
SETTINGS = "[mypy]\nplugins = thinc_core.mypy\nstrict = true\nignore_missing_imports = true\npretty = false\n"
MODULES = "backends config initializers layers loss model optimizers schedules shims training types util".split()


def mypy(folder: Path, names: List[str]) -> List[str]:
    """What one run of mypy says about files of a folder."""
    (folder / "mypy.ini").write_text(SETTINGS)
    command = [sys.executable, "-m", "mypy", "--no-error-summary", "--hide-error-context", "--config-file", "mypy.ini"]
    command += ["--cache-dir", "cache", *names]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MYPYPATH": str(ROOT)}
    found = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if found.returncode not in (0, 1):
        raise RuntimeError(f"mypy: it must run; got exit code {found.returncode}\n{found.stdout}{found.stderr}")
    return found.stdout.splitlines()


def public_names() -> str:
    """A program that imports every public name."""
    import importlib

    from thinc_core import api

    lines = [f"from thinc_core.api import {name} as {name}_" for name in api.__all__]
    for module in MODULES:
        names = getattr(importlib.import_module(f"thinc_core.{module}"), "__all__", [])
        lines += [f"from thinc_core.{module} import {name} as {module}_{name}" for name in names]
    return "\n".join([*lines, ""])


def differences() -> List[str]:
    """What mypy says and should not, or should and does not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for program in SAMPLES.glob("*.py"):
            (folder / program.name).write_text(program.read_text())
        (folder / "public.py").write_text(public_names())
        said = mypy(folder, ["fits.py", "misfits.py", "public.py"])
    expected = (SAMPLES / "misfits.txt").read_text().splitlines()
    # mypy has words of its own for some lines; only ours are compared.
    found = [line for line in said if re.search(r"\[layer-mismatch-\w+\]$", line) or not line.startswith("misfits.py")]
    more = [f"said: {line}" for line in found if line not in expected]
    return more + [f"not said: {line}" for line in expected if line not in found]


def main() -> int:
    """Prints every difference; returns the exit status."""
    found = differences()
    print("\n".join([*found, f"{len(list(SAMPLES.glob('*.py')))} programs, {len(found)} differences"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
