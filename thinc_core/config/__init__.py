"""Config files and the registry of functions that they may name.

Importing this is cheap: decorators such as `@registry.layers("X.v1")` only queue their function. catalogue and
confection are imported by the first lookup or config.
"""

from typing import TYPE_CHECKING, Any

from ._registry import NAMESPACE, registry

if TYPE_CHECKING:
    from confection import VARIABLE_RE, ConfigValidationError, Promise

    from .file import Config

__all__ = ["NAMESPACE", "VARIABLE_RE", "Config", "ConfigValidationError", "Promise", "registry"]


def __getattr__(name: str) -> Any:
    value: Any
    if name == "Config":
        from . import file

        value = file.Config
    elif name in ("ConfigValidationError", "Promise", "VARIABLE_RE"):
        import confection

        value = getattr(confection, name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value
