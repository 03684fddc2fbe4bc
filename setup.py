"""Builds the extensions that build_tools/extensions.py lists; everything else is in pyproject.toml."""

import sys
from pathlib import Path

from setuptools import setup

# A PEP 517 build does not put the project's own folder on sys.path.
sys.path.insert(0, str(Path(__file__).resolve().parent))

from build_tools.commands import BuildExt, BuildPy
from build_tools.extensions import extensions

setup(ext_modules=extensions(), cmdclass={"build_ext": BuildExt, "build_py": BuildPy})
