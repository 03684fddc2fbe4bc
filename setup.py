"""Builds the extensions that build_tools/extensions.py lists; everything else is in pyproject.toml."""
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_ext import build_ext
from setuptools.extension import Extension

# A PEP 517 build does not put the project's own folder on sys.path.
sys.path.insert(0, str(Path(__file__).resolve().parent))

from build_tools.extensions import DIRECTIVES, extensions  # noqa: E402


class CythonBuildExt(build_ext):
    """Runs Cython only when extensions are really built, not whenever metadata is asked for."""

    def finalize_options(self) -> None:
        from Cython.Build import cythonize

        self.distribution.ext_modules = cythonize(extensions(), compiler_directives=DIRECTIVES)
        super().finalize_options()


# One placeholder tells setuptools that the wheel is platform specific before the real list exists.
setup(ext_modules=[Extension("thinc_core.backends.numpy_ops", [])], cmdclass={"build_ext": CythonBuildExt})
