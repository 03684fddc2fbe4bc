"""What every benchmark shares: paired timing, peers, targets, records and the table."""

import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, TextIO

ROOT = Path(__file__).resolve().parents[1]
PEERS = ("thinc", "torch")
OURS = "ours"


@dataclass
class Timing:
    """Seconds per call of one side: the fastest round, and how much slower the median round was (0.1 = 10%)."""

    best: float
    spread: float


@dataclass
class Target:
    """What must hold: ours <= limit x peer, both costs (seconds, bytes); lower is better."""

    peer: str
    limit: float


@dataclass
class Result:
    """One line of the report. Costs are per call (seconds unless `unit` says otherwise); rates are derived."""

    suite: str
    name: str
    size: str
    costs: Dict[str, Timing]
    targets: Sequence[Target] = ()
    rate: str = ""
    work: float = 0.0
    unit: str = "s"
    note: str = ""
    extra: Dict[str, float] = field(default_factory=dict)

    def ratios(self) -> Dict[str, float]:
        """Our cost as a share of each other side's."""
        ours = self.costs[OURS].best
        return {name: ours / max(cost.best, 1e-12) for name, cost in self.costs.items() if name != OURS}

    def verdicts(self) -> Dict[str, bool]:
        """Each target whose other side was measured: met or not."""
        ratios = self.ratios()
        return {f"{t.peer} x {t.limit:g}": ratios[t.peer] <= t.limit for t in self.targets if t.peer in ratios}

    def rates(self) -> Dict[str, float]:
        """Work per second of every side, in the unit of `rate`."""
        return {name: self.work / cost.best for name, cost in self.costs.items()} if self.rate else {}


def paired(sides: Mapping[str, Callable[[], Any]], rounds: int = 15, round_seconds: float = 0.004) -> Dict[str, Timing]:
    """Times every side in this process, one after the other in each round, so that drift of the machine hits all alike.

    A round calls one side often enough to last round_seconds; the first rounds warm caches up and are not counted.
    """
    counts = {}
    for name, call in sides.items():
        call()
        started = time.perf_counter()
        call()
        once = time.perf_counter() - started
        counts[name] = max(1, min(100_000, int(round_seconds / max(once, 1e-8))))
    samples: Dict[str, List[float]] = {name: [] for name in sides}
    for turn in range(rounds + 2):
        for name, call in sides.items():
            loop = range(counts[name])
            started = time.perf_counter()
            for _ in loop:
                call()
            if turn >= 2:
                samples[name].append((time.perf_counter() - started) / counts[name])
    return {name: Timing(min(s), median(s) / min(s) - 1) for name, s in samples.items()}


def available_peers(wanted: Optional[str]) -> List[str]:
    """The peers to measure: those asked for (comma-separated, `none` for none), or all that are installed."""
    names = list(PEERS) if wanted is None else [name for name in wanted.split(",") if name and name != "none"]
    for name in names:
        if name not in PEERS:
            raise SystemExit(f"benchmarks: --peers must be of {', '.join(PEERS)}; got {name}")
        if wanted is not None and importlib.util.find_spec(name) is None:
            raise SystemExit(f"benchmarks: {name} is not installed for {sys.executable}")
    return [name for name in names if importlib.util.find_spec(name) is not None]


