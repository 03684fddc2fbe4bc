"""Config files: reading them, applying overrides, checking plain sections, and turning the rest into objects."""

import json
import math
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple, Type, TypeVar, Union, get_type_hints

from ..backends._matmul_precision import PRECISIONS
from ..config import Config, ConfigValidationError, registry
from .errors import UserError, did_you_mean

SettingsT = TypeVar("SettingsT")
SECTIONS = ("task", "corpus", "training", "optimizer", "loss", "model")


def within(low: int, high: float = math.inf, *, default: int) -> int:
    """A setting that must be from low to high; read_section looks after it."""
    return field(default=default, metadata={"range": (low, high)})


def one_of(*options: str) -> str:
    """A setting that must be one of these, the first when it is not given; read_section looks after it."""
    return field(default=options[0], metadata={"options": options})


@dataclass(frozen=True)
class TrainingSettings:
    """The [training] section."""

    seed: int = within(0, 2**32 - 1, default=0)  # of weights, dropout and the order of the data
    epochs: int = within(1, default=10)  # passes over the training data
    batch_size: int = within(1, default=32)  # items or words per update, as batch_unit says
    batch_unit: str = one_of("items", "words")  # items (sentences, images) or words
    bucket_size: int = within(0, default=0)  # items sorted by length together before they are batched; 0: none
    eval_every: int = within(0, default=0)  # updates between evaluations; 0: one after each epoch
    patience: int = within(0, default=0)  # stop after so many evaluations without a better dev score; 0: never
    max_steps: int = within(0, default=0)  # stop after so many updates; 0: never
    max_seconds: int = within(0, default=0)  # stop after so much time in updates; 0: never
    keep_checkpoints: int = within(0, default=0)  # older checkpoints to keep, beside the newest
    loggers: Tuple[str, ...] = ()  # of "csv" and "tensorboard", beside metrics.jsonl
    statistics_every: int = within(0, default=0)  # updates between two lines of statistics.jsonl; 0: none
    # What matrix products on a GPU are computed with in updates; float16 has gradients scaled too.
    mixed_precision: str = one_of(*PRECISIONS)


# What may change between a run and its continuation; anything else would make it another run.
MAY_CHANGE_ON_RESUME = {
    f"training.{name}"
    for name in ("epochs", "patience", "max_steps", "max_seconds", "keep_checkpoints", "loggers", "statistics_every")
}


