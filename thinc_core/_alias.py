"""`import thinc` that gives thinc_core, for packages that are not to be edited."""

from __future__ import annotations

import importlib
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Optional

NAME, OURS = "thinc", __package__


class Alias(MetaPathFinder, Loader):
    """Finds `thinc` and what is below it as the modules of the same place in thinc_core: the same objects."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Optional[ModuleSpec]:
        if fullname != NAME and not fullname.startswith(f"{NAME}."):
            return None
        ours = find_spec(OURS + fullname[len(NAME) :])
        return (
            None if ours is None else ModuleSpec(fullname, self, is_package=ours.submodule_search_locations is not None)
        )

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(OURS + spec.name[len(NAME) :])
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is left to run, but importlib has put its own spec on the module."""
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state


def alias_thinc() -> None:
    """From now on `import thinc`, and of what is below it, gives thinc_core: `thinc.api.Model is thinc_core.api.Model`.

    Compiled packages have to be built against thinc_core too, see docs/c_api.md.
    RAISES: ImportError when another `thinc` has been imported already: both at once would not know each other's models.
    """
    loaded = sys.modules.get(NAME)
    if loaded is not None and loaded is not sys.modules[OURS]:
        raise ImportError(
            f"alias_thinc: it must be called before the first `import thinc`; {loaded!r} is there", name=NAME
        )
    if not any(isinstance(finder, Alias) for finder in sys.meta_path):
        sys.meta_path.insert(0, Alias())
