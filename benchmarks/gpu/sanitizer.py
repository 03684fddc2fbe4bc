"""compute-sanitizer on a small set of ops: out-of-bounds and misaligned accesses, races in shared memory."""

import re
import shutil
import subprocess
import sys
from typing import Any, Callable, List

from ..machine import ROOT
from ..result import OURS, Result, Target
from ..timing import Timing
from .card import Card

TOOLS = ("memcheck", "racecheck")
# An op of each kind of kernel; the run of all would take hours under these tools.
SMALL_SET = "relu,maxout-P3,layernorm,softmax,reduce_sum,seq2col-1-lengths,gather_add-K4,scatter_add,hash_embed,adam"
SMALL_SET += ",rmsnorm,rotary,attention,softmax_sequences"


def jobs(card: Card, seconds: Callable[[], float]) -> List[Any]:
    """One run per tool. seconds: how long it may take."""
    return [Tool(card, name, seconds) for name in TOOLS]


class Tool:
    """One of the tools of compute-sanitizer."""

    def __init__(self, card: Card, name: str, seconds: Callable[[], float]) -> None:
        self.card, self.name, self.seconds = card, name, seconds

    def __str__(self) -> str:
        return self.name

    def run(self) -> Result:
        """How many errors it reports, 0 allowed."""
        title, targets = f"compute-sanitizer {self.name}", [Target("limit", 1.0)]
        program = shutil.which("compute-sanitizer")
        if program is None:
            note = "compute-sanitizer is not installed (pip install nvidia-cuda-sanitizer-api)"
            return Result("gpu", title, "", {}, targets, "sanitizer", note=note)
        errors, note = self._errors(program)
        if errors is None:
            return Result("gpu", title, "", {}, targets, "sanitizer", note=note)
        costs = {OURS: Timing(float(errors)), "limit": Timing(0.0)}
        result = Result("gpu", title, "", costs, targets, "sanitizer", unit="", note=note)
        result.extra = {"dry_run": True} if self.card.dry else {}
        return result

    def _errors(self, program: str) -> Any:
        """(number of errors or None, what it said)."""
        backend = "emulated" if self.card.dry else "cupy"
        own = [sys.executable, "-m", "benchmarks", "gpu", "correctness", "--backend", backend, "--peers", "none"]
        own += ["--only", SMALL_SET, "--quick", "--quiet"]
        command = [program, "--tool", self.name, "--error-exitcode", "0", *own]
        try:
            limit = max(self.seconds(), 1)
            done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=limit)
        except subprocess.TimeoutExpired:
            return None, f"no end after {limit:.0f} s"
        return errors_in(done.stdout + done.stderr)


def errors_in(text: str) -> Any:
    """The number in the summary that ends a report, and the first error."""
    found = re.findall(r"(?:ERROR|RACECHECK) SUMMARY: (\d+) (?:error|hazard)", text)
    if not found:
        return None, "it printed no summary: " + " ".join(text.split())[-100:]
    first = re.search(r"========= (Invalid.*|Error:.*|Race.*)", text)
    return int(found[-1]), first[1][:100] if first else ""
