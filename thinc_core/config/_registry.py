"""registry: the functions that a config may name, by kind, and the building of objects from a config."""

import importlib
import threading
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Tuple, TypeVar, Union

if TYPE_CHECKING:
    from .file import Config

# Prefix of our catalogues and entry-point groups. It is not "thinc", because catalogue keeps one store per process in
# which two packages of one namespace would overwrite each other. A drop-in alias for pipelines has to change it.
NAMESPACE = "thinc_core"

FuncT = TypeVar("FuncT")

_PACKAGE = __package__.rpartition(".")[0]

# Importing these modules registers our own functions; the first lookup in a catalogue does it. A module that has
# `read_registered` does so name by name.
_BUILT_IN = {
    "optimizers": "optimizers more_optimizers",
    "schedules": "schedules more_schedules",
    "layers": "layers",
    "losses": "loss crossentropy more_losses",
    "initializers": "initializers more_initializers",
    "ops": "backends",
}


def _is_ours(function: Any) -> bool:
    return str(getattr(function, "__module__", "")).startswith(f"{_PACKAGE}.")


class Catalogue:
    """A catalogue.Registry that is made when it is first looked into; until then it only queues what is registered."""

    def __init__(self, name: str, *, entry_points: bool = True) -> None:
        self._name = name
        self._entry_points = entry_points
        self._queue: Dict[str, Any] = {}
        self._real: Any = None
        self._complete = False
        self._lock = threading.RLock()

    def __call__(self, name: str, func: Optional[Any] = None) -> Callable[[FuncT], FuncT]:
        """Register a function under a name, as a decorator or directly. An existing name is replaced."""
        return self.register(name, func=func)

    def register(self, name: str, *, func: Optional[Any] = None) -> Callable[[FuncT], FuncT]:
        """The same as calling the catalogue."""

        def add(function: FuncT) -> FuncT:
            if _is_ours(function) and not _is_ours(self._queue.get(name, function)):
                return function  # our modules are read when they are needed, so perhaps after what replaces them
            # No lock: this runs while a module is imported, and _load imports modules under its lock. Queueing first
            # and looking for the real one second loses nothing, as _load does both the other way round.
            self._queue[name] = function
            if self._real is not None:
                self._real.register(name, func=function)
            return function

        return add if func is None else add(func)

    def _load(self) -> Any:
        if not self._complete:
            with self._lock:
                if self._real is None:
                    from ._catalogue import LoadedCatalogue

                    self._real = LoadedCatalogue((NAMESPACE, self._name), entry_points=self._entry_points)
                    for name, func in self._queue.copy().items():
                        self._real.register(name, func=func)
                    self._import_our_own()
                    self._complete = True
        return self._real

    def _import_our_own(self) -> None:
        if self._name in _BUILT_IN:
            for name in _BUILT_IN[self._name].split():
                module = importlib.import_module(f"{_PACKAGE}.{name}")
                self._real.read = getattr(module, "read_registered", None)
            if self._name == "ops":
                self._register_backends(module)

    def _register_backends(self, backends: Any) -> None:
        # Backends are classes found by import, not by registration; they are entered here for configs to name.
        for name in ("NumpyOps", "CupyOps", "MPSOps", "AppleOps"):
            if getattr(backends, name) is not None:
                self.register(name, func=getattr(backends, name))

    def __contains__(self, name: str) -> bool:
        return name in self._load()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._load(), name)

    @property
    def __class__(self) -> Any:
        # Libraries that extend the registry tell catalogues from methods with isinstance(..., catalogue.Registry).
        from ._catalogue import LoadedCatalogue

        return LoadedCatalogue

    @__class__.setter
    def __class__(self, value: Any) -> None:
        raise TypeError("catalogue: the class cannot be changed")


