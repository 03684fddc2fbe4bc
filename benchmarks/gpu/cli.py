"""python3 -m benchmarks gpu: is the GPU backend right, and how fast is it, beside a copy, the original and PyTorch."""

import argparse
import sys
from functools import partial
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence

from .. import machine, report
from ..result import Result
from . import correctness, memory, models, ops, probe, sanitizer, summary
from .budget import SHARES, Budget
from .card import Card, opened

PEER_COLUMNS = ("thinc", "torch", "compile")
EXAMPLES = """\
stages, in this order:
  probe         versions, copy bandwidth, time to load kernels, cost of a launch
  correctness   every op in every dtype against float64, gradients of the LSTM, deterministic mode, 2^31 elements
  ops           device time of every op at 8192 x 96 and beyond the cache, beside a copy, the original and PyTorch
  models        launches, waits and host time of a training step; words per second; memory that is kept
  sanitizer     compute-sanitizer on a small set of ops, when it is installed
  compiled      PyTorch's compiler on a few ops and models

examples:
  python3 -m benchmarks gpu --json gpu.jsonl               everything in nine minutes; exit status 1: a target is missed
  python3 -m benchmarks gpu correctness --only lstm        one stage, rows whose name contains this
  python3 -m benchmarks gpu --backend emulated             the same program without a GPU: no figure of time is shown
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="python3 -m benchmarks gpu",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("stages", nargs="*", metavar="STAGE", help=f"any of {', '.join(SHARES)}; default: all")
    top.add_argument("--backend", choices=("cupy", "emulated"), default="cupy", help="emulated: a dry run on the CPU")
    top.add_argument("--device", type=int, default=0, metavar="N", help="number of the GPU")
    top.add_argument("--budget", type=float, default=540, metavar="S", help="seconds; what matters least is dropped")
    top.add_argument("--peers", help="of thinc (original), torch (pytorch), or none; default: those installed")
    top.add_argument("--only", metavar="PARTS", default="", help="rows whose name contains one of these (commas)")
    top.add_argument("--quick", action="store_true", help="few rounds: shows that it runs, not how fast")
    top.add_argument("--quiet", action="store_true", help="only what is wrong, and the summary")
    top.add_argument("--json", metavar="FILE", help="append one JSON object per result, as they come; - for the output")
    return top


def main(arguments: Optional[List[str]] = None) -> int:
    """Entry point; returns the exit status: 0, 1 when a target is missed, 2 without a GPU, 130 when interrupted."""
    options = parser().parse_args(arguments)
    unknown = sorted(set(options.stages) - set(SHARES))
    if unknown:
        parser().error(f"no stage {', '.join(unknown)}; there are {', '.join(SHARES)}")
    budget = Budget(options.budget)
    from ..cli import open_sink

    with opened(options.backend, options.device, options.quick) as card:
        sink = open_sink(options.json)
        peers = machine.load([name for name in machine.available_peers(options.peers) if name != "numpy"])
        facts = {**machine.circumstances(list(peers)), **probe.circumstances(card)}
        into = report.Report(facts, sink, options.json == "-", 0, PEER_COLUMNS)
        run = Run(card, budget, into, peers, options)
        try:
            complete = run.stages([stage for stage in SHARES if stage in (options.stages or SHARES)])
        finally:
            if sink is not None and sink is not sys.stdout:
                sink.close()
        run.summary()
    if not complete:
        return 130
    return int(summary.failed(into.results))


class Run:
    """One run of the stages."""

    def __init__(
        self, card: Card, budget: Budget, into: report.Report, peers: Dict[str, Any], options: argparse.Namespace
    ) -> None:
        self.card, self.budget, self.into, self.peers = card, budget, into, peers
        self.only = [part for part in options.only.split(",") if part]
        self.quiet = options.quiet
        if card.dry:
            into.print("DRY RUN ON THE EMULATOR: it shows that the program works. No figure is one of a GPU.")

    def stages(self, names: Sequence[str]) -> bool:
        """Runs the stages; False when interrupted, with what was measured so far in the report."""
        try:
            for name in names:
                getattr(self, name)()
        except KeyboardInterrupt:
            return False
        return True

    def wanted(self, jobs: Iterable[Any]) -> List[Any]:
        """Those that --only asks for; all without it."""
        return [job for job in jobs if not self.only or any(part in str(job) for part in self.only)]

    def add(self, result: Result) -> None:
        """To the report and the file; what is right needs no line when quiet."""
        right = result.measured and all(verdict.met for verdict in result.verdicts())
        self.into.add(result, show=not (right and (self.quiet or result.family == "correctness")))

    def attempt(self, name: str, family: str, job: Callable[[], Iterable[Result]]) -> None:
        """Adds what the job yields; its error becomes a row, and the other jobs go on."""
        try:
            for result in job():
                self.add(result)
        except Exception as error:
            note = f"{type(error).__name__}: {error}".split("\n")[0][:120]
            self.add(Result("gpu", name, "", {}, family=family, note=note))

    def probe(self) -> None:
        """What the machine is."""
        for job in self.budget.items("probe", probe.jobs(self.card)):
            self.attempt(job.__name__, "probe", job)

    def correctness(self) -> None:
        """Whether every op is right. Rows that are right are counted, the others shown."""
        checks = self.wanted(correctness.jobs(self.card))
        done: List[Result] = []
        for check in self.budget.items("correctness", checks):
            done.append(check.run(self.card))
            self.add(done[-1])
        for dtype in dict.fromkeys(result.dtype for result in done):
            rows = [result for result in done if result.dtype == dtype]
            self.into.print(correctness.summary(dtype, rows))

    def ops(self) -> None:
        """How fast every op is."""
        for row in self.budget.items("ops", self.wanted(ops.rows(self.card))):
            self.add(ops.measure(self.card, row, self.peers))
        if not self.card.dry:
            self.add(ops.geometric_mean(self.into.results))

    def models(self, stage: str = "models", jobs: Optional[List[models.Job]] = None) -> None:
        """What training costs."""
        if jobs is None:
            own = [
                models.Job("memory", partial(memory.flat, self.card)),
                models.Job("shared", partial(memory.shared, self.card)),
            ]
            jobs = [*models.jobs(self.card), *own]
        for job in self.budget.items(stage, self.wanted(jobs)):
            self.attempt(str(job), stage, lambda job=job: job.run(self.peers))

    def sanitizer(self) -> None:
        """Whether NVIDIA's tools find fault."""
        tools = sanitizer.jobs(self.card, lambda: self.budget.left("sanitizer"))
        for tool in self.budget.items("sanitizer", tools):
            self.add(tool.run())

    def compiled(self) -> None:
        """PyTorch at its best, as far as time is left."""
        if "torch" not in self.peers:
            return
        for row in self.budget.items("compiled", self.wanted(ops.compiled_rows(self.card))):
            self.add(ops.measure(self.card, row, self.peers))
        self.models("compiled", models.compiled_jobs(self.card))

    def summary(self) -> None:
        """What was dropped, then a line per target."""
        self.into.progress.close()
        for line in self.budget.summary():
            self.into.print(line)
        heading = "\ntargets" + (
            " (of a dry run: only what does not depend on time is judged)" if self.card.dry else ""
        )
        self.into.print("\n".join([heading, *summary.lines(self.into.results)]))
        self.into.print(f"{self.budget.spent:.0f} s")
