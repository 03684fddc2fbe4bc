"""The catalogues behind `registry`, once they are looked into: functions of this process and of installed packages."""

import warnings
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

import catalogue

from ._resolve import suggest

# Packages made for the original publish under this prefix; theirs are found too, after everything else.
FOREIGN_PREFIX = "thinc"


def not_found(namespace: Tuple[str, ...], name: str, functions: Iterable[str]) -> catalogue.RegistryError:
    """The error for a name that a catalogue does not have, with the nearest one that it has."""
    names = sorted(functions)
    return catalogue.RegistryError(
        f"registry {' -> '.join(namespace)}: there is no {name!r}{suggest(name, names)}; "
        f"available: {', '.join(names) or 'none'}"
    )


class LoadedCatalogue(catalogue.Registry):
    """A catalogue.Registry that reads entry points once, reads those of plugins for the original, and suggests names.

    Looked up in this order: entry points of our group, functions registered in this process, foreign entry points.
    """

    # What imports the module that registers a name of our own, or every such module when called without a name.
    read: Optional[Callable[..., None]] = None

    def __init__(self, namespace: Tuple[str, ...], entry_points: bool = False) -> None:
        super().__init__(namespace, entry_points=entry_points)
        self._found: Tuple[Any, Dict[str, Dict[str, Any]]] = (None, {})

    def _entries(self, group: str) -> Dict[str, Any]:
        """Entry points of a group by name; a scan takes 100 us, so it is done once."""
        if not self.entry_points:
            return {}
        source, groups = self._found
        if source is not catalogue.AVAILABLE_ENTRY_POINTS:
            groups = {}
            self._found = (catalogue.AVAILABLE_ENTRY_POINTS, groups)
        if group not in groups:
            groups[group] = {entry.name: entry for entry in catalogue.AVAILABLE_ENTRY_POINTS.select(group=group)}
        return groups[group]

    @property
    def _foreign_group(self) -> str:
        return "_".join((FOREIGN_PREFIX, *self.namespace[1:]))

    def _get_entry_points(self) -> List[Any]:
        return list(self._entries(self.entry_point_namespace).values())

    def get_entry_point(self, name: str, default: Any = None) -> Any:
        """The object of an entry point of our own group, or the default."""
        entry = self._entries(self.entry_point_namespace).get(name)
        return default if entry is None else entry.load()

    def _is_registered(self, name: str) -> bool:
        if self.read is not None and isinstance(name, str) and not catalogue.check_exists(*self.namespace, name):
            self.read(name)
        return catalogue.check_exists(*self.namespace, name)

    def __contains__(self, name: str) -> bool:
        own = name in self._entries(self.entry_point_namespace) or self._is_registered(name)
        return own or name in self._entries(self._foreign_group)

    def get(self, name: str) -> Any:
        """The function. RAISES: catalogue.RegistryError (a ValueError) with the nearest name and all names."""
        entry = self._entries(self.entry_point_namespace).get(name)
        if entry is not None:
            return entry.load()
        if isinstance(name, str) and self._is_registered(name):
            return catalogue.REGISTRY[(*self.namespace, name)]
        entry = self._entries(self._foreign_group).get(name)
        if entry is not None:
            return entry.load()
        raise not_found(self.namespace, name, self.get_all())

    def get_all(self) -> Dict[str, Any]:
        """All functions by name. Foreign packages that cannot be imported are left out with a warning."""
        if self.read is not None:
            self.read()
        result = {}
        for name, entry in self._entries(self._foreign_group).items():
            try:
                result[name] = entry.load()
            except Exception as error:
                warnings.warn(f"registry: entry point {entry.value!r} cannot be imported: {error}", stacklevel=2)
        return {**result, **super().get_all()}
