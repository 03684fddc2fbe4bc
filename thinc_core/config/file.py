"""Config: a nested dict that is read from and written to config files. The file format is confection's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, NamedTuple, Tuple

if TYPE_CHECKING:
    from configparser import Error

    from confection import Config as Base
    from confection import ConfigValidationError

_HEADER = re.compile(r"^\[([^\]]+)\]", re.MULTILINE)


class _Deferred(type):
    """Type of Config until it is first used; then it becomes a subclass of confection's.

    That brings in pydantic, which takes longer than all of ours; most scripts that import Config only name it.
    """

    def __new__(mcs, name: str, bases: Tuple[type, ...], namespace: Dict[str, Any]) -> type:
        deferred = [base for base in bases if isinstance(base, _Deferred)]
        for base in deferred:
            _complete(base)
        return _Used(name, bases, namespace) if deferred else super().__new__(mcs, name, bases, namespace)

    def __getattribute__(cls, name: str) -> Any:
        return getattr(_complete(cls), name)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return _complete(cls)(*args, **kwargs)


class _Used(type):
    """Type of Config and its subclasses from then on: `type` in all but name, which Python does not let it become."""


def _complete(cls: Any) -> Any:
    import confection

    if type(cls) is _Deferred:
        type.__setattr__(cls, "__bases__", (confection.Config,))
        type.__setattr__(cls, "__class__", _Used)
    return cls


if not TYPE_CHECKING:
    # A class written in Python, as confection's is: bases can only be exchanged between classes of one layout.
    Base = type("Base", (dict,), {})


class Config(Base, metaclass=_Deferred):
    """A config file as a dict of sections. confection's, with errors that tell the line and any order of sections."""

    def diff(self, other: Mapping[str, Any]) -> List[Difference]:
        """The values that differ from those of another config, in the order of this one, then of the other."""
        ours, theirs = dict(flatten(self)), dict(flatten(other))
        changed = [Difference(path, value, theirs.get(path, MISSING)) for path, value in ours.items()]
        added = [Difference(path, MISSING, value) for path, value in theirs.items() if path not in ours]
        return [each for each in [*changed, *added] if not _same(each.old, each.new)]

    def to_str(self, *, interpolate: bool = True) -> str:
        """The text of a config file. Sections that section_order names come first, in that order.

        RAISES: ConfigValidationError for what no file can hold: values outside sections, keys that would be read as
            something else, values that are not JSON.
        """
        from confection import ConfigValidationError

        wrong = [{"loc": list(path), "msg": message} for path, message in _unwritable(self, ())]
        if wrong:
            raise ConfigValidationError(errors=wrong, title="Config cannot be written")
        if self.section_order:
            first = [name for name in self.section_order if name in self]
            for name in [*first, *(name for name in self if name not in first)]:
                self[name] = self.pop(name)
        try:
            return str(super().to_str(interpolate=interpolate))
        except ConfigValidationError:
            raise
        except ValueError as error:  # of configparser
            raise ConfigValidationError(
                errors=[{"loc": [], "msg": str(error)}], title="Config cannot be written"
            ) from None

    def from_str(
        self,
        text: str,
        *,
        interpolate: bool = True,
        overrides: Dict[str, Any] = {},  # noqa: B006
        schema: Any = None,
    ) -> Config:
        """Replace the content by what the text says. RETURNS: self.

        interpolate: replace variables such as ${section.key}.
        overrides: {"section.key": value}; the section has to exist.
        RAISES: ConfigValidationError naming the section, key or line that is wrong.
        """
        import configparser

        from confection import ConfigValidationError

        try:
            parsed = super().from_str(_parents_first(text), interpolate=interpolate, overrides=overrides, schema=schema)
        except configparser.Error as error:
            raise _readable(error, text) from None
        except ConfigValidationError as error:
            if isinstance(error.__context__, configparser.InterpolationError):
                raise _readable(error.__context__, text) from None
            raise
        if parsed is not self:
            self.clear()
            self.update(parsed)
            self.is_interpolated = parsed.is_interpolated
        return self


