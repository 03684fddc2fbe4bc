"""thinc_core: models are functions that return their output and a callback that back-propagates."""

from .about import __version__
from .config import registry

__all__ = ["registry", "__version__", "get_include"]


def get_include() -> str:
    """Folder of the public C++ headers, in a checkout and in an installed wheel alike."""
    from pathlib import Path

    package = Path(__file__).resolve().parent
    for folder in (package / "include", package.parent / "include"):
        if (folder / "thinc_core" / "kernels.def").exists():
            return str(folder)
    folders = f"{package / 'include'} or {package.parent / 'include'}"
    raise FileNotFoundError(
        f"get_include: thinc_core/kernels.def must be in {folders}; got neither (reinstall thinc_core)"
    )
