"""Compiles Cython code against thinc_core as another project would: from its installed .pxd files and headers."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Sequence

import pytest

import thinc_core

PACKAGE = Path(thinc_core.__file__).resolve().parent
SOURCES = Path(__file__).resolve().parent / "extra" / "outside"
# No folder of headers is named: that is how spaCy builds. include_path is where thinc/*.pxd are.
SETUP = """
from Cython.Build import cythonize
from setuptools import Extension, setup
from thinc_core import get_include

extension = Extension("{name}", ["{name}.pyx"], language="c++")
modules = cythonize([extension], language_level=3, include_path=[get_include()])
setup(name="{name}", ext_modules=modules, script_args=["build_ext", "--inplace"])
"""


def require_compiler() -> None:
    """Skip the test where extensions cannot be compiled."""
    pytest.importorskip("Cython", reason="compiling against thinc_core needs Cython")
    pytest.importorskip("setuptools", reason="compiling against thinc_core needs setuptools")
    compiler = (sysconfig.get_config_var("CXX") or "cl").split()[0]
    if shutil.which(compiler) is None:
        pytest.skip(f"compiling against thinc_core needs a C++ compiler; {compiler} is not on the path")
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        pytest.skip("compiling against thinc_core needs Python's headers")


def run_python(arguments: Sequence[str], folder: Path) -> str:
    """Output of Python in a folder, with thinc_core importable; a failure shows what it printed."""
    path = os.pathsep.join([str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "CFLAGS": "-O1", "CXXFLAGS": "-O1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, f"{arguments} in {folder}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def fingerprint(source: Path) -> str:
    """Changes with whatever the compiled module depends on."""
    import Cython

    digest = hashlib.sha256(f"{sys.version} {sysconfig.get_platform()} {Cython.__version__} {SETUP}".encode())
    for path in [source, *sorted(PACKAGE.rglob("*.pxd"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def outside_module(name: str, config: pytest.Config) -> ModuleType:
    """The module of tests/extra/outside, compiled once for the present sources and kept in pytest's cache."""
    require_compiler()
    source = SOURCES / f"{name}.pyx"
    assert config.cache is not None
    folder = config.cache.mkdir("outside") / f"{name}-{fingerprint(source)}"
    if not folder.exists():
        building = folder.with_name(f"{folder.name}.{os.getpid()}")
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir()
        shutil.copy(source, building)
        (building / "setup.py").write_text(SETUP.format(name=name), encoding="utf-8")
        run_python(["setup.py"], building)
        try:
            building.rename(folder)
        except OSError:  # another worker was faster
            shutil.rmtree(building)
    (library,) = [path for path in folder.glob(f"{name}.*") if path.suffix in (".so", ".pyd")]
    spec = importlib.util.spec_from_file_location(name, library)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