def load_config(path: Union[str, Path], overrides: Mapping[str, Any] = {}) -> Config:
    """Read a config file, replace the values named by dotted keys, and check that no section is missing.

    overrides: {"training.epochs": 3}; the section must exist in the file.
    RAISES: UserError naming the file and what is wrong with it.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as err:
        raise UserError(f"{path}: cannot read the config: {err.strerror or err}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a config: the file is not UTF-8 text") from None
    return parse_config(text, str(path), overrides)


def parse_config(text: str, name: str, overrides: Mapping[str, Any] = {}) -> Config:
    """As load_config, from text. name: what error messages call it."""
    try:
        raw = Config().from_str(text, interpolate=False)
        _check_overrides(raw, overrides)
        config = Config().from_str(text, overrides=dict(overrides))
    except UserError as err:
        raise UserError(f"{name}: {err}") from None
    except Exception as err:  # configparser, json and confection each have their own
        raise UserError(f"{name}: not a valid config: {explain_config_error(err)}") from None
    for section in SECTIONS:
        if section not in config:
            hint = did_you_mean(section, [other for other in config if other not in SECTIONS])
            raise UserError(f"{name}: section [{section}] is missing{hint if 'mean' in hint else ''}")
    return config


def parse_overrides(arguments: Sequence[str]) -> Dict[str, Any]:
    """{"training.epochs": 3} from ["--training.epochs", "3"] or ["--training.epochs=3"]; values are read as JSON."""
    overrides: Dict[str, Any] = {}
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        key, has_value, value = argument[2:].partition("=")
        if not argument.startswith("--") or "." not in key:
            raise UserError(f"unrecognised argument: {argument} (a config value is set by --section.key VALUE)")
        if not has_value:
            if not rest or rest[0].startswith("--"):
                raise UserError(f"--{key}: a value must follow")
            value = rest.pop(0)
        overrides[key] = _json_or_text(value)
    return overrides


def _json_or_text(value: str) -> Any:
    if value in ("True", "False", "None"):
        return {"True": True, "False": False, "None": None}[value]
    try:
        return json.loads(value)
    except ValueError:
        return value


def _check_overrides(config: Mapping[str, Any], overrides: Mapping[str, Any]) -> None:
    for key in overrides:
        section: Any = config
        *parents, option = key.split(".")
        for depth, part in enumerate(parents, 1):
            known = section
            section = section.get(part)
            if not isinstance(section, Mapping):
                hint = did_you_mean(part, [name for name in known if isinstance(known[name], Mapping)])
                raise UserError(f"--{key}: there is no section [{'.'.join(parents[:depth])}]{hint}")
        if not option:
            raise UserError(f"--{key}: the name of an option must follow the dot")


def explain_config_error(err: BaseException) -> str:
    """One line for what confection or configparser complains about."""
    if isinstance(err, ConfigValidationError):
        details = [f"{'.'.join(map(str, e.get('loc', ())))}: {e.get('msg', '')}" for e in err.errors or ()]
        return "; ".join(details) or _one_line(err.desc or err).replace("file: '<string>', ", "")
    return _one_line(err)


def _one_line(err: Any) -> str:
    return " ".join(str(err).split()) or type(err).__name__


def read_section(config: Mapping[str, Any], name: str, cls: Type[SettingsT]) -> SettingsT:
    """A config section as a dataclass: every name known, every value of the annotated type and within its range.

    RAISES: UserError naming section and key, with the nearest name for an unknown key.
    """
    section = config.get(name)
    if not isinstance(section, Mapping):
        raise UserError(f"section [{name}] is missing")
    hints = get_type_hints(cls)
    for key, value in section.items():
        if key not in hints:
            raise UserError(f'{name}.{key}: section [{name}] has no setting "{key}"{did_you_mean(key, hints)}')
        if not _is_a(value, hints[key]):
            raise UserError(f"{name}.{key}: must be {_type_name(hints[key])}; got {json.dumps(value, default=str)}")
    for setting in fields(cls):  # type: ignore[arg-type]
        key = f"{name}.{setting.name}"
        if setting.name not in section and setting.default is MISSING and setting.default_factory is MISSING:
            raise UserError(f"{key}: this setting is missing")
        if setting.name in section:
            _check_bounds(key, section[setting.name], setting.metadata)
    return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in section.items()})


def _check_bounds(key: str, value: Any, metadata: Mapping[str, Any]) -> None:
    low, high = metadata.get("range", (None, None))
    if low is not None and not low <= value <= high:
        bound = f">= {low}" if high == math.inf else f"from {low} to {high}"
        raise UserError(f"{key}: must be {bound}; got {value}")
    options = metadata.get("options")
    if options and value not in options:
        raise UserError(f'{key}: must be one of {", ".join(options)}; got "{value}"')


def _is_a(value: Any, kind: Any) -> bool:
    options: Tuple[Any, ...] = getattr(kind, "__args__", ())
    if type(None) in options:
        return value is None or any(_is_a(value, option) for option in options if option is not type(None))
    if getattr(kind, "__origin__", None) is tuple:
        return isinstance(value, (list, tuple)) and all(_is_a(item, options[0]) for item in value)
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _type_name(kind: Any) -> str:
    names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    options: Tuple[Any, ...] = getattr(kind, "__args__", ())
    if type(None) in options:
        return " or ".join([_type_name(option) for option in options if option is not type(None)] + ["null"])
    return f"a list of {_type_name(options[0]).split()[-1]}s" if options else names.get(kind, str(kind))


def check_names(config: Mapping[str, Any]) -> None:
    """Fail on the first registered function that does not exist, naming its place and the nearest real name."""
    for path, reference, name in _references(config, ()):
        kind = reference[1:]
        catalogue: Any = getattr(registry, kind, None)
        if not hasattr(catalogue, "get_all"):
            raise UserError(f'{path}: there is no registry "{kind}"')
        if not isinstance(name, str) or not registry.has(kind, name):
            names = sorted(catalogue.get_all())
            raise UserError(f'{path}: no {kind} are registered as "{name}"{did_you_mean(str(name), names)}')


def _references(node: Any, path: Tuple[str, ...]) -> Iterator[Tuple[str, str, Any]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if isinstance(key, str) and key.startswith("@"):
                yield ".".join([*path, key]), key, value
            else:
                yield from _references(value, (*path, str(key)))
    elif isinstance(node, (list, tuple)):
        for index, value in enumerate(node):
            yield from _references(value, (*path, str(index)))


def resolve(config: Mapping[str, Any], sections: Sequence[str]) -> Dict[str, Any]:
    """Call the registered functions of some sections. RAISES: UserError for unknown names and wrong arguments."""
    wanted = {name: config[name] for name in sections}
    for name, section in wanted.items():
        if not isinstance(section, Mapping) or not any(str(key).startswith("@") for key in section):
            raise UserError(f'[{name}]: must name a registered function (a line like @{name}s = "...")')
    check_names(wanted)
    built: Dict[str, Any] = {}
    for name, section in wanted.items():
        try:
            built[name] = registry.resolve({name: section})[name]
        except ConfigValidationError as err:
            raise UserError(f"[{name}]: {explain_config_error(err)}") from err
        except (ValueError, TypeError, KeyError) as err:
            raise UserError(f"[{name}]: cannot be built: {_one_line(err)}") from err
    return built


def flatten(config: Mapping[str, Any], prefix: str = "") -> Dict[str, Any]:
    """{"training.epochs": 3, ...}: every value of a config under its dotted key."""
    flat: Dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[prefix + str(key)] = value
    return flat


def differing_keys(a: Mapping[str, Any], b: Mapping[str, Any]) -> List[str]:
    """Dotted keys whose values differ between two configs, or that only one of them has."""
    left, right = flatten(a), flatten(b)
    missing = object()
    return sorted(key for key in {*left, *right} if left.get(key, missing) != right.get(key, missing))
