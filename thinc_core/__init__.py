"""thinc_core: models are functions that return their output and a callback that back-propagates."""

from pathlib import Path

from .about import __version__

__all__ = ["__version__", "get_include"]


def get_include() -> str:
    """Folder of the public C++ headers, in a checkout and in an installed wheel alike."""
    package = Path(__file__).resolve().parent
    for folder in (package / "include", package.parent / "include"):
        if (folder / "thinc_core" / "kernels.def").exists():
            return str(folder)
    raise FileNotFoundError(f"get_include: thinc_core/kernels.def must be in {package / 'include'}; reinstall thinc_core")
