"""The `thinc-core` program: train, evaluate and use models from the command line.

One module per command, each with HELP, `add_arguments(parser)` and `run(arguments)`. Modules import what they need
when they run, so `thinc-core --help` answers at once.
"""

import argparse
import io
import os
import sys
import traceback
from typing import List, Optional, Sequence, Tuple

from ..about import __version__
from . import config, demo, evaluate, info, init, predict, show, train

__all__ = ["main"]

COMMANDS = {
    "train": train,
    "evaluate": evaluate,
    "predict": predict,
    "show": show,
    "info": info,
    "init": init,
    "config": config,
    "demo": demo,
}
BAD_INPUT, INTERRUPTED = 2, 130


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run one command. argv: arguments without the program's name; None takes those of the process.

    RETURNS: exit code: 0, 2 for bad input (one line on stderr says what), 130 when interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what the locale has no letters for is written as \\u2502
            stream.reconfigure(errors="backslashreplace")
    plain, overrides = split_overrides(sys.argv[1:] if argv is None else argv)
    parser = make_parser()
    arguments = parser.parse_args(plain)
    if arguments.command is None:
        parser.print_help()
        return BAD_INPUT
    if overrides and not getattr(arguments, "takes_overrides", False):
        parser.error(f"{arguments.command} takes no config values; got {overrides[0]}")
    arguments.overrides = overrides
    try:
        return int(COMMANDS[arguments.command].run(arguments))
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as err:
        return report(err, debug=arguments.debug)


def report(err: Exception, *, debug: bool) -> int:
    """Print what went wrong: one message for bad input, a traceback for a fault of ours. RETURNS: the exit code."""
    from ..training.errors import UserError

    is_users = isinstance(err, (UserError, OSError, MemoryError))
    if debug or not is_users:
        traceback.print_exception(type(err), err, err.__traceback__)
    else:
        text = f"{err.filename}: {err.strerror}" if isinstance(err, OSError) and err.filename else str(err)
        text = f"not enough memory: {text}" if isinstance(err, MemoryError) else text
        print(f"thinc-core: {text}", file=sys.stderr)
    return BAD_INPUT if is_users else 1


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="thinc-core", description="Train, evaluate and use small neural networks.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"thinc_core {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, module in COMMANDS.items():
        command = commands.add_parser(name, help=module.HELP, description=module.HELP, allow_abbrev=False)
        module.add_arguments(command)
        command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def split_overrides(argv: Sequence[str]) -> Tuple[List[str], List[str]]:
    """Take `--section.key VALUE` and `--section.key=VALUE` out of the arguments, wherever they stand.

    RETURNS: the other arguments; the overrides, each as "--section.key" and, when there is one, its value.
    """
    plain: List[str] = []
    overrides: List[str] = []
    rest = list(argv)
    while rest:
        argument = rest.pop(0)
        name, _, value = argument.partition("=")
        if argument == "--":
            return [*plain, argument, *rest], overrides
        if not (name.startswith("--") and "." in name):
            plain.append(argument)
            continue
        overrides.append(argument)
        if not value and "=" not in argument and rest and not rest[0].startswith("--"):
            overrides.append(rest.pop(0))
    return plain, overrides