class registry:
    """The registered functions, one catalogue per kind, and what builds objects from a config.

    Subclass it to add catalogues; a subclass sees those of its bases.
    """

    optimizers = Catalogue("optimizers")
    schedules = Catalogue("schedules")
    layers = Catalogue("layers")
    losses = Catalogue("losses")
    initializers = Catalogue("initializers")
    datasets = Catalogue("datasets")
    ops = Catalogue("ops")

    @classmethod
    def create(cls, registry_name: str, entry_points: bool = False) -> None:
        """Add a catalogue as an attribute of this class. RAISES: ValueError when there is one of that name."""
        if hasattr(cls, registry_name):
            raise ValueError(f"registry: name must be new; got {registry_name!r}, which exists")
        setattr(cls, registry_name, Catalogue(registry_name, entry_points=entry_points))

    @classmethod
    def _catalogue(cls, registry_name: str) -> Any:
        found = getattr(cls, registry_name, None) if isinstance(registry_name, str) else None
        return found if hasattr(type(found), "register") else None

    @classmethod
    def has(cls, registry_name: str, func_name: str) -> bool:
        """Is there a function of this name? False too when there is no such registry."""
        catalogue = cls._catalogue(registry_name)
        return catalogue is not None and func_name in catalogue

    @classmethod
    def get(cls, registry_name: str, func_name: str) -> Callable[..., Any]:
        """The function. RAISES: ValueError suggesting the nearest name when there is none."""
        catalogue = cls._catalogue(registry_name)
        if catalogue is None:
            from ._resolve import suggest

            names = sorted(name for name in dir(cls) if cls._catalogue(name) is not None)
            raise ValueError(f"registry: must be one of {names}; got {registry_name!r}{suggest(registry_name, names)}")
        if func_name not in catalogue:
            from ._catalogue import not_found

            raise not_found(catalogue.namespace, func_name, catalogue.get_all())
        return catalogue.get(func_name)

    @classmethod
    def resolve(
        cls,
        config: Union["Config", Dict[str, Any]],
        *,
        schema: Any = None,
        overrides: Dict[str, Any] = {},  # noqa: B006
        validate: bool = True,
    ) -> Dict[str, Any]:
        """Build everything that a config describes: blocks with an "@" key become what their function returns.

        schema: confection Schema or pydantic model that the result has to fit.
        overrides: {"section.key": value} for values that the config has.
        validate: check arguments against the annotations of the functions, and the result against the schema.
        RAISES: ConfigValidationError with the path of each offending value.
        """
        from ._resolve import resolve

        return resolve(cls, config, schema, overrides, validate)

    @classmethod
    def fill(
        cls,
        config: Union["Config", Dict[str, Any]],
        *,
        schema: Any = None,
        overrides: Dict[str, Any] = {},  # noqa: B006
        interpolate: bool = False,
        validate: bool = True,
    ) -> "Config":
        """A copy of the config with the default arguments of all functions written out. Nothing is called.

        interpolate: replace variables; otherwise a config that came with them keeps them.
        """
        from ._resolve import fill

        return fill(cls, config, schema, overrides, interpolate, validate)

    @classmethod
    def problems(cls, config: Union["Config", Dict[str, Any]]) -> List[Dict[str, Any]]:
        """Everything that is wrong with the blocks of a config: names that are not registered, and arguments that are
        missing, unknown or of a wrong type. Nothing is called.

        RETURNS: for each the path, "loc", and "msg", which has the nearest right name for a wrong one.
        """
        from ._resolve import problems

        return problems(cls, config)

    @classmethod
    def is_promise(cls, obj: Any) -> bool:
        """Is obj a block that names a registered function (a dict with a key that starts with "@")?"""
        return hasattr(obj, "keys") and any(isinstance(key, str) and key.startswith("@") for key in obj.keys())

    @classmethod
    def get_constructor(cls, obj: Dict[str, Any]) -> Tuple[str, str]:
        """(registry name, function name) of a block. RAISES: ConfigValidationError unless it has just one."""
        names = [key for key in obj if isinstance(key, str) and key.startswith("@")]
        if len(names) != 1:
            from confection import ConfigValidationError

            message = f"a block must name one registered function; got {names}"
            raise ConfigValidationError(config=obj, errors=[{"loc": [], "msg": message}])
        return names[0][1:], obj[names[0]]

    @classmethod
    def parse_args(cls, obj: Dict[str, Any]) -> Tuple[List[Any], Dict[str, Any]]:
        """Positional ("*") and keyword arguments of a block."""
        arguments = {key: value for key, value in obj.items() if not key.startswith("@")}
        return arguments.pop("*", []), arguments