def _unwritable(config: Mapping[Any, Any], path: Tuple[str, ...]) -> Iterator[Tuple[Tuple[str, ...], str]]:
    """Path of, and what is wrong with, every key that would not come back from a file."""
    for key, value in config.items():
        here = (*path, str(key))
        if not path and not isinstance(value, Mapping):
            yield here, "the top level must be sections; got a value"
        elif isinstance(key, str) and not isinstance(value, Mapping) and not _reads_as_key(key):
            yield here, "keys of a file must not hold '=' or ':', nor start with '#', ';' or '[', nor be all space"
        if isinstance(value, Mapping):
            yield from _unwritable(value, here)


def _reads_as_key(key: str) -> bool:
    return key == key.strip() and key != "" and key[0] not in "#;[" and not set(key) & set("=:\n\r")


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()  # the value of a path that only the other config has


class Difference(NamedTuple):
    """A value that differs: its path, and what it is in either config, MISSING where it is not."""

    path: Tuple[str, ...]
    old: Any
    new: Any


def flatten(config: Mapping[str, Any], path: Tuple[str, ...] = ()) -> Iterator[Tuple[Tuple[str, ...], Any]]:
    """Path and value of everything that is not a section with values of its own."""
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, (*path, str(key)))
        else:
            yield (*path, str(key)), value


def _same(a: Any, b: Any) -> bool:
    """Equal and of one type, but for lists and tuples: 1, 1.0 and True differ in a file."""
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b))
    return type(a) is type(b) and bool(a == b or (a != a and b != b))


def _parents_first(text: str) -> str:
    """The text with every section behind its parent; unchanged where it is so already, which keeps line numbers."""
    seen, in_order = set(), True
    headers = list(_HEADER.finditer(text))
    names = [header.group(1) for header in headers]
    for name in names:
        parent = name.rpartition(".")[0]
        in_order = in_order and (not parent or parent in seen or parent not in names)
        seen.add(name)
    if in_order:
        return text
    starts = [header.start() for header in headers]
    blocks: List[str] = [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)])]
    # The sort is stable, so within one parent the order of the file stays.
    ordered = sorted(zip(names, blocks), key=lambda each: each[0].count("."))
    return text[: starts[0]] + "".join(block if block.endswith("\n") else block + "\n" for _, block in ordered)


def _readable(error: Error, text: str) -> ConfigValidationError:
    """The error of the underlying parser as a ConfigValidationError with path and line."""
    import configparser

    from confection import ConfigValidationError

    section, option = getattr(error, "section", None), getattr(error, "option", None)
    line = getattr(error, "lineno", None) or _line_of(text, section, option)
    if isinstance(error, configparser.DuplicateSectionError):
        message = "section is there twice"
    elif isinstance(error, configparser.DuplicateOptionError):
        message = "key is there twice in its section"
    elif isinstance(error, configparser.InterpolationDepthError):
        message = "variables refer to each other in a circle, or more than 10 levels deep"
    elif isinstance(error, configparser.InterpolationMissingOptionError):
        message = _missing(error.reference, text)
    else:
        message = " ".join(str(error).split())
    where = f" (line {line})" if line else ""
    loc = [part for part in (section, option) if part]
    return ConfigValidationError(errors=[{"loc": loc, "msg": message + where}], title="Error parsing config")


def _missing(reference: str, text: str) -> str:
    """What a variable names that is not there, with the nearest name that is."""
    import configparser

    from ._resolve import suggest

    reader = configparser.RawConfigParser(strict=False, default_section="")
    reader.optionxform = str  # type: ignore[assignment, method-assign]
    reader.read_string(text)
    section, _, key = reference.replace(":", ".").rpartition(".")
    if section in reader:
        return f'${{{reference}}}: section [{section}] has no "{key}"{suggest(key, reader[section])}'
    return f"${{{reference}}}: there is no section [{section or key}]{suggest(section or key, reader.sections())}"


def _line_of(text: str, section: Any, option: Any) -> int:
    """The number of the line that defines an option of a section, 0 if it cannot be found."""
    current = None
    for number, line in enumerate(text.splitlines(), start=1):
        header = _HEADER.match(line)
        current = header.group(1) if header else current
        if current == section and option and re.match(rf"{re.escape(option)}\s*[=:]", line):
            return number
    return 0