def processor() -> str:
    """The name of the processor, as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def commit() -> str:
    """The commit that is measured, with a plus sign when files differ from it."""
    done = subprocess.run(["git", "describe", "--always", "--dirty=+"], cwd=ROOT, capture_output=True, encoding="utf-8")
    return done.stdout.strip() or "unknown"


def circumstances(peers: Sequence[str]) -> Dict[str, object]:
    """Everything a figure depends on: machine, instruction set, BLAS, versions, commit."""
    from importlib.metadata import version

    import thinc_core
    from thinc_core.backends import active_isa
    from thinc_core.backends.cblas import active_blas

    packages = ["numpy", "blis", *peers]
    return {
        "machine": processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "thinc_core": thinc_core.__version__,
        **{name: version(name) for name in packages},
        "isa": active_isa(),
        "blas": active_blas(),
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d %H:%M:%S"),
    }


def readable(cost: float, unit: str) -> str:
    """A cost with three significant digits: microseconds, milliseconds, seconds or megabytes."""
    if unit == "bytes":
        return f"{cost / 1e6:.3g} MB"
    for scale, name in ((1e-6, "us"), (1e-3, "ms")):
        if cost < scale * 1000:
            return f"{cost / scale:.3g} {name}"
    return f"{cost:.3g} s"


class Report:
    """Prints one line per result as it comes and, when asked, writes one JSON object per line."""

    def __init__(self, peers: Sequence[str], sink: Optional[TextIO], quiet: bool = False) -> None:
        self.peers, self.sink, self.quiet = list(peers), sink, quiet
        self.circumstances = circumstances(peers)
        self.results: List[Result] = []
        self._suite = ""

    def add(self, result: Result) -> None:
        """Takes one result."""
        self.results.append(result)
        if self.sink is not None:
            self.sink.write(json.dumps(self.record(result)) + "\n")
            self.sink.flush()
        if not self.quiet:
            self.line(result)

    def record(self, result: Result) -> Dict[str, object]:
        """The JSON form of a result."""
        return {
            "suite": result.suite,
            "name": result.name,
            "size": result.size,
            "unit": result.unit,
            "cost": {name: cost.best for name, cost in result.costs.items()},
            "spread": {name: round(cost.spread, 3) for name, cost in result.costs.items()},
            "ratio": {name: round(ratio, 4) for name, ratio in result.ratios().items()},
            "rate": {"unit": result.rate, **{name: round(r, 3) for name, r in result.rates().items()}},
            "targets": result.verdicts(),
            "note": result.note,
            **result.extra,
            **self.circumstances,
        }

    def line(self, result: Result) -> None:
        """Prints one row; the heading comes with the first row of a suite."""
        if result.suite != self._suite:
            self._suite = result.suite
            about = ", ".join(f"{key} {value}" for key, value in self.circumstances.items())
            heading = f"{'':30} {'size':>16} {'ours':>9} {'noise':>6} {'rate':>12}  others (ours / theirs), targets"
            print(f"\n{about}\n{heading}")
        ours = result.costs[OURS]
        rate = f"{result.rates()[OURS]:.4g} {result.rate}" if result.rate else ""
        others = "  ".join(
            f"{name} {readable(cost.best, result.unit)} ({result.ratios()[name]:.2f})"
            for name, cost in result.costs.items()
            if name != OURS
        )
        marks = "  ".join(f"[{'met' if met else 'MISSED'}: {text}]" for text, met in result.verdicts().items())
        noise = f"{ours.spread:6.0%}"
        cost = readable(ours.best, result.unit)
        print(
            f"{result.name:30} {result.size:>16} {cost:>9} {noise} {rate:>12}  {others}  {marks} {result.note}".rstrip()
        )
        sys.stdout.flush()

    def markdown(self) -> str:
        """The results as a Markdown table: rates where there are any, else costs; times faster than each peer."""
        heads = [OURS, *self.peers]
        rows = ["| | " + " | ".join(["thinc_core", *self.peers]) + " |", "|---" * (len(heads) + 1) + "|"]
        for result in self.results:
            cells = [f"{result.name}, {result.size}".strip(", ")]
            for name in heads:
                if name not in result.costs:
                    cells.append("-")
                    continue
                rates = result.rates()
                shown = f"{rates[name]:,.0f} {result.rate}" if "/s" in result.rate and rates[name] >= 1000 else ""
                shown = shown or readable(result.costs[name].best, result.unit)
                cells.append(shown if name == OURS else f"{shown} ({1 / max(result.ratios()[name], 1e-9):.2g}x)")
            rows.append("| " + " | ".join(cells) + " |")
        return "\n".join(rows)

    def summary(self) -> None:
        """How many targets were met."""
        verdicts = [met for result in self.results for met in result.verdicts().values()]
        if verdicts and not self.quiet:
            print(f"\n{sum(verdicts)} of {len(verdicts)} targets met")


def chosen(name: str, only: Optional[str]) -> bool:
    """Whether a row is wanted: --only takes comma-separated parts of names."""
    return not only or any(part in name for part in only.split(","))
