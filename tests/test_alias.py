"""thinc_core under the name of the original, for Python code and for compiled code."""

import sys
from pathlib import Path

import numpy
import pytest
from outside import outside_module, run_python

import thinc_core

ALIASED = """
import thinc_core
thinc_core.alias_thinc()
thinc_core.alias_thinc()
import sys
import thinc, thinc.layers.linear
from thinc.api import Model, chain
from thinc.backends.numpy_ops import NumpyOps
import thinc_core.api, thinc_core.backends, thinc_core.layers.linear

assert thinc is thinc_core and thinc.layers.linear is thinc_core.layers.linear
assert Model is thinc_core.api.Model and chain is thinc_core.api.chain and NumpyOps is thinc_core.backends.NumpyOps
assert thinc.layers.linear.__spec__.name == thinc.layers.linear.__name__ == "thinc_core.layers.linear"
try:
    import thinc.nothing
except ModuleNotFoundError as error:
    print(error)
"""


def test_alias_gives_the_same_modules(tmp_path: Path) -> None:
    assert "thinc.nothing" in run_python(["-c", ALIASED], tmp_path)


def test_alias_comes_before_the_original(tmp_path: Path) -> None:
    """An installed original would be found otherwise; one that is imported already is not replaced."""
    (tmp_path / "thinc").mkdir()
    (tmp_path / "thinc" / "__init__.py").write_text("original = True\n")
    first = "import thinc_core; thinc_core.alias_thinc(); import thinc; print(hasattr(thinc, 'original'))"
    assert run_python(["-c", first], tmp_path).strip() == "False"
    late = """
import thinc, thinc_core
try:
    thinc_core.alias_thinc()
except ImportError as error:
    print(error)
import thinc.nothing_more
"""
    with pytest.raises(AssertionError, match=r"before the first `import thinc`(.|\n)*nothing_more"):
        run_python(["-c", late], tmp_path)


def test_compiled_code_that_says_thinc(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name == "thinc" or name.startswith("thinc.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    before = set(sys.modules)
    thinc_core.alias_thinc()
    names = outside_module("thinc_names", pytestconfig)
    from thinc_core.api import NumpyOps
    from thinc_core.extra.search import Beam, MaxViolation

    cblas, rng = NumpyOps().cblas(), numpy.random.default_rng(0)
    A, B = rng.normal(size=(3, 4)).astype("f"), rng.normal(size=(2, 4)).astype("f")
    C = numpy.empty((3, 2), dtype="f")
    names.multiply(cblas, A, B, C)
    assert numpy.allclose(C, A @ B.T, atol=1e-6)
    Y = numpy.ones(4, dtype="f")
    names.add(cblas, Y, A[0])
    assert numpy.allclose(Y, 1 + 2 * A[0])
    assert names.best(numpy.zeros(3, dtype="f"), numpy.array([1, 3, 2], dtype="f")) == 1
    assert names.widths(Beam(3, 2), MaxViolation()) == (2, 0)
    for name in set(sys.modules) - before:
        if name == "thinc" or name.startswith("thinc."):
            monkeypatch.delitem(sys.modules, name)
