"""python3 -m build_tools demo|test|check|bench: sets the machine up, then does the job.

Needs only Python, pip and a C++ compiler: the first call makes .venv, installs the dependencies and compiles the
extensions; later calls do that again only when something changed.
"""

import argparse
import os
import subprocess
import sys
from typing import List, Optional, Sequence

from . import checks, environment, passes, sanitize


def run(command: Sequence[str]) -> int:
    """Runs a command in the repository root with the interpreter of .venv; returns its exit status."""
    return subprocess.run([str(environment.python()), *command], cwd=environment.ROOT).returncode


def demo(options: argparse.Namespace, rest: List[str]) -> int:
    """train the digits classifier and the tagger; curves and models go to runs/demo"""
    environment.ensure(["cli"])
    return run(["-m", "thinc_core", "demo", "--output", "runs/demo", *rest])


def test(options: argparse.Namespace, rest: List[str]) -> int:
    """run the tests: everything, then the op suite; once per instruction set and per BLAS provider"""
    environment.ensure(["cli", *(["frameworks"] if options.frameworks else []), "test"])
    if options.frameworks:
        return passes.run_frameworks(rest)
    return passes.run(quick=options.quick, slow=options.slow, arguments=rest)


def check(options: argparse.Namespace, rest: List[str]) -> int:
    """lint, format, types, symbols, sizes, docs; with --asan the memory accesses of the op suite instead"""
    environment.ensure(["check", "cli", "docs", "test"])
    if options.asan:
        return sanitize.run(rest)
    return checks.run(only=rest, fix=options.fix)


def bench(options: argparse.Namespace, rest: List[str]) -> int:
    """run the benchmarks (arguments go to `python -m benchmarks`)"""
    environment.ensure(["cli"])
    return run(["-m", "benchmarks", *rest])


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python3 -m build_tools", description=(__doc__ or "").split("\n\n", 1)[1])
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for job in (demo, test, check, bench):
        sub = commands.add_parser(job.__name__, help=job.__doc__, description=job.__doc__)
        sub.set_defaults(job=job)
        if job is test:
            sub.add_argument("--quick", action="store_true", help="one pass only, with whatever this machine picks")
            sub.add_argument("--slow", action="store_true", help="also the tests marked slow (wheels, long trainings)")
            frameworks = "install JAX, TensorFlow, ONNX into .venv (500 MB) and run the tests that need them, no others"
            sub.add_argument("--frameworks", action="store_true", help=frameworks)
            sub.epilog = "other arguments go to pytest, e.g. tests/test_model.py -k dims -x"
        if job is check:
            sub.add_argument("--fix", action="store_true", help="let the formatters and the linter change the files")
            asan = "run op suite and fuzz test under AddressSanitizer and UBSan (Linux, GCC; 5 minutes)"
            sub.add_argument("--asan", action="store_true", help=f"{asan}; THINC_CORE_FUZZ=2000 for more examples")
            sub.epilog = "name checks to run only those: " + ", ".join(checks.NAMES)
            sub.epilog += "; with --asan, other arguments go to pytest"
    return top


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Entry point; returns the exit status."""
    options, rest = parser().parse_known_args(arguments)
    # One thread per process: tests and benchmarks run side by side, and oversubscribed cores tell nothing.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        return int(options.job(options, rest))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
