"""Does a value fit a type annotation, and can it be converted so that it does? Needs no other package.

Iterators are never iterated: a schedule may be endless, and a generator can be consumed only once.
"""

import collections.abc
import enum
import inspect
import numbers
import pathlib
import sys
import types
import typing
from typing import Any, Callable, Dict, List, Literal, Tuple, Union

_UNION_TYPES: Tuple[Any, ...] = (Union, getattr(types, "UnionType", Union))
_UNCHECKED = (Any, object, inspect.Parameter.empty, typing.Generic)


class Mismatch(ValueError):
    """A value that does not fit; loc says where inside a nested value."""

    def __init__(self, message: str, loc: Tuple[Any, ...] = ()) -> None:
        super().__init__(message)
        self.loc = loc


def signature_of(func: Callable[..., Any]) -> inspect.Signature:
    """inspect.signature, whatever the annotations refer to.

    RAISES: ValueError, TypeError for compiled functions that do not tell.
    """
    if sys.version_info >= (3, 14):
        # Annotations are evaluated here, and one of a name that only type checkers import would raise.
        import annotationlib

        return inspect.signature(func, annotation_format=annotationlib.Format.FORWARDREF)
    return inspect.signature(func)


def hints_of(func: Callable[..., Any]) -> Dict[str, Any]:
    """The resolved annotations of a function; those that cannot be resolved are left out."""
    target = getattr(func, "func", func)
    target = target.__init__ if inspect.isclass(target) else target
    try:
        return typing.get_type_hints(target, include_extras=True)
    except Exception:
        try:
            parameters = signature_of(target).parameters.values()
        except (ValueError, TypeError):
            return {}
        hints = {each.name: each.annotation for each in parameters if each.annotation is not each.empty}
        return {name: hint for name, hint in hints.items() if not isinstance(hint, (str, typing.ForwardRef))}


def match(value: Any, annotation: Any, *, convert: bool = False) -> Any:
    """Return value, or with convert=True what it has to become to fit the annotation.

    Conversions: a numeric string to int or float, int to float, str to Path, str to Enum; also inside containers.
    RAISES: Mismatch saying what was expected and found.
    """
    if annotation in _UNCHECKED if _hashable(annotation) else False:
        return value
    if isinstance(annotation, (str, typing.ForwardRef)):
        return value
    if annotation is None or annotation is type(None):
        return value if value is None else _fail("None", value)
    if isinstance(annotation, typing.TypeVar):
        return _match_type_var(value, annotation, convert)
    if hasattr(annotation, "__supertype__"):
        return match(value, annotation.__supertype__, convert=convert)
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _match_annotated(value, annotation, convert)
    if origin in _UNION_TYPES:
        return _match_union(value, typing.get_args(annotation), convert)
    if origin is Literal:
        allowed = typing.get_args(annotation)
        same = any(value == each and type(value) is type(each) for each in allowed)
        return value if same else _fail(" or ".join(map(repr, allowed)), value)
    if origin is not None:
        return _match_generic(value, origin, typing.get_args(annotation), convert)
    return _match_class(value, annotation, convert)


def _hashable(obj: Any) -> bool:
    try:
        hash(obj)
    except TypeError:
        return False
    return True


def describe(annotation: Any) -> str:
    """The annotation as a reader would write it."""
    if annotation is type(None):
        return "None"
    if isinstance(annotation, type) and typing.get_origin(annotation) is None:
        return annotation.__name__
    return str(annotation).replace("typing.", "")


def _fail(expected: str, value: Any) -> Any:
    raise Mismatch(f"must be {expected}; got {_show(value)}")


def _show(value: Any) -> str:
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is not None and dtype is not None:
        return f"an array of shape {tuple(shape)} and dtype {dtype}"
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({type(value).__name__})"


def _match_type_var(value: Any, variable: Any, convert: bool) -> Any:
    if variable.__constraints__:
        return _match_union(value, variable.__constraints__, convert)
    return value if variable.__bound__ is None else match(value, variable.__bound__, convert=convert)


def _match_annotated(value: Any, annotation: Any, convert: bool) -> Any:
    inner, *extras = typing.get_args(annotation)
    pydantic = sys.modules.get("pydantic")
    if pydantic is not None and extras:
        # The constraints are pydantic's own (PositiveInt, Field(gt=0)), so it is there to check them.
        try:
            checked = pydantic.TypeAdapter(annotation).validate_python(value, strict=None if convert else True)
        except pydantic.ValidationError as error:
            raise Mismatch("; ".join(each["msg"] for each in error.errors())) from None
        return checked if convert else value
    return match(value, inner, convert=convert)


