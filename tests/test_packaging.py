"""What an sdist and a wheel hold, and that a wheel works where nothing else of ours is.

The lists are checked without compiling; the tests marked slow build and install for real.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Dict, List, Set

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHIPPED_KINDS = (".pxd", ".pyx", ".pyi", ".h", ".def", ".cu", ".cuh")
NOT_SOURCES = shutil.ignore_patterns(".git", ".venv*", "build", "dist", "runs", "__pycache__", "*.egg-info", ".*_cache")

pytest.importorskip("setuptools", minversion="77", reason="packages are built with setuptools 77 or newer")
pytest.importorskip("Cython", reason="building needs Cython")
pytestmark = pytest.mark.skipif(not (ROOT / "setup.py").exists(), reason="runs in a checkout")


def run(*command: object, cwd: Path, **environment: str) -> str:
    """Runs a command and returns its output; a failure shows it."""
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env={**clean, **environment}, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, (
        f"{command} ended with {done.returncode}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    )
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources with leftovers of a build in it, which no package may pick up."""
    folder = tmp_path_factory.mktemp("packaging") / "checkout"
    shutil.copytree(ROOT, folder, ignore=NOT_SOURCES)
    (folder / "thinc_core" / "backends" / "numpy_ops.cpp").write_text("generated")
    (folder / "thinc_core" / "backends" / "numpy_ops.cpython-30-none.so").write_text("compiled")
    return folder


@pytest.fixture(scope="module")
def sdist(checkout: Path) -> Path:
    """The sdist; making it must not run Cython."""
    before = set(checkout.rglob("*.cpp"))
    run(sys.executable, "setup.py", "-q", "sdist", cwd=checkout)
    assert set(checkout.rglob("*.cpp")) == before
    (made,) = (checkout / "dist").glob("*.tar.gz")
    return made


def sdist_names(sdist: Path) -> Set[str]:
    """File names in an sdist, without its top folder."""
    with tarfile.open(sdist) as archive:
        return {member.name.split("/", 1)[1] for member in archive.getmembers() if member.isfile()}


def source_files(folder: Path, *kinds: str) -> List[str]:
    """Files of some kinds below thinc_core/ and include/ of a checkout."""
    found = [path for top in ("thinc_core", "include") for path in (folder / top).rglob("*") if path.suffix in kinds]
    return sorted(path.relative_to(folder).as_posix() for path in found)


def test_sdist_has_every_source_and_nothing_generated(checkout: Path, sdist: Path) -> None:
    names = sdist_names(sdist)
    tops = {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "setup.py", "MANIFEST.in"}
    assert tops <= names
    assert {"build_tools/extensions.py", "build_tools/__main__.py", "tests/test_packaging.py"} <= names
    missing = {path for path in source_files(checkout, ".py", *SHIPPED_KINDS) if path not in names}
    assert not missing
    assert {f"thinc_core/backends/cpu/{name}.cpp" for name in ("kernels", "isa_baseline", "isa_avx512")} <= names
    generated = [name for name in names if name.endswith((".so", ".pyd", ".pyc"))]
    generated += [name for name in names if name.endswith(".cpp") and name.replace(".cpp", ".pyx") in names]
    assert not generated


def test_wheel_has_headers_and_cython_sources(checkout: Path, tmp_path: Path) -> None:
    library = tmp_path / "lib"
    run(sys.executable, "setup.py", "-q", "build_py", "--build-lib", library, cwd=checkout)
    names = {path.relative_to(library).as_posix() for path in library.rglob("*") if path.is_file()}
    check_wheel_names(checkout, names)


def check_wheel_names(checkout: Path, names: Set[str]) -> None:
    """What every wheel holds, whether compiled or not."""
    expected = {path for path in source_files(checkout, ".py", *SHIPPED_KINDS) if path.startswith("thinc_core/")}
    headers = {f"thinc_core/{path}" for path in source_files(checkout, *SHIPPED_KINDS) if path.startswith("include/")}
    assert {"thinc_core/include/thinc_core/kernels.h", "thinc_core/include/thinc/backends/cblas.pxd"} <= headers
    assert not (expected | headers) - names
    assert {"thinc_core/py.typed", "thinc_core/training/data/digits.csv.gz"} <= names
    assert not [
        name for name in names if name.startswith(("tests", "build_tools", "benchmarks", "include", "examples"))
    ]
    assert not [name for name in names if name.endswith(".cpp")]


def test_setup_is_short() -> None:
    assert (ROOT / "setup.py").read_text().count("\n") < 40


def test_metadata() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert re.search(r'^requires-python = ">=3.10"$', text, re.MULTILINE)
    for extra in "cuda12x cuda13x torch tensorflow jax onnx cli pydantic test docs all".split():
        assert re.search(rf"^{extra} = \[", text, re.MULTILINE), extra


def test_get_include_finds_the_headers() -> None:
    import thinc_core

    assert (Path(thinc_core.get_include()) / "thinc_core" / "kernels.h").exists()


INSTALLED = """
import sys, thinc_core, numpy
from pathlib import Path
from thinc_core.api import Relu, Softmax, chain
from thinc_core.backends import active_isa, cuda
folder = Path(thinc_core.__file__).parent
assert Path(sys.prefix) in folder.parents, folder
assert Path(thinc_core.get_include()) == folder / "include"
assert "thinc_murmur3(" in cuda._device.source("hash")
model = chain(Relu(4), Softmax(3)).initialize(X=numpy.ones((2, 5), "f"))
assert model.predict(numpy.ones((2, 5), "f")).shape == (2, 3)
print(active_isa(), numpy.__version__)
"""


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_wheel_from_sdist_runs_on_oldest_and_newest_numpy(checkout: Path, sdist: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    run(sys.executable, "-m", "venv", environment, cwd=tmp_path)
    run(python, "-m", "pip", "wheel", "--no-deps", "-w", tmp_path, sdist, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    check_wheel_names(checkout, names)
    assert [
        name for name in names if name.startswith("thinc_core/backends/numpy_ops.") and name.endswith((".so", ".pyd"))
    ]
    run(python, "-m", "pip", "install", wheel, cwd=tmp_path)
    newest = run(python, "-W", "error", "-c", INSTALLED, cwd=tmp_path)
    oldest = run_on_oldest_numpy(python, tmp_path)
    assert newest.split()[0] == oldest.split()[0]
    assert (environment / "bin" / "thinc-core").exists() or os.name == "nt"


def run_on_oldest_numpy(python: Path, folder: Path) -> str:
    """The same script with the oldest NumPy 2 that has a wheel for this Python."""
    oldest: Dict[int, str] = {10: "2.0.2", 11: "2.0.2", 12: "2.0.2", 13: "2.1.0"}
    version = oldest.get(sys.version_info.minor)
    if version is None:
        pytest.skip("the oldest NumPy for this Python is not known")
    run(python, "-m", "pip", "install", f"numpy=={version}", cwd=folder)
    output = run(python, "-c", INSTALLED, cwd=folder)
    assert output.split()[1] == version
    return output
