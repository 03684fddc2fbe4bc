"""`thinc-core init`: write a config to start from."""

import argparse
import sys
from pathlib import Path

HELP = "write a commented config to start from"
TASKS = ("digits", "tagger", "textcat", "spans", "regression")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "thinc-core init [TASK] [--output FILE] [--section.key VALUE ...]"
    parser.add_argument("task", metavar="TASK", nargs="?", default="tagger", help=f"one of: {', '.join(TASKS)}")
    parser.add_argument("--output", metavar="FILE", help="file to write; - for standard output (default: TASK.cfg)")
    parser.set_defaults(takes_overrides=True)


def run(arguments: argparse.Namespace) -> int:
    from ..training.checkpoints import write_atomic
    from ..training.errors import UserError, did_you_mean
    from ..training.settings import parse_overrides
    from ..training.starters import starter_config

    if arguments.task not in TASKS:
        raise UserError(f'init: there is no task "{arguments.task}"{did_you_mean(arguments.task, TASKS)}')
    text = starter_config(arguments.task, parse_overrides(arguments.overrides))
    if arguments.output == "-":
        sys.stdout.write(text)
        return 0
    path = Path(arguments.output or f"{arguments.task}.cfg")
    if path.exists():
        raise UserError(f"{path}: exists already (name another file with --output)")
    write_atomic(path, text)
    print(f"wrote {path}; train it with: thinc-core train {path} --output runs/{arguments.task}")
    return 0
