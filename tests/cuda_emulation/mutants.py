"""Kernels with one wrong line each, to see whether tests notice.

All mutants are compiled into one library, where a number says which of them is in force: `with mutants.chosen(device,
mutant)`. As a program it runs the rows of cases.py on each of VALUES and says which row noticed it, and how many were:

    PYTHONPATH=.:tests python -m cuda_emulation.mutants
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

from thinc_core.backends.cuda import _device

from . import build
from .device import EmulatedDevice
from .mutant_tables import INDICES, VALUES

COMMON = "common"
# float32, and the kernels without a dtype.
HEAD = """#include "emulation.h"
static int mutant = 0;
extern "C" __attribute__((visibility("default"))) void thinc_emulation_mutant(int number) { mutant = number; }
#define FOR_both(M, ...) M(f32, float, __VA_ARGS__)
#define UNTYPED_both(name, parameters) KERNEL(name, parameters)
#define DTYPE both
"""
FLAGS = ("-O0", "-g0")  # compiled for a few small arrays
SIZES = ((5, 17), (7, 200), (150, 33), (60, 333), (3, 1100))  # rows and width


@dataclass(frozen=True)
class Mutant:
    """A wrong line. file: its stem.  old, new: an expression, or a statement, which ends with a semicolon.
    ops: those whose rows of cases.py notice it.  after: what it is the first such text behind, where there are several.
    """

    file: str
    old: str
    new: str
    ops: Tuple[str, ...] = ()
    after: str = ""

    @property
    def name(self) -> str:
        return f"{self.file}: {' '.join(self.old.split())} -> {' '.join(self.new.split())}"


def _made(rows: Any) -> List[Mutant]:
    return [Mutant(file, old, new, tuple(ops.split()), *after) for file, ops, old, new, *after in rows]


INDEX_MUTANTS: Dict[str, Mutant] = {name: Mutant(*row[:3], (), *row[3:]) for name, row in INDICES.items()}
VALUE_MUTANTS = _made(VALUES)
ALL = [*INDEX_MUTANTS.values(), *VALUE_MUTANTS]


def _place(text: str, mutant: Mutant) -> Tuple[int, int]:
    """Where the text of the mutant's file has what it changes."""
    start = text.find(mutant.after) if mutant.after else 0
    count = text.count(mutant.old, max(start, 0))
    assert start >= 0, f"{mutant.name}: there is no {mutant.after!r}"
    assert count == 1 or (count and mutant.after), f"{mutant.name}: it is there {count} times"
    begin = text.index(mutant.old, start)
    return begin, begin + len(mutant.old)


def _changed(text: str, file: str) -> str:
    """The text, with all mutants of a file as choices."""
    places: Dict[Tuple[int, int], List[Tuple[int, Mutant]]] = {}
    for number, mutant in enumerate(ALL, 1):
        if mutant.file == file:
            places.setdefault(_place(text, mutant), []).append((number, mutant))
    after = len(text)
    for (begin, end), choices in sorted(places.items(), reverse=True):
        assert end <= after, f"{choices[0][1].name}: it overlaps with another one"
        text, after = text[:begin] + _choice(text[begin:end], choices) + text[end:], begin
    return text


def _choice(old: str, choices: List[Tuple[int, Mutant]]) -> str:
    if old.endswith(";"):
        return "".join(f"if (mutant == {number}) {{ {each.new} }} else " for number, each in choices) + f"{{ {old} }}"
    return "(" + "".join(f"mutant == {number} ? ({each.new}) : " for number, each in choices) + f"({old}))"


@cache
def compiled() -> Path:
    """All kernels of float32 and those without a dtype, with all mutants."""
    pieces = []
    for path in sorted(_device.SOURCES.glob("*.cu")):
        common, own = _device.source(path.stem).split(f'#line 1 "{path.name}"\n', 1)
        pieces.append(f"namespace {path.stem} {{\n{_changed(common, COMMON)}\n{_changed(own, path.stem)}\n}}\n")
    return build.build({"mutants": HEAD + "".join(pieces)}, flags=FLAGS)


@contextmanager
def chosen(device: EmulatedDevice, mutant: Mutant) -> Iterator[None]:
    """In here the kernels of the device, which is one of the library, have that wrong line."""
    choose = device.emulator.thinc_emulation_mutant
    choose(ALL.index(mutant) + 1)
    try:
        yield
    finally:
        choose(0)


def noticed(ops: Any, device: EmulatedDevice, mutant: Mutant) -> str:
    """The first row of cases.py, with its size, that finds the mutant; an empty text when none does."""
    from cases import CASES
    from running import check, drawn

    rows = [case for case in CASES if case.op in mutant.ops]
    assert rows, f"{mutant.name}: no row is of {', '.join(mutant.ops)}"
    with chosen(device, mutant):
        for size in SIZES:
            for case in rows:
                try:
                    check(ops, case, drawn(case, *size, "float32"))
                except (AssertionError, RuntimeError, ValueError, IndexError):
                    return f"{case.name} {size[0]}x{size[1]}"
    return ""


def reports() -> Dict[str, str]:
    """What noticed each of VALUE_MUTANTS, by name; an empty text when nothing did.

    They run in processes of their own: a wrong line may write anywhere. One that ends its process was noticed, too, and
    the next process goes on behind it.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(build.ROOT), str(build.HERE.parent)])}
    found: Dict[str, str] = {}
    while len(found) < len(VALUE_MUTANTS):
        command = [sys.executable, "-m", "cuda_emulation.mutants", str(len(found))]
        done = subprocess.run(command, env=environment, cwd=build.ROOT, stdout=subprocess.PIPE, text=True)
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        found.update({each["mutant"]: each["row"] for each in map(json.loads, lines)})
        if done.returncode >= 0 and len(found) < len(VALUE_MUTANTS):
            raise RuntimeError(f"mutants: the process ended with status {done.returncode} after {len(found)} of them")
        if done.returncode < 0 and len(found) < len(VALUE_MUTANTS):
            found[VALUE_MUTANTS[len(found)].name] = f"signal {-done.returncode}"
    return found


def _report(first: int) -> int:
    """Print a line of JSON for each of VALUE_MUTANTS from `first` on."""
    import pytest
    from any_backend import make_ops

    device = EmulatedDevice(compiled())
    found = []
    with pytest.MonkeyPatch.context() as patch:
        ops = make_ops("cuda_emulated", patch, lambda: device)
        for mutant in VALUE_MUTANTS[first:]:
            found.append(noticed(ops, device, mutant))
            print(json.dumps({"row": found[-1], "mutant": mutant.name}), flush=True)
    print(f"{sum(map(bool, found))} of {len(found)} mutants are found by the rows of cases.py")
    return 0 if all(found) else 1


if __name__ == "__main__":
    raise SystemExit(_report(int(sys.argv[1]) if sys.argv[1:] else 0))
