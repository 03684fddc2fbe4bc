"""The linker must never swap one instruction set's copy of a function for another's, and we export nothing by accident.

Compiles the kernels with every compiler found, under -Wall -Wextra -Werror, and reads the object with nm: a weak symbol
is an inline function that the linker may merge with the copy of another instruction set. Then reads what the built
extension modules export: the init function and nothing else.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterator, List

from .environment import ROOT
from .extensions import BACKENDS, compile_flags

WEAK = frozenset("VWu")
WARNINGS = ["-Wall", "-Wextra", "-Werror"]
# What the linker adds to every shared object.
LINKER = frozenset(["_init", "_fini", "_edata", "_end", "__bss_start"])
# The pointer through which code that cleans up finds the C++ runtime: data, and equal in every copy.
PERSONALITY = "DW.ref.__gxx_personality_v0"
# The C++ library's headers make their own templates visible; the same everywhere, and not ours to hide.
LIBRARY = re.compile(r"^(typeinfo (name )?for |vtable for |[\w:]+[*&]? )?(std::|__gnu_cxx::)")


def nm(path: Path, *options: str) -> List[List[str]]:
    """The defined symbols of an object file: [address, kind, name], names demangled."""
    done = subprocess.run(
        ["nm", "-C", "--defined-only", *options, str(path)], capture_output=True, encoding="utf-8", check=True
    )
    return [line.split(maxsplit=2) for line in done.stdout.splitlines() if len(line.split(maxsplit=2)) == 3]


def kernel_problems(compiler: str, source: Path) -> Iterator[str]:
    """Warnings and weak symbols of one file of kernels under one compiler."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "kernels.o"
        flags = ["-c", "-fPIC", *compile_flags(), *WARNINGS, "-Iinclude"]
        command = [compiler, *flags, str(source), "-o", str(target)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8")
        if done.returncode != 0:
            yield f"{compiler}, {source.name}: {' '.join(WARNINGS)} must be silent; got\n{done.stderr[:4000]}"
            return
        symbols = nm(target)
    weak = [name for _, kind, name in symbols if kind in WEAK and name != PERSONALITY]
    outside = [name for _, kind, name in symbols if kind == "T" and not name.startswith("thinc")]
    where = f"{compiler}, {source.name}"
    yield from (f"{where}: no symbol may be weak; got {name}" for name in weak)
    yield from (f"{where}: every global symbol must be in namespace thinc; got {name}" for name in outside)
    print(f"{where}: {len(symbols)} symbols, {len(weak)} weak")


def module_problems(path: Path) -> Iterator[str]:
    """What an extension module exports beyond its init function."""
    init = f"PyInit_{path.name.split('.', 1)[0]}"
    exported = {name for _, _, name in nm(path, "-D") if not LIBRARY.match(name)} - LINKER
    print(f"{path.relative_to(ROOT)}: exports {', '.join(sorted(exported)) or 'nothing'}")
    if exported != {init}:
        yield f"{path.name}: only {init} may be exported; got {', '.join(sorted(exported - {init})) or 'nothing'}"


def main() -> int:
    """Prints every problem; returns the exit status."""
    if sys.platform == "win32" or shutil.which("nm") is None:
        print("skipped: needs nm and GCC or Clang")
        return 0
    compilers = [name for name in ("g++", "clang++") if shutil.which(name)]
    sources = [*sorted((ROOT / BACKENDS / "cpu").glob("isa_*.cpp")), ROOT / BACKENDS / "cpu" / "kernels.cpp"]
    found = [problem for name in compilers for source in sources for problem in kernel_problems(name, source)]
    modules = sorted((ROOT / "thinc_core").rglob("*.so"))
    found += [problem for path in modules for problem in module_problems(path)]
    if not modules:
        found.append("no compiled extension found (python3 -m build_tools test builds them)")
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
