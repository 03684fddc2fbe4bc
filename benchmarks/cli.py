"""python3 -m benchmarks: measures thinc_core beside whatever peers are installed, over a sweep of sizes."""

import argparse
import sys
from pathlib import Path
from typing import IO, List, Optional, Sequence

from . import bench_models, bench_ops, bench_optimizers, bench_overhead, charts, compare, machine, report
from .jobs import Job, Selection, parse_dtypes, parse_only, parse_sizes, parse_threads
from .machine import Setup
from .result import Result

SUITES = {"ops": bench_ops, "models": bench_models, "optimizers": bench_optimizers, "overhead": bench_overhead}
AGAIN = 2  # how often a row that looks like a regression is measured again
EXAMPLES = """\
examples:
  python3 -m benchmarks --quick                            everything, once over lightly
  python3 -m benchmarks ops --only mish,maxout             parts of names; /relu/ is the whole name
  python3 -m benchmarks ops --only gemm/ --sizes 64x768x3072 --peers torch,numpy
  python3 -m benchmarks --threads 1,2 --sizes judged       both, with the speed-up
  python3 -m benchmarks ops --json before.jsonl            then change a kernel, compile, and:
  python3 -m benchmarks ops --compare before.jsonl         exit status 1 when something got slower
  python3 -m benchmarks gpu --help                         the GPU backend, a program of its own
  python3 -m benchmarks --from all.jsonl --chart docs/speed.svg --curves curves.png
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="python3 -m benchmarks",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("suites", nargs="*", metavar="SUITE", help=f"any of {', '.join(SUITES)}; default: all")
    what = top.add_argument_group("what is measured")
    what.add_argument("--only", metavar="PARTS", help="rows whose suite/family/name contains one of these (commas)")
    what.add_argument("--peers", help="of thinc (original), torch (pytorch), numpy, or none; default: those installed")
    what.add_argument("--threads", default="1", metavar="N[,M]", help="threads of every side; 1,2 measures both")
    what.add_argument("--sizes", help="judged, all, or shapes such as 4000x96,1000x96x288; default: all, f64 judged")
    what.add_argument("--dtype", default="f32,f64", help="f32, f64 or both (the default)")
    what.add_argument("--quick", action="store_true", help="judged sizes, few rounds: shows that it runs, not how fast")
    what.add_argument("--list", action="store_true", help="name the rows that would be measured")
    what.add_argument("--from", dest="source", metavar="FILE", help="measure nothing: take the results of --json FILE")
    out = top.add_argument_group("what becomes of it")
    out.add_argument("--json", metavar="FILE", help="append one JSON object per result; - for the output")
    out.add_argument("--compare", metavar="OLD", help="against the results in OLD; exit status 1 when a row is slower")
    out.add_argument("--markdown", action="store_true", help="end with tables of targets and results in Markdown")
    out.add_argument("--chart", metavar="FILE", help="bars: how many times faster than each peer (.svg, .png)")
    out.add_argument("--curves", metavar="FILE", help="one panel per op: time per value over size (.svg, .png)")
    return top


def chosen(options: argparse.Namespace, setup: Setup) -> List[Job]:
    """The jobs that the options ask for."""
    unknown = sorted(set(options.suites) - set(SUITES))
    if unknown:
        parser().error(f"no suite {', '.join(unknown)}; there are {', '.join(SUITES)}")
    sizes, shapes = parse_sizes(options.sizes or ("judged" if options.quick else None))
    selection = Selection(parse_only(options.only), sizes, shapes, parse_dtypes(options.dtype))
    found = [job for name in options.suites or SUITES for job in SUITES[name].jobs(setup, selection)]
    wanted = [job for job in found if selection.wants(job)]
    if not wanted:
        raise SystemExit(f"benchmarks: no row matches --only {options.only} --sizes {options.sizes}; see --list")
    return wanted


def measure(jobs: Sequence[Job], into: report.Report) -> bool:
    """Runs the jobs; False when interrupted, with what was measured so far in the report."""
    try:
        if jobs[0].suite == "ops":
            jobs[0].measure()  # thrown away: the first rows alone would pay for the growth of the heap
        for job in jobs:
            into.progress.next(f"{job.name} {job.size}")
            for result in job.measure():
                into.add(result)
    except KeyboardInterrupt:
        return False
    finally:
        into.progress.close()
    return True


def compared(path: Path, old: Sequence[Result], into: report.Report, jobs: Sequence[Job]) -> int:
    """Prints what changed; a row that looks slower is measured again, and the faster of its times counts."""
    names = {(job.suite, job.name.rsplit("/", 1)[-1], job.size): job for job in jobs}
    for _ in range(AGAIN):
        for change in compare.changes(old, into.results):
            new = change.new
            job = names.get((new.suite, new.name, f"{new.size} {new.dtype}" if new.dtype else ""))
            if not change.slower or job is None:
                continue
            for result in job.measure():
                known = report.by_key(into.results)[result.key]
                if sum(result.ratios().get(name, 1) for name in compare.REFERENCES) < sum(
                    known.ratios().get(name, 1) for name in compare.REFERENCES
                ):
                    into.add(result)
    found = compare.changes(old, into.results)
    print(f"\ncompared with {path}\n{compare.table(found)}", file=into.out or sys.stderr)
    return int(any(change.slower for change in found))


def finish(options: argparse.Namespace, results: Sequence[Result]) -> None:
    """Tables and charts."""
    if options.markdown:
        print(f"\n{report.target_table(results)}\n\n{report.result_table(results)}")
    if options.chart:
        charts.bars(results, Path(options.chart))
    if options.curves:
        charts.curves(results, Path(options.curves))


def stored(options: argparse.Namespace) -> int:
    """The report on a file of results, without measuring."""
    results, circumstances = compare.read(Path(options.source))
    selection = Selection(parse_only(options.only))
    results = [r for r in results if selection.wants(Job(r.suite, f"{r.family}/{r.name}", r.size, list))]
    known = machine.circumstances([])
    into = report.Report({name: circumstances.get(name, "?") for name in known})
    for result in results:
        into.add(result)
    into.summary()
    status = 0
    if options.compare:
        old, before = compare.read(Path(options.compare))
        compare.check_same(Path(options.compare), before, circumstances)
        status = compared(Path(options.compare), old, into, [])
    finish(options, results)
    return status


def open_sink(name: Optional[str]) -> Optional[IO[str]]:
    """Where JSON lines go."""
    if name is None or name == "-":
        return sys.stdout if name else None
    try:
        return open(name, "a", encoding="utf-8")
    except OSError as error:
        raise SystemExit(f"benchmarks: cannot write {name}: {error}") from None


def main(arguments: Optional[List[str]] = None) -> int:
    """Entry point; returns the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["gpu"]:
        from .gpu.cli import main as measure_gpu

        return measure_gpu(given[1:])
    options = parser().parse_args(given)
    for name in filter(None, (options.chart, options.curves)):
        charts.check(Path(name))
    if options.source:
        return stored(options)
    peers = machine.available_peers(options.peers)
    setup = Setup(threads=parse_threads(options.threads), quick=options.quick)
    jobs = chosen(options, setup)
    if options.list:
        print("\n".join(f"{job.suite}/{job.name} {job.size}".strip() for job in jobs))
        return 0
    circumstances = machine.circumstances(peers)
    old: List[Result] = []
    if options.compare:
        old, before = compare.read(Path(options.compare))
        compare.check_same(Path(options.compare), before, circumstances)
    sink = open_sink(options.json)
    into = report.Report(circumstances, sink, options.json == "-", len(jobs))
    for text in machine.warnings(setup):
        print(f"warning: {text}", file=sys.stderr)
    setup.peers = machine.load(peers)
    complete = measure(jobs, into)
    into.summary()
    status = compared(Path(options.compare), old, into, jobs) if old else 0
    finish(options, into.results)
    if sink is not None and sink is not sys.stdout:
        sink.close()
    if not complete:
        print(f"interrupted: {len(into.results)} results were measured", file=sys.stderr)
    return status if complete else 130
