"""`thinc-core config`: check, fill, show and compare config files, of this program or of any other."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, List, Mapping, Sequence

from ._colours import paint, paint_config, wanted

if TYPE_CHECKING:
    from ..config import Config

HELP = "check, fill, show or compare config files"
DIFFERENT, WRONG = 1, 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = _add(actions, "check", "say everything that is wrong with a config; nothing in it is run", _check)
    check.add_argument("--build", action="store_true", help="build what it describes too, and say why that fails")
    fill = _add(actions, "fill", "write out the defaults of every registered function in a config", _fill)
    fill.add_argument("-o", "--output", metavar="OUT", type=Path, help="file to write (default: standard output)")
    show = _add(actions, "show", "print a config, one of its sections or one value, variables replaced", _show)
    show.add_argument("path", metavar="SECTION[.KEY]", nargs="?", help="what to print (default: all of it)")
    diff = _add(actions, "diff", "say where two configs differ; exit code 0 if nowhere, 1 if somewhere", _diff)
    diff.add_argument("other", metavar="OTHER", type=Path, help="the config to compare with")
    diff.add_argument("--fill", action="store_true", help="compare them with all defaults written out")
    for command in (fill, show):
        command.add_argument("--variables", action="store_true", help="keep ${section.key} as it stands in the file")
    parser.set_defaults(takes_overrides=True)


def _add(actions: Any, name: str, text: str, run_action: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=text, description=text, allow_abbrev=False)
    parser.add_argument("file", metavar="FILE", type=Path, help="config file; - reads standard input")
    parser.set_defaults(run_action=run_action)
    return parser


def run(arguments: argparse.Namespace) -> int:
    return int(arguments.run_action(arguments))


def read(path: Path, overrides: Sequence[str] = (), *, interpolate: bool = True) -> "Config":
    """A config file, with values replaced. RAISES: UserError naming the file, and the place and line in it."""
    from ..config import Config, ConfigValidationError
    from ..training.errors import UserError
    from ..training.settings import explain_config_error, parse_overrides

    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a config: the file is not UTF-8 text") from None
    try:
        return Config().from_str(text, interpolate=interpolate, overrides=parse_overrides(overrides))
    except ConfigValidationError as error:
        raise UserError(f"{path}: {explain_config_error(error)}") from None
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None


def _check(arguments: argparse.Namespace) -> int:
    from ..config import registry

    config = read(arguments.file, arguments.overrides)
    found = [f"{_dotted(each['loc'])}: {_short(each['msg'])}" for each in registry.problems(config)]
    found += _training_errors(config)
    if not found and arguments.build:
        found = _build_errors(config)
    on = wanted()
    for line in found:
        place, _, message = line.partition(": ")
        print(f"{paint(place, 'red', on)}: {message}")
    blocks = _count_blocks(config)
    summary = f"{len(config)} sections, {blocks} registered functions, {len(found)} problems"
    print(f"{arguments.file}: {paint(summary, 'red' if found else 'green', on)}")
    return WRONG if found else 0


def _training_errors(config: "Config") -> List[str]:
    """The first thing wrong in [training], [task], [corpus] and [loss] of a training config; no data are read."""
    from ..training.errors import UserError
    from ..training.settings import SECTIONS, TrainingSettings, read_section
    from ..training.tasks import check_loss, get_task

    found: List[str] = []
    readers: List[Callable[[], Any]] = [
        lambda: read_section(config, "training", TrainingSettings),
        lambda: check_loss(config, get_task(config)),
        lambda: get_task(config).corpus_settings(),
    ]
    for read_part in readers if all(name in config for name in SECTIONS) else ():
        try:
            read_part()
        except UserError as error:
            found.append(str(error))
    return list(dict.fromkeys(found))  # a task that does not exist is met twice


def _short(message: str) -> str:
    """Without the list of all that there are, where the nearest of them is named."""
    return message.partition("; available: ")[0] if "did you mean" in message else message


def _build_errors(config: "Config") -> List[str]:
    """Why the registered functions of a config do not run, section by section."""
    from ..config import ConfigValidationError, registry
    from ..training.settings import explain_config_error

    found = []
    for name, section in config.items():
        try:
            registry.resolve({name: section})
        except ConfigValidationError as error:
            found.append(explain_config_error(error))
        except Exception as error:  # whatever a registered function raises
            found.append(f"{name}: {type(error).__name__}: {error}")
    return found


def _count_blocks(value: Any) -> int:
    if isinstance(value, Mapping):
        own = any(str(key).startswith("@") for key in value)
        return own + sum(_count_blocks(item) for item in value.values())
    return sum(map(_count_blocks, value)) if isinstance(value, (list, tuple)) else 0


def _filled(path: Path, overrides: Sequence[str], *, variables: bool = False) -> "Config":
    from ..config import ConfigValidationError, registry
    from ..training.errors import UserError
    from ..training.settings import explain_config_error

    config = read(path, overrides, interpolate=not variables)
    try:
        return registry.fill(config)
    except ConfigValidationError as error:
        raise UserError(f"{path}: {explain_config_error(error)}") from None


def _fill(arguments: argparse.Namespace) -> int:
    config = _filled(arguments.file, arguments.overrides, variables=arguments.variables)
    text = _text(config, arguments.file)
    if arguments.output is None:
        print(paint_config(text, wanted()))
    else:
        from ..util import write_atomically

        write_atomically(arguments.output, (text + "\n").encode())
    return 0


def _text(config: "Config", path: Path) -> str:
    from ..config import ConfigValidationError
    from ..training.errors import UserError

    try:
        return config.to_str(interpolate=False)
    except ConfigValidationError as error:  # a default that no file can hold, such as a function
        raise UserError(f"{path}: cannot be written: {' '.join(str(error).split())}") from None


def _show(arguments: argparse.Namespace) -> int:
    from ..config import Config
    from ..training.errors import UserError, did_you_mean

    config = read(arguments.file, arguments.overrides, interpolate=not arguments.variables)
    value: Any = config
    parts = arguments.path.split(".") if arguments.path else []
    for depth, part in enumerate(parts):
        if not isinstance(value, Mapping) or part not in value:
            hint = did_you_mean(part, map(str, value)) if isinstance(value, Mapping) else ""
            raise UserError(f"{arguments.file}: there is no {'.'.join(parts[: depth + 1])}{hint}")
        value = value[part]
    if not isinstance(value, Mapping):
        print(_json(value))
        return 0
    for part in reversed(parts):  # a section is written under its whole name
        value = {part: value}
    text = _text(Config(value, is_interpolated=config.is_interpolated), arguments.file)
    print(paint_config(_without_empty_parents(text, parts), wanted()))
    return 0


def _without_empty_parents(text: str, parts: Sequence[str]) -> str:
    for depth in range(1, len(parts)):
        text = text.replace(f"[{'.'.join(parts[:depth])}]\n\n", "", 1)
    return text


def _diff(arguments: argparse.Namespace) -> int:
    from ..config.file import MISSING

    load = _filled if arguments.fill else read
    before, after = load(arguments.file, arguments.overrides), load(arguments.other, arguments.overrides)
    on = wanted()
    found = before.diff(after)
    for path, old, new in found:
        sign, colour = ("+", "green") if old is MISSING else ("-", "red") if new is MISSING else ("~", "yellow")
        values = [_json(each) for each in (old, new) if each is not MISSING]
        print(paint(f"{sign} {_dotted(path)} = {' -> '.join(values)}", colour, on))
    return DIFFERENT if found else 0


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _dotted(path: Sequence[Any]) -> str:
    return ".".join(map(str, path))
