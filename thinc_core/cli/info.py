"""`thinc-core info`: versions and what computes on this machine, for bug reports."""

import argparse
from typing import Any, List, Tuple

HELP = "show versions, processor, BLAS, threads and GPU"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(arguments: argparse.Namespace) -> int:
    rows = collect()
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:<{width}}  {value}")
    return 0


def backend_line(ops: Any) -> str:
    return f"{ops.name}"


def collect() -> List[Tuple[str, str]]:
    return []