def _match_union(value: Any, members: Tuple[Any, ...], convert: bool) -> Any:
    some = [member for member in members if member is not type(None)]
    if len(some) == 1 and value is not None:
        # Optional[...]: what is wrong inside says more than "none of these".
        return match(value, some[0], convert=convert)
    for member in members:
        if type(value) is member:
            return value
    for conversion in (False, True) if convert else (False,):
        for member in members:
            try:
                match(value, member, convert=conversion)
            except Mismatch:
                continue
            return match(value, member, convert=convert)
    return _fail(" or ".join(describe(member) for member in members), value)


def _match_class(value: Any, annotation: Any, convert: bool) -> Any:
    if annotation in (int, float):
        return _match_number(value, annotation, convert)
    if annotation is bool:
        return value if type(value).__name__ in ("bool", "bool_") else _fail("true or false", value)
    if not isinstance(annotation, type):
        return value
    try:
        fits = isinstance(value, annotation)
    except TypeError:
        # A Protocol or TypedDict that cannot be asked at run time.
        return value
    return value if fits else _match_other_class(value, annotation, convert)


def _match_other_class(value: Any, annotation: Any, convert: bool) -> Any:
    check = _validator_of(annotation)
    if check is not None:
        try:
            checked = check(value)
        except (ValueError, TypeError, AssertionError) as error:
            raise Mismatch(str(error)) from None
        return checked if convert else value
    if isinstance(value, str) and issubclass(annotation, pathlib.PurePath):
        return annotation(value) if convert else value
    if issubclass(annotation, enum.Enum):
        try:
            member = annotation(value)
        except ValueError:
            return _fail(" or ".join(repr(each.value) for each in annotation), value)
        return member if convert else value
    if isinstance(value, dict) and hasattr(annotation, "__dataclass_fields__"):
        return value
    return _fail(describe(annotation), value)


def _validator_of(annotation: Any) -> Any:
    """The plain check function that a type offers to pydantic, or None."""
    validate = getattr(annotation, "model_validate", None) or getattr(annotation, "parse_obj", None)
    if validate is not None:
        return validate
    for name, arguments in (("__get_pydantic_core_schema__", (annotation, None)), ("__get_validators__", ())):
        hook = getattr(annotation, name, None)
        if hook is None:
            continue
        try:
            found = hook(*arguments)
            return found["function"]["function"] if isinstance(found, dict) else next(iter(found))
        except Exception:
            continue
    return None


def _match_number(value: Any, kind: Any, convert: bool) -> Any:
    wanted = numbers.Integral if kind is int else numbers.Real
    if isinstance(value, wanted) and not isinstance(value, bool):
        # numpy numbers and Python numbers of the right kind stay what they are; an int becomes a float.
        return kind(value) if convert and kind is float and isinstance(value, numbers.Integral) else value
    if isinstance(value, str):
        try:
            number = kind(value)
        except ValueError:
            pass
        else:
            return number if convert else value
    return _fail("a whole number" if kind is int else "a number", value)


def _match_generic(value: Any, origin: Any, arguments: Tuple[Any, ...], convert: bool) -> Any:
    if origin is type:
        return value if inspect.isclass(value) else _fail("a class", value)
    if origin is collections.abc.Callable:
        return value if callable(value) else _fail("callable", value)
    if not isinstance(origin, type) or hasattr(value, "__next__"):
        return value
    if not isinstance(value, origin):
        # A tuple or list is taken for the other, as a config file only knows lists.
        if not (origin in (tuple, list, set, frozenset) and isinstance(value, (list, tuple))):
            return _fail(describe(origin), value)
    if issubclass(origin, collections.abc.Mapping):
        return _match_mapping(value, arguments, convert)
    if isinstance(value, (list, tuple, set, frozenset)) and arguments:
        return _match_items(value, origin, arguments, convert)
    return value


def _match_mapping(value: Any, arguments: Tuple[Any, ...], convert: bool) -> Any:
    if len(arguments) != 2:
        return value
    result = {}
    for key, item in value.items():
        try:
            result[match(key, arguments[0], convert=convert)] = match(item, arguments[1], convert=convert)
        except Mismatch as error:
            raise Mismatch(str(error), (key, *error.loc)) from None
    return result if convert and type(value) is dict else value


def _match_items(value: Any, origin: Any, arguments: Tuple[Any, ...], convert: bool) -> Any:
    kinds: List[Any] = [arguments[0]] * len(value)
    if origin is tuple and arguments[-1] is not Ellipsis:
        kinds = [] if arguments == ((),) else list(arguments)
        if len(kinds) != len(value):
            return _fail(f"{len(kinds)} items", value)
    result = []
    for index, (item, kind) in enumerate(zip(value, kinds)):
        try:
            result.append(match(item, kind, convert=convert))
        except Mismatch as error:
            raise Mismatch(str(error), (index, *error.loc)) from None
    unchanged = all(new is old for new, old in zip(result, value))
    return value if unchanged or not convert else type(value)(result)
