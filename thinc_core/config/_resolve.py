"""Filling in and resolving configs: defaults, checks and conversion of arguments, and the calls themselves."""

import difflib
import inspect
from typing import Any, Dict, Iterable, List, NamedTuple, Sequence, Tuple, Type

from ..errors import add_note
from ..typecheck import Mismatch, hints_of, match, signature_of

PathT = Tuple[Any, ...]
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class BlockErrors(NamedTuple):
    """What is wrong with the arguments of a block that names the function."""

    name: str
    block: Dict[str, Any]
    errors: List[Dict[str, Any]]


def suggest(name: Any, names: Iterable[str]) -> str:
    """ " (did you mean 'x'?)" for the nearest of the names, or nothing."""
    close = difflib.get_close_matches(str(name), list(names), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def copy_containers(value: Any) -> Any:
    """A copy of nested dicts, lists and tuples; everything else (arrays, models, generators) stays the same object."""
    if isinstance(value, dict):
        return {key: copy_containers(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(copy_containers(item) for item in value)
    return value


def _error(path: PathT, message: str, config: Any, title: str = "Config validation error") -> Exception:
    from confection import ConfigValidationError

    return ConfigValidationError(config=config, errors=[{"loc": list(path), "msg": message}], title=title)


def fill(
    registry: Type[Any],
    config: Any,
    schema: Any,
    overrides: Dict[str, Any],
    interpolate: bool,
    validate: bool,
    keep_all: bool = False,
) -> Any:
    """keep_all: what a schema forbids is an error; otherwise it is left out."""
    import confection
    from confection import ConfigValidationError

    from .file import Config

    if registry.is_promise(config):
        raise _error((), "the top level must be sections, not a registered function", config)
    has_variables = isinstance(config, confection.Config) and not config.is_interpolated
    order = getattr(config, "section_order", None)
    filled = copy_containers(dict(Config(config).interpolate()) if has_variables else dict(config))
    _override(filled, overrides)
    wrong: List[BlockErrors] = []
    result = Config(_fill_value(registry, filled, (), wrong), section_order=order)
    if validate and wrong:
        raise _together(wrong)
    if has_variables and not interpolate:
        # Put the variables back that the config came with.
        original = copy_containers(dict(config))
        _override(original, overrides)
        result = result.merge(Config(original, is_interpolated=False), remove_extra=True)
    if schema is not None:
        before = copy_containers(dict(result))
        result.fill_defaults(schema)
        lost = _lost(before, result, ()) if keep_all else []
        if lost:
            raise ConfigValidationError(config=before, errors=lost)
    return result


def _lost(before: Any, after: Any, path: PathT) -> List[Dict[str, Any]]:
    """An error for everything that a config had and has not any more."""
    found: List[Dict[str, Any]] = []
    for key, value in before.items():
        if key not in after:
            message = f"is not in the schema{suggest(key, map(str, after))}"
            found.append({"loc": [*path, key], "msg": message, "type": "value_error.extra"})
        elif isinstance(value, dict) and isinstance(after[key], dict):
            found += _lost(value, after[key], (*path, key))
    return found


def _override(config: Dict[str, Any], overrides: Dict[str, Any]) -> None:
    for dotted, value in overrides.items():
        *sections, key = dotted.split(".")
        node: Any = config
        for section in sections:
            node = node.get(section) if isinstance(node, dict) else None
        if not isinstance(node, dict) or key not in node or not sections:
            hint = suggest(key, node) if isinstance(node, dict) else ""
            message = f"is not a section value that can be overridden{hint}"
            raise _error(tuple(dotted.split(".")), message, None, "Error parsing config overrides")
        node[key] = value


def _is_writable(default: Any) -> bool:
    """Whether a parameter has a default that a file can hold; others, such as classes, are left to the function."""
    if default is inspect.Parameter.empty:
        return False
    if isinstance(default, (list, tuple)):
        return all(map(_is_writable, default))
    if isinstance(default, dict):
        return all(map(_is_writable, default.values()))
    return not callable(default) or isinstance(default, (str, int, float))


def _together(wrong: List[BlockErrors]) -> Exception:
    """One error for what is wrong in some blocks."""
    from confection import ConfigValidationError

    errors = [error for block in wrong for error in block.errors]
    if len(wrong) == 1:
        return ConfigValidationError(config=wrong[0].block, errors=errors, title=f"Config error for {wrong[0].name!r}")
    title = f"Config errors for {', '.join(repr(each.name) for each in wrong)}"
    return ConfigValidationError(config=None, errors=errors, title=title, show_config=False)


def _fill_value(registry: Type[Any], value: Any, path: PathT, wrong: List[BlockErrors]) -> Any:
    """The value with defaults filled in; what is wrong in its blocks is appended to the list."""
    if registry.is_promise(value):
        return _fill_promise(registry, value, path, wrong)
    if isinstance(value, dict):
        return {key: _fill_value(registry, item, (*path, key), wrong) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_fill_value(registry, item, (*path, i), wrong) for i, item in enumerate(value))
    return value


def _fill_promise(registry: Type[Any], block: Dict[str, Any], path: PathT, wrong: List[BlockErrors]) -> Dict[str, Any]:
    kind, name = _constructor(registry, block, path)
    filled = dict(block)
    if registry.has(kind, name):
        func = registry.get(kind, name)
        parameters = _parameters(func)
        by_position = _names_by_position(parameters, block)
        for parameter in parameters:
            is_given = parameter.name in filled or parameter.name in by_position
            if not is_given and _is_writable(parameter.default):
                filled[parameter.name] = parameter.default
        errors = _argument_errors(registry, func, filled, path)
        if errors:
            wrong.append(BlockErrors(name, filled, errors))
    return {key: _fill_value(registry, value, (*path, key), wrong) for key, value in filled.items()}


def _constructor(registry: Type[Any], block: Dict[str, Any], path: PathT) -> Tuple[str, str]:
    names = [key for key in block if isinstance(key, str) and key.startswith("@")]
    if len(names) != 1:
        raise _error(path, f"a block must name one registered function; got {names}", block)
    return names[0][1:], block[names[0]]


def _parameters(func: Any) -> List[inspect.Parameter]:
    """The parameters of a function; none for compiled ones that do not tell, which then go unchecked."""
    try:
        return list(signature_of(func).parameters.values())
    except (ValueError, TypeError):
        return []


def _positional(values: Any) -> List[Any]:
    """The "*" entry of a block: a list, or sub-sections in file order."""
    return list(values.values()) if isinstance(values, dict) else list(values)


def _names_by_position(parameters: Sequence[inspect.Parameter], block: Dict[str, Any]) -> List[str]:
    """The parameters that the "*" entry of a block already fills."""
    names = [parameter.name for parameter in parameters if parameter.kind in _POSITIONAL]
    return names[: len(_positional(block.get("*", ())))]


def _argument_errors(registry: Type[Any], func: Any, block: Dict[str, Any], path: PathT) -> List[Dict[str, Any]]:
    """Every missing, unexpected and wrong argument of a block. Promises in it are checked when they are resolved."""
    if not _has_signature(func):
        return []
    parameters = _parameters(func)
    errors = _missing(parameters, block, path) + _unexpected(parameters, block, path)
    hints = hints_of(func)
    for parameter in parameters:
        value = block.get(parameter.name)
        if parameter.name in block and not _holds_promise(registry, value):
            errors.extend(_mismatch(value, parameter, hints, (*path, parameter.name)))
    return errors


def _has_signature(func: Any) -> bool:
    try:
        signature_of(func)
    except (ValueError, TypeError):
        return False
    return True


def _missing(parameters: Sequence[inspect.Parameter], block: Dict[str, Any], path: PathT) -> List[Dict[str, Any]]:
    errors = []
    by_position = _names_by_position(parameters, block)
    for parameter in parameters:
        if parameter.kind is parameter.VAR_POSITIONAL:
            given = "*" in block
        else:
            required = parameter.kind is not parameter.VAR_KEYWORD and parameter.default is parameter.empty
            given = not required or parameter.name in block
        if not given and parameter.name not in by_position:
            message = f"missing required argument: {parameter.name!r}"
            errors.append({"loc": [*path, parameter.name], "msg": message, "type": "value_error.missing"})
    return errors


def _unexpected(parameters: Sequence[inspect.Parameter], block: Dict[str, Any], path: PathT) -> List[Dict[str, Any]]:
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return []
    names = [parameter.name for parameter in parameters if parameter.kind is not parameter.VAR_POSITIONAL]
    return [
        {
            "loc": [*path, key],
            "msg": f"unexpected argument: {key!r}{suggest(key, names)}",
            "type": "value_error.extra",
        }
        for key in block
        if key not in names and key != "*" and not key.startswith("@")
    ]


def _mismatch(value: Any, parameter: inspect.Parameter, hints: Dict[str, Any], path: PathT) -> List[Dict[str, Any]]:
    # A default is the author's choice: `= None` without Optional is common and means what it says.
    if value is parameter.default:
        return []
    try:
        match(value, hints.get(parameter.name, Any), convert=True)
    except Mismatch as error:
        return [{"loc": [*path, *error.loc], "msg": str(error), "type": "type_error"}]
    return []


def _holds_promise(registry: Type[Any], value: Any) -> bool:
    if registry.is_promise(value):
        return True
    items = value.values() if isinstance(value, dict) else value if type(value) in (list, tuple) else ()
    return any(_holds_promise(registry, item) for item in items)


def problems(registry: Type[Any], config: Any) -> List[Dict[str, Any]]:
    """Everything that is wrong with the blocks of a config, without calling a function: path ("loc") and "msg" of each.

    Besides what fill looks after these are names that are not registered, and blocks that name two functions.
    """
    from .file import Config

    interpolated = config if getattr(config, "is_interpolated", True) else Config(config).interpolate()
    found: List[Dict[str, Any]] = []
    usable = _without_bad_names(registry, copy_containers(dict(interpolated)), (), found)
    wrong: List[BlockErrors] = []
    _fill_value(registry, usable, (), wrong)
    return found + [error for block in wrong for error in block.errors]


def _without_bad_names(registry: Type[Any], value: Any, path: PathT, found: List[Dict[str, Any]]) -> Any:
    """A copy in which blocks whose function cannot be looked up are plain sections; why is appended to the list."""
    if isinstance(value, (list, tuple)):
        return [_without_bad_names(registry, item, (*path, i), found) for i, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    names = [key for key in value if isinstance(key, str) and key.startswith("@")]
    message = f"a block must name one registered function; got {names}" if len(names) > 1 else ""
    if len(names) == 1:
        try:
            registry.get(names[0][1:], value[names[0]])
        except ValueError as error:
            message = str(error)
    if message:
        found.append({"loc": [*path, names[0]], "msg": message, "type": "value_error.name"})
        value = {key: item for key, item in value.items() if key not in names}
    return {key: _without_bad_names(registry, item, (*path, key), found) for key, item in value.items()}


def resolve(registry: Type[Any], config: Any, schema: Any, overrides: Dict[str, Any], validate: bool) -> Dict[str, Any]:
    filled = fill(registry, config, schema, overrides, True, validate, keep_all=validate)
    result: Dict[str, Any] = {
        key: _resolve_value(registry, value, (key,), validate) for key, value in dict(filled).items()
    }
    if schema is not None and validate:
        from .file import Config

        Config(result).validate(schema)
    return result


def _resolve_value(registry: Type[Any], value: Any, path: PathT, validate: bool) -> Any:
    if registry.is_promise(value):
        return _call(registry, value, path, validate)
    if isinstance(value, dict):
        resolved = {key: _resolve_value(registry, item, (*path, key), validate) for key, item in value.items()}
        if isinstance(resolved.get("*"), dict):
            resolved["*"] = tuple(resolved["*"].values())
        return resolved
    if type(value) in (list, tuple):
        return type(value)(_resolve_value(registry, item, (*path, i), validate) for i, item in enumerate(value))
    return value


def _call(registry: Type[Any], block: Dict[str, Any], path: PathT, validate: bool) -> Any:
    """Call the function of a block with its resolved arguments."""
    kind, name = _constructor(registry, block, path)
    try:
        func = registry.get(kind, name)
    except ValueError as error:
        raise _error((*path, f"@{kind}"), str(error), block, f"Config error for {name!r}") from error
    arguments = {key: _resolve_value(registry, value, (*path, key), validate) for key, value in block.items()}
    args, kwargs = registry.parse_args(arguments)
    args = _positional(args)
    if validate:
        args, kwargs = _converted(func, name, block, args, kwargs, path)
    try:
        return func(*args, **kwargs)
    except Exception as error:
        add_note(error, f"in config block {'.'.join(map(str, path))} (@{kind} = {name!r})")
        raise


def _converted(
    func: Any, name: str, block: Dict[str, Any], args: List[Any], kwargs: Dict[str, Any], path: PathT
) -> Tuple[List[Any], Dict[str, Any]]:
    """The arguments, results of other blocks included, checked against the annotations and converted to fit."""
    hints, parameters = hints_of(func), _parameters(func)
    kinds = [parameter for parameter in parameters if parameter.kind in _POSITIONAL]
    rest = next((parameter for parameter in parameters if parameter.kind is parameter.VAR_POSITIONAL), None)
    by_name = {parameter.name: parameter for parameter in parameters}
    new_args = []
    for i, value in enumerate(args):
        parameter = kinds[i] if i < len(kinds) else rest
        new_args.append(_fit(value, parameter, hints, (*path, "*", i), name, block))
    new_kwargs = {key: _fit(value, by_name.get(key), hints, (*path, key), name, block) for key, value in kwargs.items()}
    return new_args, new_kwargs


def _fit(value: Any, parameter: Any, hints: Dict[str, Any], path: PathT, name: str, block: Dict[str, Any]) -> Any:
    if parameter is None or value is parameter.default:
        return value
    try:
        return match(value, hints.get(parameter.name, Any), convert=True)
    except Mismatch as error:
        raise _error((*path, *error.loc), str(error), block, f"Config error for {name!r}") from None
