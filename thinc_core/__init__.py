"""thinc_core: models are functions that return their output and a callback that back-propagates."""

from typing import TYPE_CHECKING, Any

from .about import __version__
from .config import registry

if TYPE_CHECKING:
    from ._alias import alias_thinc

__all__ = ["__version__", "alias_thinc", "get_include", "registry"]


def get_include() -> str:
    """Folder of the public C++ headers and of thinc/*.pxd, in a checkout and in an installed wheel alike."""
    from pathlib import Path

    package = Path(__file__).resolve().parent
    for folder in (package / "include", package.parent / "include"):
        if (folder / "thinc_core" / "kernels.def").exists():
            return str(folder)
    raise FileNotFoundError(f"get_include: no thinc_core/kernels.def in or beside {package} (reinstall thinc_core)")


def __getattr__(name: str) -> Any:
    if name != "alias_thinc":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ._alias import alias_thinc

    return alias_thinc
