"""python3 -m benchmarks [ops|models|overhead ...]: measures thinc_core beside whatever peers are installed."""

import argparse
import os
import sys
from typing import List, Optional, TextIO

# One thread on every side, before any of them starts its pool.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

SUITES = ("ops", "models", "overhead")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python3 -m benchmarks", description=__doc__)
    top.add_argument("suites", nargs="*", metavar="SUITE", help=f"any of {', '.join(SUITES)}; default: all")
    top.add_argument("--only", help="comma-separated parts of row names, e.g. --only relu,maxout")
    top.add_argument("--peers", help="comma-separated: thinc,torch or none; default: those installed")
    top.add_argument(
        "--json", metavar="FILE", help="append one JSON object per result; - writes them to the output instead"
    )
    top.add_argument(
        "--markdown", action="store_true", help="end with a Markdown table; in brackets how much faster we are"
    )
    top.add_argument("--quick", action="store_true", help="fewer rounds and sizes: shows that it runs, not how fast")
    return top


def main(arguments: Optional[List[str]] = None) -> int:
    """Entry point; returns the exit status."""
    options = parser().parse_args(arguments)
    unknown = sorted(set(options.suites) - set(SUITES))
    if unknown:
        parser().error(f"no suite {', '.join(unknown)}; there are {', '.join(SUITES)}")
    from . import bench_models, bench_ops, bench_overhead, common

    modules = {"ops": bench_ops, "models": bench_models, "overhead": bench_overhead}
    sink: Optional[TextIO] = None
    if options.json:
        sink = sys.stdout if options.json == "-" else open(options.json, "a", encoding="utf-8")
    report = common.Report(common.available_peers(options.peers), sink, quiet=options.json == "-")
    for name in options.suites or SUITES:
        modules[name].run(report, options.only, options.quick)
    report.summary()
    if options.markdown:
        print(f"\n{report.markdown()}")
    if sink not in (None, sys.stdout):
        sink.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
