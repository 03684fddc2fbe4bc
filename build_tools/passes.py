"""The test passes: the whole suite, then the op suite, once per instruction set and per BLAS provider, forced by name.

Every pass is a pytest run of its own; its closing line is kept, and the one that matters most is printed last.
"""

import os
import re
import subprocess
import time
from dataclasses import dataclass, field
from typing import Dict, List, Sequence, Tuple

from .environment import ROOT, fail, python, say

OPS, FRAMEWORKS = "tests/backends", "tests/frameworks"
# The other backends and PyTorch compute the same whatever is forced, so only the compiled one is asked again.
NATIVE = "not reference and not cupy and not cuda and not pytorch"
CLOSING = re.compile(r"^=+ .*\b(passed|failed|errors?|skipped|deselected|no tests ran)\b.* in [\d.]+s.* =+$")
PROBE = """
from thinc_core.backends import supported_isas
from thinc_core.backends.cblas import available_blas
print(*supported_isas()); print(*available_blas())
"""


@dataclass
class Pass:
    """One pytest run: a title, what to set in its environment, what to run; then what came of it."""

    title: str
    environment: Dict[str, str]
    arguments: List[str]
    status: int = -1
    closing: str = "did not finish"
    seconds: float = field(default=0.0)

    def run(self) -> None:
        """Streams pytest's output and remembers its closing line."""
        say(f"{self.title}: pytest {' '.join(self.arguments)}")
        started = time.perf_counter()
        process = subprocess.Popen(
            [str(python()), "-m", "pytest", *self.arguments],
            cwd=ROOT,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            if CLOSING.match(line.strip()):
                self.closing = line.strip()
        self.status = process.wait()
        self.seconds = time.perf_counter() - started


def forced_names() -> Tuple[List[str], List[str]]:
    """The instruction sets and the BLAS providers that this machine can be forced to, best first."""
    probe = subprocess.run([str(python()), "-c", PROBE], cwd=ROOT, capture_output=True, encoding="utf-8")
    if probe.returncode != 0:
        fail(f"the compiled package cannot be asked for its instruction sets:\n{probe.stderr}")
    isas, providers = probe.stdout.splitlines()
    return isas.split(), providers.split()


def workers() -> List[str]:
    """pytest-xdist pays from two cores on; beyond eight the start of the workers costs more than they bring."""
    cores = min(os.cpu_count() or 1, 8)
    return ["-n", str(cores)] if cores > 1 else []


def planned(quick: bool, slow: bool, arguments: Sequence[str]) -> List[Pass]:
    """The passes to run; arguments of the caller make it a single one."""
    # The built-in profile ci draws the same examples in every run.
    common, chosen = [*workers(), "--hypothesis-profile=ci"], ["-m", "slow or not slow"] if slow else []
    if arguments or quick:
        return [Pass("chosen tests", {}, [*common, *chosen, *arguments])]
    (isa, provider), *others = paired(*forced_names())
    plan = [Pass("whole suite", forced(isa, provider), [*common, *chosen])]
    return plan + [Pass(f"{i}, BLAS {p}", forced(i, p), [*common, OPS, "-k", NATIVE]) for i, p in others]


def forced(isa: str, provider: str) -> Dict[str, str]:
    """The environment in which these are used, or nothing is."""
    return {"THINC_CORE_ISA": isa, "THINC_CORE_BLAS": provider}


def paired(isas: List[str], providers: List[str]) -> List[Tuple[str, str]]:
    """Each instruction set and each BLAS provider once: the best with the best, then the next of both."""
    count = max(len(isas), len(providers))
    return [((isas + isas[:1] * count)[i], (providers + providers[:1] * count)[i]) for i in range(count)]


def run_frameworks(arguments: Sequence[str]) -> int:
    """Runs the tests of other frameworks, each file in a process of its own, and their page. A missing one fails."""
    # On the CPU wherever they could choose, and without what they say of themselves.
    settings = {"THINC_CORE_REQUIRE_FRAMEWORKS": "1", "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"}
    plan = [
        Pass(path.stem[len("test_") :], settings, [str(path.relative_to(ROOT)), *arguments])
        for path in sorted((ROOT / FRAMEWORKS).glob("test_*.py"))
    ]
    examples = ["tests/training/test_examples.py", "-k", "transformer"]
    plan.append(Pass("transformers", {**settings, "THINC_CORE_REQUIRE": "torch,transformers"}, examples))
    return execute([*plan, Pass("page", settings, ["tests/test_docs.py", "-k", "frameworks"])])


def run(quick: bool, slow: bool, arguments: Sequence[str]) -> int:
    """Runs all passes of the suite."""
    return execute(planned(quick, slow, arguments))


def execute(plan: Sequence[Pass]) -> int:
    """Runs passes, prints a summary and, last, the closing line of the first failed one or else of the first."""
    for one in plan:
        one.run()
    failed = [one for one in plan if one.status != 0]
    if len(plan) > 1:
        say(f"{len(plan)} passes in {sum(one.seconds for one in plan):.0f} s")
        for one in plan:
            print(f"{'ok    ' if one.status == 0 else 'FAILED'}  {one.title:24} {one.closing.strip('= ')}")
        print((failed or plan)[0].closing, flush=True)
    return 1 if failed else 0
